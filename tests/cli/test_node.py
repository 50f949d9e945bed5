"""`conquestctl node`, and what `echo --mesh` and `route` refuse, as they are typed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from conquestctl.cli import session as sessions
from conquestctl.engine.base import Captured, Engine
from conquestctl.errors import ExitStatus
from tests.cli.running import Ran, conquestctl, make_instance
from tests.fakes import FakeEngine
from tests.unit.dicom.test_causes import document

pytestmark = pytest.mark.usefixtures("one_fleet_at_a_time")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_instance(tmp_path, "ct1", port=5678)
    make_instance(tmp_path, "ct2", port=5679)
    return tmp_path


def node(home: Path, *words: str) -> Ran:
    environ = {"CONQUESTCTL_ENGINE": "process", "DOCKER_HOST": f"unix://{home}/no.sock"}
    return conquestctl(*words, cwd=home, environ=environ)


def test_add_list_and_remove(home: Path) -> None:
    ran = node(home, "node", "add", "PACS", "192.168.1.20", "104")
    assert (ran.status, ran.out) == (ExitStatus.OK, "")
    assert ran.err == "PACS is 192.168.1.20:104; 2 maps changed\n"
    ran = node(home, "node", "add", "VIEWER", "localhost", "11112", "--compression", "j2", "--only", "ct1")
    assert ran.err == "VIEWER is localhost:11112; 1 map changed\n"
    assert node(home, "node", "list").out == (
        "AE title  Host          Port   Compression  Known to\n"
        "PACS      192.168.1.20  104    un           all\n"
        "VIEWER    localhost     11112  j2           ct1\n"
    )
    assert node(home, "node", "list", "--json").document["nodes"][1] == {
        "ae_title": "VIEWER",
        "host": "localhost",
        "port": 11112,
        "compression": "j2",
        "only": ["ct1"],
    }
    assert node(home, "node", "rm", "PACS").err == "PACS is no longer known; 2 maps changed\n"
    assert node(home, "node", "rm", "PACS").status == ExitStatus.NOT_FOUND


def test_an_empty_list_says_how_to_add_one(tmp_path: Path) -> None:
    ran = node(tmp_path, "node", "list")
    assert (ran.status, ran.out) == (ExitStatus.OK, "")
    assert "conquestctl node add AET HOST PORT" in ran.err


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("PACS", "h", "0"), ExitStatus.INVALID, "port '0' is not a number from 1 to 65535"),
        (("PACS", "a b", "104"), ExitStatus.INVALID, "'a b' is no host name or IP address"),
        (("PACS", "h", "104", "--compression", "zip"), ExitStatus.INVALID, "'zip' is no compression code"),
        (("PA CS", "h", "104"), ExitStatus.INVALID, "only printable ASCII without blanks"),
        (("PAC*", "h", "104"), ExitStatus.INVALID, "is a pattern, not a node"),
        (("CT1", "h", "104"), ExitStatus.CONFLICT, "AE title CT1 is taken by instance ct1"),
        (("KNOWN", "10.0.0.2", "104"), ExitStatus.CONFLICT, "AE title KNOWN is taken"),
        (("PACS", "h", "104", "--only", "ct9"), ExitStatus.NOT_FOUND, "there is no instance 'ct9'"),
    ],
)
def test_bad_input_changes_nothing(home: Path, words: tuple[str, ...], status: ExitStatus, sentence: str) -> None:
    node(home, "node", "add", "KNOWN", "10.0.0.1", "104")
    before = (home / "instances" / "acrnema.map").read_bytes()
    ran = node(home, "node", "add", *words)
    assert ran.status == status
    assert sentence in ran.err
    assert (home / "instances" / "acrnema.map").read_bytes() == before


def test_an_existing_map_is_imported_and_what_cannot_be_is_named(home: Path) -> None:
    (home / "old.map").write_text(
        "/* ours */\nPACS 10.0.0.1 104 un\nCT1 10.0.0.2 104\nX* h 15*\nSHORT h\n"
        "A h 1 un B h 2\nLAST h 3 j2 # why\nZ h 4\n"
    )
    ran = node(home, "node", "import", "old.map", "--json")
    assert ran.status == ExitStatus.PARTIAL
    assert ran.document["taken"] == 3
    lines = [sentence.partition(": ")[0].removeprefix(f"{home}/") for sentence in ran.document["refused"]]
    assert lines == ["old.map:4", "old.map:5", "old.map:6", "old.map:7", "line 3"]
    assert [one["ae_title"] for one in node(home, "node", "list", "--json").document["nodes"]] == ["PACS", "LAST", "Z"]
    (home / "good.map").write_text("MORE h 1\n")
    assert node(home, "node", "import", "good.map").err == "1 node taken; 2 maps changed\n"
    (home / "bad.map").write_text("SHORT h\n")
    assert node(home, "node", "import", "bad.map").status == ExitStatus.INVALID
    assert node(home, "node", "import", "none.map").status == ExitStatus.NOT_FOUND


def test_a_host_that_nobody_knows_is_taken_with_a_warning(home: Path) -> None:
    ran = node(home, "node", "add", "LOST", "no-such-host.invalid", "104")
    assert ran.status == ExitStatus.OK
    assert "Warning: the host no-such-host.invalid is not known here: " in ran.err


def test_maps_that_cannot_be_written_do_not_undo_what_was_asked_for(home: Path) -> None:
    (home / "instances" / "acrnema.map").mkdir()
    ran = node(home, "set", "ct1", "ae_title=OTHER")
    assert ran.status == ExitStatus.OK
    assert "Warning: the maps of the fleet are not up to date: cannot read" in ran.err
    assert node(home, "node", "add", "PACS", "10.0.0.1", "104").status == ExitStatus.STORAGE
    ran = node(home, "doctor", "--json")
    assert any("acrnema.map" in one["what"] for one in ran.document["findings"] if one["verdict"] == "problem")


def test_create_set_and_rm_write_the_maps(tmp_path: Path) -> None:
    def known(name: str) -> list[str]:
        text = (tmp_path / "instances" / name / "mount" / "config" / "acrnema.map").read_text()
        return [" ".join(line.split()[:3]) for line in text.splitlines() if line and not line.startswith("#")]

    assert node(tmp_path, "create", "a1", "a2", "--port", "15678").status == ExitStatus.OK
    assert known("a1") == ["A1 127.0.0.1 15678", "A2 127.0.0.1 15679"]
    node(tmp_path, "set", "a2", "ae_title=OTHER")
    assert known("a1") == ["A1 127.0.0.1 15678", "OTHER 127.0.0.1 15679"]
    assert known("a2") == ["OTHER 127.0.0.1 15679", "A1 127.0.0.1 15678"]
    node(tmp_path, "rm", "a2")
    assert known("a1") == ["A1 127.0.0.1 15678"]


def with_engine(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    monkeypatch.setattr(sessions.Session, "engine", lambda _self: engine)


def test_the_matrix(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    with_engine(monkeypatch, engine)
    for instance in _instances(home):
        engine.create(instance)
    engine.containers["ct1"].observed = _running(engine, "ct1")
    seen = document(connected="10.0.0.2", rejected=[1, 1, 7])
    engine.captured["ct1"] = Captured(0, seen.replace(b'"host": "ct2"', b'"host": "127.0.0.1"'), b"")
    ran = node(home, "echo", "--mesh")
    assert ran.status == ExitStatus.NOT_READY
    assert [re.split("  +", line) for line in ran.out.splitlines()] == [
        ["From", "ct1", "ct2"],
        ["ct1", "-", "association rejected"],
        ["ct2", "not running", "-"],
        ["From", "To", "Entry", "Result", "Detail", "What to do"],
        [
            *("ct1", "ct2", "127.0.0.1:5679", "association rejected"),
            "'CT2' rejected 'CT1' permanently: called AE title not recognised (said by its DICOM application)",
            "It is called otherwise than CT2: capital and small letters count.",
        ],
        ["ct2", "all", "not running", "ct2 is not running", "conquestctl up ct2"],
    ]
    assert ran.err == "0 of 2 ways are open\n"
    assert ("capture", "ct1 python3 -P -m dgate.net.mesh 5 CT2") in engine.calls


def _instances(home: Path) -> list[Any]:
    from conquestctl.fleet.scan import Fleet

    return Fleet.open(home / "instances").instances()


def _running(engine: FakeEngine, name: str) -> Any:
    from dataclasses import replace

    from conquestctl.engine.base import State

    return replace(engine.containers[name].observed, state=State.RUNNING)


def test_what_the_matrix_cannot_be_asked_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_engine(monkeypatch, FakeEngine())
    assert node(home, "echo", "--mesh", "PACS@h:104").status == ExitStatus.USAGE
    assert node(home, "echo", "--mesh", "ct9").status == ExitStatus.NOT_FOUND
    assert node(home, "route", "ct9", "ct1").status == ExitStatus.NOT_FOUND


def test_a_route_from_an_instance_that_cannot_look(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    engine.captured["ct1"] = Captured(127, b"", b"python3: not found")
    with_engine(monkeypatch, engine)
    ran = node(home, "route", "ct1", "ct2")
    assert ran.status == ExitStatus.ENGINE
    assert "ct1 cannot look around: python3: not found" in ran.err
