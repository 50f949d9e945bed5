"""One test per exit status, and what becomes of exceptions on their way to the shell."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer

from conquestctl.cli import main
from conquestctl.dicom.target import EchoTarget
from conquestctl.errors import ConquestError, ExitStatus
from tests.cli.running import conquestctl, make_instance
from tests.unit.dicom import peers
from tests.unit.dicom.test_send import write

REPOSITORY = Path(__file__).parents[2]
SIGINT_IS_HEARD = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""A shell's background job, which a test run may be, starts its children deaf to it."""

PROGRAM = [sys.executable, "-c", f"{SIGINT_IS_HEARD}\nfrom conquestctl.cli.main import main; main()"]
ENVIRON = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def address(target: EchoTarget) -> str:
    return f"NODE@127.0.0.1:{target.port}"


def test_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert conquestctl("--version", cwd=tmp_path).status == ExitStatus.OK
    assert capsys.readouterr().out.startswith("conquestctl ")


def test_failure(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm")
    ran = conquestctl("send", address(peers.unused_target()), "a.dcm", cwd=tmp_path)
    assert ran.status == ExitStatus.FAILURE


@pytest.mark.parametrize("arguments", [["nonsense"], ["echo", "--nonsense"], ["--engine", "podman", "list"], ["send"]])
def test_usage(arguments: list[str], tmp_path: Path) -> None:
    ran = conquestctl(*arguments, cwd=tmp_path)
    assert (ran.status, ran.out) == (ExitStatus.USAGE, "")
    assert ran.err.startswith("Error: ")


def test_usage_as_a_document(tmp_path: Path) -> None:
    ran = conquestctl("echo", "--nonsense", "--json", cwd=tmp_path)
    assert ran.status == ExitStatus.USAGE
    assert ran.document["error"]["kind"] == "usage"
    assert "conquestctl echo --help" in ran.document["error"]["hint"]
    assert ran.err == ""


def test_partial(tmp_path: Path) -> None:
    with peers.node() as good:
        ran = conquestctl("echo", address(good), address(peers.unused_target()), cwd=tmp_path)
    assert ran.status == ExitStatus.PARTIAL


def test_not_found(tmp_path: Path) -> None:
    make_instance(tmp_path, "ct1", port=5678)
    ran = conquestctl("show", "ct11", "--json", cwd=tmp_path)
    assert ran.status == ExitStatus.NOT_FOUND
    assert "ct1" in ran.document["error"]["hint"]


def test_conflict(tmp_path: Path) -> None:
    make_instance(tmp_path, "ct1", port=5678)
    ran = conquestctl("--engine", "process", "create", "ct1", cwd=tmp_path)
    assert ran.status == ExitStatus.CONFLICT


def test_invalid(tmp_path: Path) -> None:
    assert conquestctl("--engine", "process", "create", "../x", cwd=tmp_path).status == ExitStatus.INVALID


def test_engine(tmp_path: Path) -> None:
    make_instance(tmp_path, "ct1", port=5678)
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    ran = conquestctl("--engine", "docker", "status", cwd=tmp_path, environ=nowhere)
    assert ran.status == ExitStatus.ENGINE
    assert "no.sock" in ran.err


def test_not_ready(tmp_path: Path) -> None:
    assert conquestctl("echo", address(peers.unused_target()), cwd=tmp_path).status == ExitStatus.NOT_READY


def test_storage(tmp_path: Path) -> None:
    ran = conquestctl("--root", "/proc/conquest", "--engine", "process", "create", "ct1", cwd=tmp_path)
    assert ran.status == ExitStatus.STORAGE
    assert "/proc" in ran.err


@pytest.mark.parametrize("as_json", [False, True])
def test_interrupted(as_json: bool, tmp_path: Path) -> None:
    """Ctrl-C ends the program at once, although a peer is being waited for."""
    called = threading.Event()

    def wait(connection: socket.socket) -> None:
        peers.read_request(connection)
        called.set()
        peers.hold(connection)

    with peers.peer(wait) as target:
        command = [*PROGRAM, "echo", address(target), "--timeout", "600", *["--json"][:as_json]]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRON, cwd=tmp_path
        )
        assert called.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == ExitStatus.INTERRUPTED
    if as_json:
        assert json.loads(out)["error"]["status"] == ExitStatus.INTERRUPTED
    else:
        assert (out, err) == ("", "Error: interrupted\n")


def test_every_status_has_a_test() -> None:
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {status.name.lower() for status in ExitStatus} <= tests


@pytest.fixture
def broken_command(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """An application whose command `break` raises what the test puts into the list."""
    broken = typer.Typer(cls=main.Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
    broken.callback()(main.conquestctl)
    errors: list[Exception] = []

    def fail() -> None:
        raise errors[0]

    broken.command("break")(fail)
    broken.command("well")(lambda: None)
    monkeypatch.setattr(main, "app", broken)
    return errors


def test_a_foreign_exception_is_one_line_with_the_way_to_more(tmp_path: Path, broken_command: list[Exception]) -> None:
    broken_command.append(KeyError("secret"))
    ran = conquestctl("break", cwd=tmp_path)
    assert ran.status == ExitStatus.FAILURE
    assert ran.err.splitlines()[0] == "Error: unexpected KeyError: 'secret'"
    assert "--debug" in ran.err
    assert "Traceback" not in ran.err


def test_debug_lets_it_through(tmp_path: Path, broken_command: list[Exception]) -> None:
    broken_command.append(KeyError("secret"))
    with pytest.raises(KeyError):
        conquestctl("--debug", "break", cwd=tmp_path)


def test_our_own_errors_show_no_traceback_even_with_debug(tmp_path: Path, broken_command: list[Exception]) -> None:
    broken_command.append(ConquestError("no", hint="Do this."))
    ran = conquestctl("--debug", "break", cwd=tmp_path)
    assert (ran.status, ran.err) == (ExitStatus.FAILURE, "Error: no\nDo this.\n")


@pytest.mark.parametrize("number", main.STORAGE_ERRORS)
def test_a_full_or_closed_disk_has_its_own_status(tmp_path: Path, broken_command: list[Exception], number: int) -> None:
    broken_command.append(OSError(number, os.strerror(number), "/data/ct1"))
    ran = conquestctl("break", cwd=tmp_path)
    assert ran.status == ExitStatus.STORAGE
    assert ran.err == f"Error: /data/ct1: {os.strerror(number)}\n"


def test_a_reader_that_goes_away_is_no_complaint(tmp_path: Path) -> None:
    for number in range(40):
        make_instance(tmp_path, f"ct{number}", port=6000 + number)
    read, write_end = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PROGRAM, "list"], stdout=write_end, stderr=subprocess.PIPE, text=True, env=ENVIRON, cwd=tmp_path, check=False
    )
    os.close(write_end)
    assert done.stderr == ""
    assert done.returncode == ExitStatus.FAILURE


def test_the_root_is_option_then_variable_then_instances(tmp_path: Path) -> None:
    environ = {"CONQUESTCTL_ROOT": "from-variable"}
    for arguments, variables, folder in [
        ([], {}, "instances"),
        ([], environ, "from-variable"),
        (["--root", "from-option"], environ, "from-option"),
    ]:
        ran = conquestctl(*arguments, "echo", cwd=tmp_path, environ=variables)
        assert str(tmp_path / folder) in ran.err


def test_the_engine_variable_is_checked(tmp_path: Path) -> None:
    ran = conquestctl("list", cwd=tmp_path, environ={"CONQUESTCTL_ENGINE": "podman"})
    assert ran.status == ExitStatus.USAGE
    assert "CONQUESTCTL_ENGINE" in ran.err
