"""up, status, logs, exec, restart and down as they are typed, on local processes with the real server."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conquestctl.cli.main import run
from conquestctl.engine.process import ProcessEngine
from conquestctl.errors import ExitStatus
from conquestctl.fleet.scan import Fleet
from conquestctl.lifecycle import down
from conquestctl.output import Environment
from tests.ports import free_port

pytestmark = pytest.mark.usefixtures("one_fleet_at_a_time")


class Said(NamedTuple):
    status: int
    out: str
    err: str

    def document(self) -> Any:
        return json.loads(self.out)


Type = Callable[..., Said]


@pytest.fixture
def type_(tmp_path: Path) -> Iterator[Type]:
    """Type a command line; what it leaves running is stopped at the end."""
    environ = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    environ |= {"CONQUESTCTL_ENGINE": "process", "XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "dumb"}
    root = tmp_path / "fleet"

    def typed(*words: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        status = run(["--root", str(root), *words], Environment(io.StringIO(), out, err, environ, tmp_path))
        return Said(status, out.getvalue(), err.getvalue())

    yield typed
    left = Fleet.open(root, environ).instances()
    down(left, ProcessEngine(environ))


@pytest.fixture
def fleet(type_: Type) -> Type:
    """Two instances on ports that are free."""
    for name in ("ct1", "mr1"):
        said = type_("create", name, "--port", str(free_port()))
        assert said.status == ExitStatus.OK, said.err
    return type_


def test_a_day_in_the_life(fleet: Type, capfd: pytest.CaptureFixture[str]) -> None:
    assert fleet("up", "--all", "--dry-run").out.splitlines() == [
        "ct1   create   not there yet",
        "mr1   create   not there yet",
    ]
    said = fleet("up", "--all")
    assert said.status == ExitStatus.OK, said.err
    assert [line.split()[:3] for line in said.out.splitlines()[1:]] == [
        ["ct1", "create", "ok"],
        ["mr1", "create", "ok"],
    ]
    assert "ct1: answers C-ECHO" in said.err
    assert "already up" in fleet("up", "ct1").out

    shown = fleet("status", "--json").document()
    assert [(one["name"], one["state"], one["images"]) for one in shown["instances"]] == [
        ("ct1", "running", 0),
        ("mr1", "running", 0),
    ]
    assert all(one["echo"]["ok"] for one in shown["instances"])
    assert fleet("status").out.splitlines()[1].split()[:3] == ["ct1", "running", "CT1"]

    assert fleet("logs", "ct1", "--tail", "1").out.count("\n") == 1
    assert fleet("exec", "ct1", "--", "sh", "-c", "echo $AETITLE; exit 9").status == 9
    assert "CT1" in capfd.readouterr().out
    assert fleet("exec", "ct1", "--").status == ExitStatus.USAGE

    restarted = fleet("restart", "mr1", "--json").document()
    assert [(one["name"], one["action"], one["ok"]) for one in restarted["instances"]] == [("mr1", "restart", True)]
    assert fleet("down", "--all", "--dry-run").out.splitlines() == ["ct1   stop   running", "mr1   stop   running"]
    assert fleet("down", "*").status == ExitStatus.OK
    said = fleet("down", "--all")
    assert said.status == ExitStatus.OK
    assert said.out.count("already down") == 2


@pytest.mark.parametrize("command", ["up", "down", "restart"])
def test_no_names_asks_for_names_or_all(fleet: Type, command: str) -> None:
    said = fleet(command)
    assert said.status == ExitStatus.USAGE
    assert "--all" in said.err
    assert said.out == ""


def test_unknown_names_are_answered_with_the_near_one(fleet: Type) -> None:
    said = fleet("up", "ct11")
    assert said.status == ExitStatus.NOT_FOUND
    assert "Did you mean ct1?" in said.err


def test_one_that_fails_among_two(fleet: Type, tmp_path: Path) -> None:
    (tmp_path / "fleet" / "mr1" / "mount" / "config" / "dicom.ini.j2").unlink()
    said = fleet("up", "--all", "--json")
    assert said.status == ExitStatus.PARTIAL
    document = said.document()
    assert document["ok"] is False
    failed = document["instances"][1]
    assert (failed["name"], failed["ok"], failed["status"]) == ("mr1", False, ExitStatus.NOT_READY)
    assert "dicom.ini.j2 is missing" in "\n".join(failed["log"])
    said = fleet("up", "mr1")
    assert said.status == ExitStatus.NOT_READY
    assert "last lines of mr1" in said.err
    assert "conquestctl logs mr1" in said.err


def test_a_broken_folder_is_reported_beside_the_others(fleet: Type, tmp_path: Path) -> None:
    env = tmp_path / "fleet" / "mr1" / ".env"
    env.write_text(env.read_text(encoding="utf-8").replace("AETITLE=MR1", "AETITLE="), encoding="utf-8")
    said = fleet("up", "--all")
    assert said.status == ExitStatus.PARTIAL
    assert "mr1" in said.err
    shown = fleet("status", "--json")
    assert shown.status == ExitStatus.INVALID
    assert [one["name"] for one in shown.document()["broken"]] == ["mr1"]


def test_an_empty_fleet(type_: Type) -> None:
    said = type_("status")
    assert (said.status, said.out) == (ExitStatus.OK, "")
    assert "no instances" in said.err
    assert type_("up", "--all").status == ExitStatus.NOT_FOUND


def test_logs_of_one_that_never_ran(fleet: Type) -> None:
    said = fleet("logs", "ct1")
    assert (said.status, said.out) == (ExitStatus.OK, "")
    assert "written nothing yet" in said.err


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf"])
def test_a_timeout_that_is_none(fleet: Type, timeout: str) -> None:
    assert fleet("up", "ct1", "--timeout", timeout).status == ExitStatus.USAGE
