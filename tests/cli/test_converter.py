"""`conquestctl converter` and `conquestctl script`, as they are typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from conquestctl import tryout
from conquestctl.errors import ExitStatus
from tests.cli.running import Ran, conquestctl, make_instance

CT, MR = (str(get_testdata_file(name)) for name in ("CT_small.dcm", "MR_small.dcm"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_instance(tmp_path, "ct1", port=5678)
    return tmp_path


def converters(home: Path) -> Path:
    return home / "instances/ct1/mount/config/converters.txt"


def run(home: Path, *words: str) -> Ran:
    return conquestctl(*words, cwd=home, environ={"CONQUESTCTL_ENGINE": "process"})


def test_add_list_and_rm(home: Path) -> None:
    assert "conquestctl converter add ct1" in run(home, "converter", "list", "ct1").err
    ran = run(home, "converter", "add", "ct1", 'ifequal "%m","MR"; destroy')
    assert (ran.status, ran.out) == (ExitStatus.OK, "")
    assert ran.err == (
        'ct1: converter 0 is ifequal "%m","MR"; destroy\nA server that runs takes it up within a second or two.\n'
    )
    assert run(home, "converter", "add", "ct1", "nop first", "--at", "0", "--json").document["number"] == 0
    converters(home).write_text(converters(home).read_text() + "# why\n\n")
    assert run(home, "converter", "list", "ct1").out == (
        "No  Kind       Line\n"
        "0   converter  nop first\n"
        '1   converter  ifequal "%m","MR"; destroy\n'
        "2   comment    # why\n"
        "3   empty\n"
    )
    assert run(home, "converter", "list", "ct1", "--json").document["lines"][0] == {
        "number": 0,
        "text": "nop first",
        "kind": "converter",
    }
    assert "converter 0 is gone: nop first" in run(home, "converter", "rm", "ct1", "0").err
    assert converters(home).read_text() == 'ifequal "%m","MR"; destroy\n# why\n\n'


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("add", "ct1", '"a"; nop "b"'), ExitStatus.INVALID, "the same quote"),
        (("add", "ct1", "nop " + "x" * 600), ExitStatus.INVALID, "only 511"),
        (("add", "ct1", "nop", "--at", "7"), ExitStatus.INVALID, "--at goes from 0 to 0"),
        (("add", "ct9", "nop"), ExitStatus.NOT_FOUND, "there is no instance 'ct9'"),
        (("rm", "ct1", "0"), ExitStatus.NOT_FOUND, "there is no line 0"),
        (("rm", "ct1", "x"), ExitStatus.USAGE, "valid integer"),
        (("check",), ExitStatus.USAGE, "no instance was named"),
        (("test", "ct1", "none.dcm"), ExitStatus.NOT_FOUND, "no such file"),
    ],
)
def test_bad_input_changes_nothing(home: Path, words: tuple[str, ...], status: ExitStatus, sentence: str) -> None:
    before = converters(home).read_bytes()
    ran = run(home, "converter", *words)
    assert ran.status == status
    assert sentence in ran.err
    assert converters(home).read_bytes() == before


def test_doubtful_lines_are_taken_with_a_warning(home: Path) -> None:
    ran = run(home, "converter", "add", "ct1", 'ifequal "%m","MR"; ifequal "%i","1"; destroy')
    assert ran.status == ExitStatus.OK
    assert ran.err.startswith("Warning: column 20: this condition is guarded by the one before it")
    ran = run(home, "converter", "add", "ct1", "else", "--json")
    assert [one["severity"] for one in ran.document["findings"]] == ["error"]


def test_filters_of_lines_that_move_are_named(home: Path) -> None:
    template = converters(home).with_name("dicom.ini.j2")
    template.write_text(template.read_text() + "ImportModality0 = CT\n")
    assert "filters" not in run(home, "converter", "add", "ct1", "nop a").err
    assert "have not: ImportModality0" in run(home, "converter", "add", "ct1", "nop b", "--at", "0").err


def test_check_points_at_each_mistake(home: Path) -> None:
    assert run(home, "converter", "check", "--all").status == ExitStatus.OK
    converters(home).write_text("nop 5%k\n")
    ran = run(home, "converter", "check", "ct1")
    assert (ran.status, ran.err) == (ExitStatus.OK, "0 errors, 1 warning\n")
    converters(home).write_text("nop\n  nop; else\n")
    ran = run(home, "converter", "check", "ct*")
    assert ran.status == ExitStatus.INVALID
    assert ran.out == ("ct1/mount/config/converters.txt:2:8: error: there is no else: write the opposite condition\n")
    ran = run(home, "converter", "check", "ct1", "--json")
    assert ran.status == ExitStatus.INVALID
    assert ran.document["ok"] is False
    assert ran.document["findings"] == [
        {
            "instance": "ct1",
            "severity": "error",
            "file": "mount/config/converters.txt",
            "line": 2,
            "column": 8,
            "message": "there is no else: write the opposite condition",
            "wrong": True,
        }
    ]


def test_a_trial_shows_steps_changes_and_verdict(home: Path) -> None:
    converters(home).write_text('ifequal "%m","MR"; destroy\nset 0010,0010 to "A^B"; delete 0008,0080; system ls\n')
    ran = run(home, "converter", "test", "ct1", CT)
    assert (ran.status, ran.err) == (ExitStatus.OK, "")
    path = ran.out.partition("Verdict: stored as ")[2].partition(",")[0]
    assert path.startswith("./mount/data/1CT1/")
    assert ran.out == (
        '. Importconverter0.0 executes: ifequal "CT","MR"\n'
        ". Importconverter0.1 not executed because of previous statement\n"
        '. Importconverter1.0 executes: set 0010,0010 to "A^B"\n'
        "  Importconverter1.1 executes: delete 0008,0080\n"
        "> would run ls\n"
        ". Importconverter1.2: system ls\n"
        f"  Written file: {path}\n"
        "\n"
        "Changes:\n"
        "  0008,0080 InstitutionName\n"
        "    - JFK IMAGING CENTER\n"
        "  0010,0010 PatientName\n"
        "    - CompressedSamples^CT1\n"
        "    + A^B\n"
        "\n"
        f"Verdict: stored as {path}, C-STORE status 0x0000\n"
        "  would run ls\n"
    )
    found = run(home, "converter", "test", "ct1", MR, "--json").document
    assert (found["verdict"], found["path"], found["changes"]) == ("destroyed", "", [])
    assert not (home / "instances/ct1/mount/config/dicom.ini").exists()


def test_the_page_shows_what_the_samples_really_say(home: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/converters.md").read_text(encoding="utf-8")
    commands, for_ct, for_mr = [block.split("```")[0].strip("\n") for block in page.split("```\n")[1:6:2]]
    for line in commands.splitlines()[:-1]:
        run(home, *shlex.split(line)[1:])
    assert _steps(run(home, "converter", "test", "ct1", CT).out) == _steps(for_ct)
    assert _steps(run(home, "converter", "test", "ct1", MR).out) == _steps(for_mr)


def _steps(text: str) -> list[str]:
    """Without what depends on the clock."""
    return [line for line in text.splitlines() if "mount/data" not in line]


def test_a_trial_knows_who_sends(home: Path) -> None:
    converters(home).write_text("nop %u %c\n")
    ran = run(home, "converter", "test", "ct1", CT, "--calling", "SCANNER", "--called", "OTHER")
    assert "nop SCANNER OTHER" in ran.out
    assert "nop CONQUESTCTL CT1" in run(home, "converter", "test", "ct1", CT).out


def test_a_file_that_is_no_dicom_and_a_trial_that_dies_are_errors(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "bad.dcm").write_bytes(b"no")
    ran = run(home, "converter", "test", "ct1", "bad.dcm")
    assert ran.status == ExitStatus.INVALID
    assert "bad.dcm" in ran.err
    monkeypatch.setattr(tryout, "COMMAND", ("sh", "-c", "echo oops >&2; exit 3"))
    ran = run(home, "converter", "test", "ct1", CT)
    assert ran.status == ExitStatus.FAILURE
    assert "the trial ended with status 3: oops" in ran.err


def test_scripts_are_added_and_listed(home: Path) -> None:
    (home / "route.lua").write_text("print(Data.PatientID)\n")
    ran = run(home, "script", "add", "ct1", "route.lua")
    assert ran.err == "ct1 has route.lua; run it: conquestctl converter add ct1 ../scripts/route.lua\n"
    assert [line.split() for line in run(home, "script", "list", "ct1").out.splitlines()[1:]] == [
        ["printPatientInfo.lua", "278", "../scripts/printPatientInfo.lua"],
        ["route.lua", "22", "../scripts/route.lua"],
    ]
    run(home, "converter", "add", "ct1", "../scripts/route.lua")
    (home / "route.lua").write_text("print(2)\n")
    assert run(home, "script", "add", "ct1", "route.lua").status == ExitStatus.CONFLICT
    assert run(home, "script", "add", "ct1", "route.lua", "--as", "b.lua", "--json").document["script"] == "b.lua"
    assert run(home, "script", "add", "ct1", "route.lua", "--force").status == ExitStatus.OK
    assert run(home, "script", "add", "ct1", "none.lua").status == ExitStatus.NOT_FOUND
    assert json.loads(run(home, "script", "list", "ct1", "--json").out)["scripts"][0]["name"] == "b.lua"
