"""create, list, show, set and rm through the real application: whole output and exit status."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from conquestctl.errors import ExitStatus
from conquestctl.fleet.settings import DEFAULT_IMAGE
from tests.cli.running import Ran, conquestctl
from tests.ports import free_port


@dataclass(frozen=True)
class App:
    """The application in a folder of the test's own, with local processes as the engine."""

    home: Path

    @property
    def root(self) -> Path:
        return self.home / "instances"

    def __call__(self, *arguments: str) -> Ran:
        environ = {"CONQUESTCTL_ENGINE": "process", "DOCKER_HOST": f"unix://{self.home}/no.sock"}
        return conquestctl(*arguments, cwd=self.home, environ=environ)


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def test_create_shows_what_it_made(app: App) -> None:
    port = free_port()
    result = app("create", "ct1", "--port", str(port), "--ae-title", "CT_ONE", "--bind", "0.0.0.0")
    assert result.status == ExitStatus.OK
    address = f"0.0.0.0:{port}"
    assert result.out == (
        f"Name  AE title  Port   {'Address'.ljust(len(address))}  Image\n"
        f"ct1   CT_ONE    {port!s:5}  {address}  {DEFAULT_IMAGE}\n"
    )
    assert result.err == f"Created ct1 in {app.root}. Start: conquestctl up ct1\n"


def test_create_many_and_list_them_in_human_order(app: App) -> None:
    made = app("create", "ct", "--count", "12", "--json").document["created"]
    assert [one["name"] for one in made] == [f"ct{number}" for number in range(1, 13)]
    assert len({one["port"] for one in made}) == 12
    listed = app("list", "--json").document
    assert listed["instances"] == made
    assert listed["broken"] == []
    assert [line.split()[0] for line in app("list").out.splitlines()] == ["Name", *(one["name"] for one in made)]
    assert [line.split()[0] for line in app("list", "ct1*").out.splitlines()] == [
        "Name",
        "ct1",
        "ct10",
        "ct11",
        "ct12",
    ]


def test_a_privileged_port_is_a_warning(app: App) -> None:
    result = app("create", "pacs", "--port", "104")
    assert result.status == ExitStatus.OK
    assert "Warning: pacs: port 104 is below 1024" in result.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["create", "../x"], ExitStatus.INVALID, "Error: '../x' cannot be an instance name: it is a path\n"),
        (["create", "--", "-rf"], ExitStatus.INVALID, "Error: '-rf' cannot be an instance name: it begins with a dash"),
        (["create", "a b"], ExitStatus.INVALID, "it contains blanks"),
        (["create", "x" * 300], ExitStatus.INVALID, "it has 300 characters"),
        (["create", "localhost"], ExitStatus.INVALID, "reserved"),
        (["create", "ct1"], ExitStatus.CONFLICT, "Error: ct1 exists already\n"),
        (
            ["create", "x", "--ae-title", "CT1"],
            ExitStatus.CONFLICT,
            "Error: x: AE title CT1 is taken by instance ct1\n",
        ),
        (["create", "x", "--port", "70000"], ExitStatus.INVALID, "port '70000' is not a number from 1 to 65535"),
        (["create", "x", "--bind", "lan"], ExitStatus.INVALID, "'lan' is not an IP address"),
        (["create", "x", "--set", "oops"], ExitStatus.INVALID, "'oops' is not KEY=VALUE"),
        (["create"], ExitStatus.USAGE, "NAME"),
        (["show", "ct2"], ExitStatus.NOT_FOUND, "Did you mean ct1?"),
        (["set", "ct1", "prot=1"], ExitStatus.INVALID, "Did you mean PORT?"),
        (["rm"], ExitStatus.USAGE, "no instance was named"),
        (["rm", "ct1", "--purge"], ExitStatus.USAGE, "Add --yes."),
        (["list", "mr*"], ExitStatus.NOT_FOUND, "matches 'mr*'"),
    ],
)
def test_bad_input_gets_a_message_a_status_and_changes_nothing(
    app: App, arguments: list[str], status: ExitStatus, message: str
) -> None:
    app("create", "ct1")
    before = {path: path.stat().st_mtime_ns for path in app.root.rglob("*") if path.is_file() and path.name != ".lock"}
    result = app(*arguments)
    assert (result.status, result.out) == (status, "")
    assert message in result.err
    after = {path: path.stat().st_mtime_ns for path in app.root.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


def test_a_taken_port_says_by_whom(app: App) -> None:
    port = app("create", "ct1", "--json").document["created"][0]["port"]
    result = app("create", "ct2", "--port", str(port), "--json")
    assert result.status == ExitStatus.CONFLICT
    assert result.document["error"]["message"] == f"port {port} is taken by instance ct1 in {app.root}"
    assert result.document["error"]["instance"] == "ct2"


def test_show_says_where_it_is_reached(app: App) -> None:
    app("create", "ct1")
    (one,) = app("list", "--json").document["instances"]
    shown = app("show", "ct1", "--json").document["instance"]
    assert {key: shown[key] for key in one} == one
    assert shown["reached"] == {
        "this machine": f"127.0.0.1:{one['port']}",
        "the fleet's containers": f"ct1:{one['port']}",
        "the network": "nowhere",
    }
    assert "\nAETITLE                      CT1\n" in app("show", "ct1").out


def test_set_shows_old_and_new(app: App) -> None:
    app("create", "ct1")
    result = app("set", "ct1", "ae_title=OTHER")
    assert result.status == ExitStatus.OK
    assert result.out == "Key      Old  New\nAETITLE  CT1  OTHER\n"
    assert result.err == "If ct1 is running, it goes on with the old values until: conquestctl up ct1\n"
    again = app("set", "ct1", "AETITLE=OTHER", "--json")
    assert again.document == {"schema": 1, "ok": True, "instance": "ct1", "old": {}, "new": {}, "restart_needed": False}


def test_a_broken_instance_is_shown_beside_the_others(app: App) -> None:
    app("create", "ct1", "ct2")
    env = app.root / "ct1" / ".env"
    env.write_text(env.read_text().replace("AETITLE=CT1", "AETITLE CT1"))
    result = app("list")
    assert result.status == ExitStatus.PARTIAL
    assert [line.split()[:2] for line in result.out.splitlines()] == [["Name", "AE"], ["ct1", "?"], ["ct2", "CT2"]]
    assert f"Warning: ct1 is broken: {env}:5: 'AETITLE CT1' is not KEY=value" in result.err
    assert app("list", "ct1").status == ExitStatus.INVALID
    assert app("list", "ct2").status == ExitStatus.OK
    assert app("show", "ct1").status == ExitStatus.INVALID


def test_list_points_at_copied_folders(app: App) -> None:
    app("create", "ct1", "ct2")
    (app.root / "ct2" / ".env").write_text((app.root / "ct1" / ".env").read_text())
    assert "Warning: ct1 and ct2 have the same AE title, CT1: only one of them can run" in app("list").err


def test_an_empty_fleet_is_no_error(app: App) -> None:
    result = app("list")
    assert (result.status, result.out) == (ExitStatus.OK, "")
    assert "conquestctl create ct1" in result.err


def test_rm_keeps_the_folder_and_purge_does_not(app: App) -> None:
    app("create", "ct1", "ct2")
    removed = app("rm", "ct1", "--json").document["removed"]
    assert [one["name"] for one in removed] == ["ct1"]
    assert (Path(removed[0]["kept"]) / "mount" / "data").is_dir()
    result = app("rm", "ct2", "--purge", "--yes")
    assert (result.status, result.err) == (ExitStatus.OK, "ct2: deleted\n")
    assert {path.name for path in app.root.iterdir()} == {".lock", ".removed"}
    assert app("rm", "--all").status == ExitStatus.NOT_FOUND
