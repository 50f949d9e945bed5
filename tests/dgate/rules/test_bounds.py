"""Whatever a line, a file of lines or an object holds: bounded, in the log, and the server goes on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from dgate.config.converters.grammar import split
from dgate.rules import shell
from tests.dgate.rules.bench import CT, Instance, changed, read_settings, texts

if TYPE_CHECKING:
    from pathlib import Path


def test_recursion_ends(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "loop").write_text("call loop\n")
    instance.configure("call loop; nop after")
    assert instance.store() == 0
    assert "*** Importconverter-1.0 error: lines call one another more than 16 deep" in texts(instance.log.lines)
    assert instance.log.lines[-1] == "O Importconverter0.1: nop after"


def test_a_tree_of_calls_ends(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "bomb").write_text("bomb; bomb; bomb\n" * 30)
    instance.configure("bomb", "nop after")
    assert instance.store() == 0
    wrong = [line for line in instance.log.lines if "too many statements" in line]
    assert len(wrong) == 1
    assert len(instance.files()) == 1


def test_a_script_that_calls_itself(instance: Instance) -> None:
    instance.configure("again", more="[scripts]\nagain = again; again\n")
    assert instance.store() == 0


def test_a_line_of_a_megabyte(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("nop " + "x" * 900_000 + "\nnop b\n")
    instance.configure("call long")
    assert instance.store() == 0
    assert texts(instance.log.lines)[1:] == [
        "*** Importconverter-1.0 error: a line of more than 65536 characters",
        "Importconverter-1.0: nop b",
    ]


def test_a_file_of_many_lines(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "many").write_text("nop\n" * 12_000)
    instance.configure("call many")
    assert instance.store() == 0
    said = texts(instance.log.lines)
    assert said[1].startswith("*** Importconverter-1.0 error: only 1048576 bytes or 10000 lines are read of")
    assert len(said) == 10_002


def test_a_statement_that_grows(instance: Instance) -> None:
    comment = b"x" * 250
    instance.configure("nop " + "%V0010,4000" * 40, "call grow", 'set z to "y"')
    (instance.root / "grow").write_text("nop " + "%V0010,4000" * 100 + "\n")
    instance.store({**CT, 0x00104000: (b"LT", comment)})
    said = texts(instance.log.lines)
    assert len(said[0]) == len("Importconverter0.0: nop ") + 40 * 250
    assert said[2].startswith("*** Importconverter-1.0 error: a statement of more than 16384 characters: nop xxx")


def test_many_short_statements_are_quickly_split() -> None:
    assert len(split(";" * 1_000_000)) == 1_000_000
    assert len(split('"' * 999_999)) == 1


def test_a_command_that_does_not_end(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "SECONDS", 0.2)
    instance.configure("system sleep 100 & sleep 100; nop after")
    started = time.monotonic()
    assert instance.store() == 0
    assert time.monotonic() - started < 50
    assert texts(instance.log.lines) == [
        "*** Importconverter0.0 error: stopped after 0 seconds: sleep 100 & sleep 100",
        "Importconverter0.0: system sleep 100 & sleep 100",
        "Importconverter0.1: nop after",
    ]


# -- what comes from the network stays data

HOSTILE = [
    b"$(touch pwned)",
    b"`touch pwned`",
    b"x';touch pwned;'",
    b'x" ; touch pwned ; "',
    b"a\nb; touch pwned",
    b"-n",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_name_is_no_command(instance: Instance, name: bytes, quote: str) -> None:
    instance.configure(
        f"system printf %%s {quote}%VPatientName{quote} > out",
        f'system echo "$(echo {quote}%VPatientName{quote})" > more',
    )
    instance.store(changed(CT, t00100010=name))
    assert not (instance.root / "pwned").exists()
    if quote != '"':
        assert (instance.root / "out").read_bytes() == name


def test_harmless_values_stand_in_commands_as_they_are(instance: Instance) -> None:
    instance.configure("system echo $((%V0028,0010 + 1)) %i.txt %VPatientName > out")
    instance.store()
    assert (instance.root / "out").read_text() == "5 1CT1.txt CompressedSamples^CT1\n"


@pytest.mark.parametrize("name", [b"../escaped", b"..", b"/etc/escaped", b"a/../../escaped"])
def test_a_name_leads_nowhere(instance: Instance, tmp_path: Path, name: bytes) -> None:
    work = tmp_path / "work"
    (work / "out").mkdir(parents=True)
    os.chdir(work)
    instance.configure(
        'write "x" to out/%VPatientName', "save to out/%VPatientName/a.dcm", "mkdir out/%VPatientName/made"
    )
    instance.store(changed(CT, t00100010=name))
    found = [path for path in tmp_path.rglob("*") if path.name in ("escaped", "a.dcm", "made")]
    assert all(path.is_relative_to(work / "out") for path in found)


def test_a_name_is_no_statement(instance: Instance) -> None:
    instance.configure('script "nop %VPatientName; nop b"')
    instance.store(changed(CT, t00100010=b"a; destroy; %i"))
    assert len(instance.files()) == 1
    assert texts(instance.log.lines) == ["Importconverter-1.0: nop a_ destroy_ _i", "Importconverter-1.1: nop b"]


def test_a_line_end_in_a_value_is_no_line_of_the_log(instance: Instance) -> None:
    instance.configure("nop %V0010,4000")
    instance.store({**CT, 0x00104000: (b"LT", b"a\n*** forged")})
    assert texts(instance.log.lines) == ["Importconverter0.0: nop a\n*** forged"]


def test_a_name_with_a_nul(instance: Instance) -> None:
    instance.configure("save to %VPatientName.dcm", "rm %VPatientName", "call %VPatientName", "%VPatientName")
    assert instance.store(changed(CT, t00100010=b"a\0b")) == 0


def test_lines_with_bytes_of_any_kind(instance: Instance) -> None:
    text = "".join(chr(0xDC00 + byte) if byte > 127 else chr(byte) for byte in range(1, 256) if byte not in (10, 13))
    instance.settings = read_settings(instance.root, f"ImportConverter0 = {text}\nImportConverter1 = nop {text}\n")
    assert instance.store() == 0
