"""What a person can get wrong, typed at the real application: the message, the exit status, and nothing half-made."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conquestctl.engine.process import ProcessEngine
from conquestctl.errors import ExitStatus
from conquestctl.fleet.scan import Fleet
from conquestctl.lifecycle import down
from tests.cli.running import Ran, conquestctl, make_instance
from tests.ports import free_port
from tests.unprivileged import as_nobody

pytestmark = pytest.mark.usefixtures("one_fleet_at_a_time")

Type = Callable[..., Ran]


@pytest.fixture
def type_(tmp_path: Path) -> Iterator[Type]:
    """Type a command line about a fleet that has ct1, with local processes; what it leaves running is stopped."""
    make_instance(tmp_path, "ct1", port=free_port())
    environ = {"CONQUESTCTL_ENGINE": "process", "DOCKER_HOST": f"unix://{tmp_path}/no.sock", "PATH": os.defpath}
    yield lambda *words: conquestctl(*words, cwd=tmp_path, environ=environ)
    fleet = Fleet.open(tmp_path / "instances", environ)
    down(fleet.instances(), ProcessEngine(environ))


def content(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != ".lock"}


def edit(root: Path, file: str, old: str, new: str) -> Path:
    path = root / "instances" / "ct1" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("words", "status", "message", "hint"),
    [
        (["create", "CT1"], ExitStatus.INVALID, "capital letters", "Try: ct1"),
        (["create", ""], ExitStatus.INVALID, "it is empty", "A name has 1 to 40"),
        (["create", "a\nb"], ExitStatus.INVALID, "'a\\nb' cannot be an instance name", "Try: a-b"),
        (["create", "mr1", "mr1"], ExitStatus.CONFLICT, "mr1 was named 2 times", ""),
        (["create", "mr1", "--ae-title", "A" * 17], ExitStatus.INVALID, "has 17 characters", "Try: " + "A" * 16),
        (["create", "mr1", "--ae-title", "A\\B"], ExitStatus.INVALID, "contains a backslash", ""),
        (["create", "mr1", "--ae-title", "A\x1b[2J"], ExitStatus.INVALID, "contains '\\x1b'", ""),
        (["create", "mr1", "--ae-title", "MÜNCHEN"], ExitStatus.INVALID, "only printable ASCII", ""),
        (["create", "mr1", "--ae-title", "   "], ExitStatus.INVALID, "is blank", "1 to 16 characters"),
        (["create", "mr1", "mr2", "--ae-title", "A"], ExitStatus.USAGE, "one AE title was given for several", ""),
        (["create", "mr1", "--port", "0"], ExitStatus.INVALID, "port '0' is not a number from 1 to 65535", ""),
        (["create", "mr1", "--port=-1"], ExitStatus.INVALID, "port '-1' is not a number", ""),
        (["create", "mr1", "--port", "65536"], ExitStatus.INVALID, "port '65536' is not a number", ""),
        (["create", "mr1", "--port", "dicom"], ExitStatus.INVALID, "port 'dicom' is not a number", ""),
        (["create", "mr1", "--count", "0"], ExitStatus.USAGE, "--count 0", ""),
        (["create", "mr1", "--set", "PROT=1"], ExitStatus.INVALID, "there is no setting 'PROT'", "Did you mean PORT?"),
        (["set", "ct1", "ae_title=" + "A" * 17], ExitStatus.INVALID, "AETITLE: AE title", "Try: "),
        (["set", "ct1", "ae_title="], ExitStatus.INVALID, "is blank", ""),
        (["set", "ct1", "port=70000"], ExitStatus.INVALID, "PORT: port '70000' is not a number", ""),
        (["set", "ct1", "bind=everywhere"], ExitStatus.INVALID, "BIND: 'everywhere' is not an IP address", "0.0.0.0"),
        (["set", "ct1", "colour=red"], ExitStatus.INVALID, "there is no setting 'colour'", "Known: AETITLE, PORT"),
        (["set", "ct1", "port"], ExitStatus.INVALID, "'port' is not KEY=VALUE", "port=5680"),
        (["set", "ct1", "FLEET_SUBNET=10.0.0.0/8"], ExitStatus.INVALID, "FLEET_SUBNET ties the instance", "--force"),
    ],
)
def test_a_bad_value(
    type_: Type, tmp_path: Path, words: list[str], status: ExitStatus, message: str, hint: str
) -> None:
    before = content(tmp_path / "instances")
    ran = type_(*words)
    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith("Error: ")
    assert message in ran.err
    assert hint in ran.err
    assert "\x1b" not in ran.err
    assert content(tmp_path / "instances") == before


@pytest.mark.parametrize("command", ["show", "set", "rm", "up", "down", "restart", "status", "echo", "logs", "exec"])
def test_an_unknown_instance(type_: Type, command: str) -> None:
    further = {"set": ["port=5680"], "exec": ["--", "true"]}.get(command, [])
    ran = type_(command, "ct11", *further)
    assert (ran.status, ran.out) == (ExitStatus.NOT_FOUND, "")
    assert "there is no instance 'ct11'" in ran.err
    assert "Did you mean ct1?" in ran.err


def test_a_port_twice(type_: Type, tmp_path: Path) -> None:
    assert type_("create", "mr1").status == ExitStatus.OK
    port = Fleet.open(tmp_path / "instances").get("ct1").port
    for words in (["create", "mr2", "--port", str(port)], ["set", "mr1", f"port={port}"]):
        ran = type_(*words)
        assert ran.status == ExitStatus.CONFLICT
        assert f"port {port} is taken by instance ct1 in {tmp_path}" in ran.err


def test_an_ae_title_twice(type_: Type) -> None:
    assert type_("create", "mr1").status == ExitStatus.OK
    ran = type_("set", "mr1", "ae_title=CT1")
    assert ran.status == ExitStatus.CONFLICT
    assert "AE title CT1 is taken by instance ct1" in ran.err


def test_a_case_twin_made_by_hand(type_: Type, tmp_path: Path) -> None:
    (tmp_path / "instances" / "MR1").mkdir()
    ran = type_("create", "mr1")
    assert ran.status == ExitStatus.CONFLICT
    assert "mr1 differs from the existing folder MR1 in capital letters only" in ran.err


def test_a_port_that_somebody_listens_on(type_: Type, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ran = type_("create", "mr1", "--port", str(port))
        assert ran.status == ExitStatus.CONFLICT
        assert f"port {port} is taken by process {os.getpid()} (" in ran.err
        assert not (tmp_path / "instances" / "mr1").exists()


def test_a_port_taken_between_create_and_up(type_: Type, tmp_path: Path) -> None:
    port = Fleet.open(tmp_path / "instances").get("ct1").port
    with socket.create_server(("127.0.0.1", port)):
        ran = type_("up", "ct1")
    assert ran.status == ExitStatus.CONFLICT
    assert f"ct1 cannot use 127.0.0.1:{port}: taken by process {os.getpid()} (" in ran.err
    assert "conquestctl set ct1 PORT=" in ran.err
    assert type_("status", "--json").document["instances"][0]["state"] == "absent"


@pytest.mark.parametrize("command", ["show", "up", "down", "restart", "status", "echo", "logs"])
def test_an_env_file_broken_by_hand(type_: Type, tmp_path: Path, command: str) -> None:
    env = edit(tmp_path, ".env", "AETITLE=CT1", "AETITLE CT1")
    ran = type_(command, "ct1")
    assert ran.status == ExitStatus.INVALID
    assert f"{env}:5: 'AETITLE CT1' is not KEY=value" in ran.err


def test_a_template_broken_by_hand(type_: Type, tmp_path: Path) -> None:
    edit(tmp_path, "mount/config/dicom.ini.j2", "{{ PORT }}", "{{ POT }}")
    ran = type_("up", "ct1")
    assert ran.status == ExitStatus.NOT_READY
    assert "mount/config/dicom.ini.j2:10: unknown placeholder {{ POT }}" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", ["up", "down", "restart", "status", "logs"])
def test_no_engine(type_: Type, tmp_path: Path, command: str) -> None:
    ran = type_("--engine", "docker", command, "ct1")
    assert (ran.status, ran.out) == (ExitStatus.ENGINE, "")
    assert f"no Docker engine answers at unix://{tmp_path}/no.sock (DOCKER_HOST): there is no such socket" in ran.err
    assert "Correct DOCKER_HOST, start that engine, or use --engine process." in ran.err


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("podman", "DOCKER_HOST names 'podman', which is no address of an engine"),
        ("tcp://127.0.0.1:1", "it is not running"),
        ("tcp://no-such-host.invalid:2375", "the host name cannot be resolved"),
    ],
)
def test_a_docker_host_that_leads_nowhere(tmp_path: Path, host: str, words: str) -> None:
    ran = conquestctl("--engine", "docker", "image", "list", cwd=tmp_path, environ={"DOCKER_HOST": host})
    assert (ran.status, ran.out) == (ExitStatus.ENGINE, "")
    assert words in ran.err


def test_no_permission_for_the_engine(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    environ = {"DOCKER_HOST": f"unix://{path}"}
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        path.chmod(0)
        conquestctl("image", "list", cwd=tmp_path, environ={"DOCKER_HOST": "podman"})  # imports what it needs
        with as_nobody():
            ran = conquestctl("image", "list", cwd=tmp_path, environ=environ)
    assert (ran.status, ran.out) == (ExitStatus.ENGINE, "")
    assert "refuses this user: no permission to open its socket" in ran.err
    assert "group `docker`" in ran.err
