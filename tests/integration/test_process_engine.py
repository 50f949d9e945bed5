"""Instances as real local processes: up, echo, kill, stale pid files, taken ports, two at once, logs, exec, down.

What goes wrong on purpose is played by `tests/echo_server.py`; the last tests run the real server.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conquestctl.engine.base import State
from conquestctl.engine.logfile import rotate
from conquestctl.engine.pidfile import Record, pid_file, process_identity, read_record, write_record
from conquestctl.engine.process import ProcessEngine, environment, require_free
from conquestctl.errors import ConflictError, ExitStatus, InvalidError, NotFoundError, StorageError
from conquestctl.fleet.instance import Instance
from conquestctl.lifecycle import down, restart, up
from conquestctl.plan import Action
from conquestctl.status import status
from tests.fakes import make_instance

REPOSITORY = Path(__file__).parents[2]
STUB = (sys.executable, "-S", str(REPOSITORY / "tests" / "echo_server.py"))


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        threading.Event().wait(0.01)


@pytest.fixture
def engine() -> ProcessEngine:
    return ProcessEngine(command=STUB)


@pytest.fixture
def fleet(tmp_path: Path, engine: ProcessEngine) -> Iterator[list[Instance]]:
    instances = [make_instance(tmp_path / "fleet", name) for name in ("ct1", "ct2", "mr1")]
    yield instances
    down(instances, engine)


def pid(instance: Instance) -> int:
    record = read_record(pid_file(instance.mount))
    assert record is not None
    assert record.pid is not None
    return record.pid


def misbehave(instance: Instance, how: str) -> None:
    (instance.folder / "misbehave").write_text(how, encoding="utf-8")


def test_up_status_logs_exec_down(engine: ProcessEngine, fleet: list[Instance]) -> None:
    assert [one.ok for one in up(fleet, engine)] == [True] * 3
    lines = status(fleet, engine, ask=lambda _running: {})
    assert [line.state for line in lines] == [State.RUNNING] * 3
    assert lines[0].address == f"127.0.0.1:{fleet[0].port}"
    assert lines[0].uptime is not None
    assert b"".join(engine.logs(fleet[0])) == b"hello from CT1\n"
    ports = {(held.port, held.owner) for held in engine.published_ports()}
    assert ports == {(one.port, f"instance {one.name} (process {pid(one)})") for one in fleet}

    pids = [pid(one) for one in fleet]
    outcomes = down(fleet, engine)
    assert [one.message for one in outcomes] == ["stopped"] * 3
    assert [process_identity(number) for number in pids] == [None] * 3
    assert [seen.state for seen in engine.observe(fleet).values()] == [State.ABSENT] * 3
    assert engine.published_ports() == []
    assert [one.message for one in down(fleet, engine)] == ["already down"] * 3


def test_another_run_finds_what_this_one_started(engine: ProcessEngine, fleet: list[Instance]) -> None:
    up(fleet[:1], engine)
    later = ProcessEngine(command=STUB)
    assert [one.message for one in up(fleet[:1], later)] == ["already up"]
    before = pid(fleet[0])
    assert [(one.action, one.error) for one in restart(fleet[:1], later)] == [(Action.RESTART, None)]
    assert pid(fleet[0]) != before
    assert [one.message for one in down(fleet[:1], later)] == ["stopped"]


def test_a_changed_port_recreates(engine: ProcessEngine, fleet: list[Instance], tmp_path: Path) -> None:
    up(fleet[:1], engine)
    moved = replace(fleet[0], port=make_instance(tmp_path, "other").port)
    (outcome,) = up([moved], engine)
    assert (outcome.action, outcome.ok) == (Action.RECREATE, True)
    assert engine.observe([moved])["ct1"].address == f"127.0.0.1:{moved.port}"


def test_killed_behind_our_back(engine: ProcessEngine, fleet: list[Instance]) -> None:
    up(fleet[:1], engine)
    os.kill(pid(fleet[0]), signal.SIGKILL)
    until(lambda: engine.observe(fleet[:1])["ct1"].state is State.EXITED, "the process ends")
    assert engine.observe(fleet[:1])["ct1"].exit_code == 137
    assert ProcessEngine(command=STUB).observe(fleet[:1])["ct1"].exit_code == 137, "later runs know it too"
    (outcome,) = up(fleet[:1], engine)
    assert (outcome.action, outcome.ok) == (Action.START, True)


def test_a_reused_pid_is_neither_believed_nor_killed(engine: ProcessEngine, fleet: list[Instance]) -> None:
    own = Record(engine.spec_hash(fleet[0]), f"127.0.0.1:{fleet[0].port}", os.getpid(), "an earlier boot/1")
    write_record(pid_file(fleet[0].mount), own)
    assert engine.observe(fleet)["ct1"].state is State.EXITED
    engine.stop(fleet[0], 1)
    (outcome,) = up(fleet[:1], engine)
    assert (outcome.action, outcome.ok) == (Action.START, True)
    assert pid(fleet[0]) != os.getpid()


@pytest.mark.parametrize("content", ["", "4711\n", "{", '{"pid": -1, "spec_hash": "", "address": "x:1"}', "[]", "null"])
def test_a_pid_file_of_somebody_else(engine: ProcessEngine, fleet: list[Instance], content: str) -> None:
    pid_file(fleet[0].mount).write_text(content, encoding="utf-8")
    (outcome,) = up(fleet[:1], engine)
    assert (outcome.action, outcome.ok) == (Action.CREATE, True)


def test_a_port_taken_between_create_and_up(engine: ProcessEngine, fleet: list[Instance]) -> None:
    with socket.create_server(("127.0.0.1", fleet[0].port)):
        outcomes = up(fleet[:2], engine)
    assert [one.ok for one in outcomes] == [False, True]
    error = outcomes[0].error
    assert isinstance(error, ConflictError)
    assert error.message.startswith(f"ct1 cannot use 127.0.0.1:{fleet[0].port}: taken by ")
    assert "conquestctl set ct1 PORT=" in error.hint
    if sys.platform == "linux":
        assert f"process {os.getpid()} (" in error.message
    assert engine.observe(fleet)["ct1"].state is State.ABSENT, "nothing half-made"


def test_an_address_that_is_not_ours(engine: ProcessEngine, fleet: list[Instance]) -> None:
    (outcome,) = up([replace(fleet[0], bind="192.0.2.1")], engine)
    assert isinstance(outcome.error, InvalidError)


def test_one_that_crashes_shows_its_last_lines(engine: ProcessEngine, fleet: list[Instance]) -> None:
    misbehave(fleet[0], "crash")
    (outcome,) = up(fleet[:1], engine, timeout=3600)
    assert outcome.message == "ct1 was started, but ended with exit status 3"
    assert outcome.log == ("hello from CT1", "dicom.ini is broken in line 7")
    assert outcome.error is not None
    assert outcome.error.status is ExitStatus.NOT_READY


def test_one_that_ignores_sigterm_is_killed(fleet: list[Instance], engine: ProcessEngine) -> None:
    misbehave(fleet[0], "stubborn")
    up(fleet[:1], engine)
    engine.stop(fleet[0], 0.2)
    assert engine.observe(fleet)["ct1"].exit_code == 137


def test_stop_waits_for_a_process_that_another_run_started(engine: ProcessEngine, fleet: list[Instance]) -> None:
    up(fleet[:1], engine)
    number = pid(fleet[0])
    reaper = threading.Thread(target=lambda: until(lambda: engine.observe(fleet)["ct1"].state is State.EXITED, "end"))
    reaper.start()
    ProcessEngine(command=STUB).stop(fleet[0], 10)
    assert process_identity(number) is None
    reaper.join()


def test_two_ups_at_once_start_one_process_each(engine: ProcessEngine, fleet: list[Instance]) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from conquestctl.engine.process import ProcessEngine\n"
        "from conquestctl.lifecycle import up\n"
        "from tests.fakes import make_instance\n"
        "root, command = Path(sys.argv[1]), sys.argv[2].split('|')\n"
        "words = [word.split('=') for word in sys.argv[3:]]\n"
        "fleet = [make_instance(root, name, int(port)) for name, port in words]\n"
        "print(' '.join(f'{one.action}:{one.ok}' for one in up(fleet, ProcessEngine(command=command))))\n"
    )
    words = [f"{one.name}={one.port}" for one in fleet]
    arguments = [sys.executable, "-c", program, str(fleet[0].folder.parent), "|".join(STUB), *words]
    runs = [subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(run.communicate(timeout=60)[0].strip() for run in runs)
    assert said == ["create:True create:True create:True", "none:True none:True none:True"]
    assert [one.message for one in down(fleet, engine)] == ["stopped"] * 3


def test_logs_tail_and_follow(engine: ProcessEngine, fleet: list[Instance]) -> None:
    up(fleet[:1], engine)
    log = fleet[0].mount / "logs" / "console.log"
    with log.open("ab") as file:
        file.write(b"second\nthird\nunfinished")
    assert b"".join(engine.logs(fleet[0], tail=2)) == b"third\nunfinished"
    followed = engine.logs(fleet[0], tail=1, follow=True)
    assert next(followed) == b"unfinished"
    with log.open("ab") as file:
        file.write(b", now finished\n")
    assert next(followed) == b", now finished\n"
    down(fleet[:1], engine)
    assert list(followed) == []
    assert list(engine.logs(fleet[1], tail=5)) == []


def test_a_long_log_is_put_aside_at_the_next_start(
    engine: ProcessEngine, fleet: list[Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fleet[0].mount / "logs" / "console.log"
    log.write_bytes(b"x" * 200)
    monkeypatch.setattr("conquestctl.engine.process.rotate", lambda path: rotate(path, 100))
    up(fleet[:1], engine)
    assert log.with_name("console.log.1").read_bytes() == b"x" * 200
    assert log.read_bytes() == b"hello from CT1\n"


def test_execute_runs_in_the_folder_with_the_servers_environment(
    engine: ProcessEngine, fleet: list[Instance], capfd: pytest.CaptureFixture[str]
) -> None:
    assert engine.execute(fleet[0], ["sh", "-c", "echo $AETITLE $PORT $LISTEN; pwd; exit 5"]) == 5
    said = capfd.readouterr().out.splitlines()
    assert said == [f"CT1 {fleet[0].port} 127.0.0.1", str(fleet[0].folder)]
    assert engine.execute(fleet[0], ["sh", "-c", "kill -9 $$"]) == 137
    with pytest.raises(NotFoundError, match="no such command: nowhere"):
        engine.execute(fleet[0], ["nowhere"])


def test_nothing_of_our_environment_leaks(fleet: list[Instance]) -> None:
    ours = {"HOME": "/home/x", "AWS_SECRET": "s", "PATH": "/bin", "PYTHONPATH": "/elsewhere", "TZ": "UTC", "PORT": "1"}
    given = environment(fleet[0], ours)
    assert given.keys() <= {"HOME", "PATH", "TZ", "PYTHONPATH", "AETITLE", "PORT", "LISTEN"}
    assert given["PORT"] == str(fleet[0].port)
    assert given["PATH"].endswith(":/bin")
    assert given.get("PYTHONPATH") != "/elsewhere"


def test_a_folder_without_rights(engine: ProcessEngine, fleet: list[Instance]) -> None:
    logs = fleet[0].mount / "logs"
    logs.rmdir()
    logs.write_text("a file where the folder should be", encoding="utf-8")
    (outcome,) = up(fleet[:1], engine)
    assert isinstance(outcome.error, StorageError)
    logs.unlink()


def test_the_contract_of_create_start_remove(engine: ProcessEngine, fleet: list[Instance]) -> None:
    one = fleet[0]
    engine.prepare(fleet)
    engine.create(one)
    assert engine.observe([one])["ct1"].state is State.CREATED
    with pytest.raises(ConflictError):
        engine.create(one)
    engine.start(one)
    engine.start(one)
    with pytest.raises(ConflictError):
        engine.remove(one)
    engine.stop(one, 5)
    engine.stop(one, 5)
    assert engine.observe([one])["ct1"].exit_code in {0, 128 + signal.SIGTERM}, "it may not have been up yet"
    engine.remove(one)
    engine.remove(one)
    require_free(one)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[list[Instance]]:
    instances = [make_instance(tmp_path / "real", name) for name in ("ct1", "ct2")]
    for one in instances:
        shutil.copytree(REPOSITORY / "templates" / "mount", one.mount, dirs_exist_ok=True)
    yield instances
    down(instances, ProcessEngine())


def test_the_real_server_comes_up_answers_and_goes_down(real: list[Instance]) -> None:
    engine = ProcessEngine()
    outcomes = up(real, engine)
    assert [(one.ok, one.message if not one.ok else "", one.log) for one in outcomes] == [(True, "", ())] * 2
    lines = status(real, engine)
    assert [line.answer is not None and line.answer.ok for line in lines] == [True, True]
    assert [line.answer and line.answer.images for line in lines] == [0, 0]
    run = json.loads((real[0].mount / "logs" / "run.json").read_text(encoding="utf-8"))
    assert (run["pid"], run["ae_title"], run["port"]) == (pid(real[0]), "CT1", real[0].port)
    assert [one.ok for one in restart(real[:1], engine)] == [True]
    os.kill(pid(real[1]), signal.SIGKILL)
    until(lambda: engine.observe(real)["ct2"].state is State.EXITED, "the server ends")
    assert [one.action for one in up(real, engine)] == [Action.NONE, Action.START]
    assert [one.message for one in down(real, engine)] == ["stopped"] * 2
    assert not (real[0].mount / "logs" / "run.json").exists()


def test_the_real_server_says_what_is_wrong_with_its_folder(real: list[Instance]) -> None:
    (real[0].mount / "config" / "dicom.ini.j2").unlink()
    outcomes = up(real, ProcessEngine())
    assert [one.ok for one in outcomes] == [False, True]
    assert "dicom.ini.j2 is missing" in outcomes[0].log[-1]
