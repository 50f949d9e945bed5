"""up, down and restart on an engine in a dictionary whose containers answer real C-ECHOs."""

from __future__ import annotations

import _thread
import errno
import fcntl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conquestctl.engine.base import Observed, State
from conquestctl.errors import ConflictError, EngineError, ExitStatus, Interrupted, InvalidError, NotReadyError
from conquestctl.fleet.hold import hold
from conquestctl.fleet.instance import Instance
from conquestctl.lifecycle import Outcome, down, exit_status, preview, restart, up
from conquestctl.plan import Action, as_text, plan_up
from conquestctl.readiness import somebody_listens
from tests.echo_server import EchoServer
from tests.fakes import Container, FakeEngine, make_instance
from tests.ports import free_port


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    fake = FakeEngine()
    yield fake
    fake.before_start.set()
    fake.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that never answer are found out sooner than in real life."""
    monkeypatch.setattr("conquestctl.readiness.ECHO_TIMEOUT", 1.0)


@pytest.fixture
def fleet(tmp_path: Path) -> list[Instance]:
    return [make_instance(tmp_path, name) for name in ("ct1", "ct2", "mr1")]


def failed(outcomes: list[Outcome]) -> dict[str, str]:
    return {one.instance: one.message for one in outcomes if not one.ok}


def test_up_starts_all_and_returns_when_each_has_answered(engine: FakeEngine, fleet: list[Instance]) -> None:
    outcomes = up(fleet, engine)
    assert [(one.instance, one.action, one.ok) for one in outcomes] == [
        ("ct1", Action.CREATE, True),
        ("ct2", Action.CREATE, True),
        ("mr1", Action.CREATE, True),
    ]
    servers = [engine.containers[one.name].server for one in fleet]
    assert [server.echoes for server in servers if isinstance(server, EchoServer)] == [1, 1, 1]
    assert exit_status(outcomes) is ExitStatus.OK


def test_a_second_up_changes_nothing_and_still_echoes(engine: FakeEngine, fleet: list[Instance]) -> None:
    up(fleet, engine)
    engine.calls.clear()
    outcomes = up(fleet, engine)
    assert [one.message for one in outcomes] == ["already up"] * 3
    assert {call for call, _ in engine.calls} == {"spec_hash", "observe"}
    server = engine.containers["ct1"].server
    assert isinstance(server, EchoServer)
    assert server.echoes == 2


def test_the_number_of_observe_calls_does_not_grow_with_the_fleet(engine: FakeEngine, tmp_path: Path) -> None:
    up([make_instance(tmp_path, f"n{number}") for number in range(12)], engine)
    assert engine.count("observe") <= 3
    assert engine.count("prepare") == 1


def test_only_what_changed_is_recreated(engine: FakeEngine, fleet: list[Instance]) -> None:
    up(fleet, engine)
    engine.hashes["ct2"] = "2"
    engine.calls.clear()
    outcomes = up(fleet, engine)
    assert [one.action for one in outcomes] == [Action.NONE, Action.RECREATE, Action.NONE]
    changes = [call for call in engine.calls if call[0] in {"stop", "remove", "create", "start"}]
    assert changes == [("stop", "ct2"), ("remove", "ct2"), ("create", "ct2"), ("start", "ct2")]
    assert ("prepare", "ct2") in engine.calls


def test_killed_behind_our_back_and_left_over(engine: FakeEngine, fleet: list[Instance]) -> None:
    up(fleet[:1], engine)
    engine.end("ct1", 137)
    engine.containers["ct2"] = Container(Observed("ct2", State.CREATED, "id", "1"))
    engine.containers["mr1"] = Container(Observed("mr1", State.CREATED, "id", "an older one"))
    outcomes = up(fleet, engine)
    assert [one.action for one in outcomes] == [Action.START, Action.START, Action.RECREATE]
    assert exit_status(outcomes) is ExitStatus.OK


def test_one_that_fails_does_not_stop_the_others(engine: FakeEngine, fleet: list[Instance]) -> None:
    engine.fail["start", "ct2"] = ConflictError("ct2 cannot use port 5679: taken by nginx", instance="ct2")
    outcomes = up(fleet, engine)
    assert failed(outcomes) == {"ct2": "ct2 cannot use port 5679: taken by nginx"}
    assert exit_status(outcomes) is ExitStatus.PARTIAL
    assert "ct2" not in engine.containers, "a container that could not start is not left behind"


def test_a_broken_folder_fails_alone(engine: FakeEngine, fleet: list[Instance]) -> None:
    engine.fail["spec_hash", "mr1"] = InvalidError("docker-compose.yml:3: not a mapping", instance="mr1")
    outcomes = up(fleet, engine)
    assert failed(outcomes) == {"mr1": "docker-compose.yml:3: not a mapping"}
    assert engine.containers.keys() == {"ct1", "ct2"}


def test_when_nothing_can_be_prepared_nothing_is_made(engine: FakeEngine, fleet: list[Instance]) -> None:
    engine.fail["prepare", "ct1,ct2,mr1"] = EngineError("no image and no network")
    with pytest.raises(EngineError, match="no image"):
        up(fleet, engine)
    assert engine.containers == {}


def test_one_that_ends_is_noticed_long_before_the_deadline(engine: FakeEngine, fleet: list[Instance]) -> None:
    engine.behaviour["ct1"] = "exit"
    (outcome,) = up(fleet[:1], engine, timeout=3600)
    assert outcome.message == "ct1 was started, but ended with exit status 3"
    assert outcome.log[-1] == "line 99 of ct1"
    assert len(outcome.log) == 10
    assert exit_status([outcome]) is ExitStatus.NOT_READY


def test_one_that_keeps_restarting_is_noticed_too(engine: FakeEngine, fleet: list[Instance]) -> None:
    engine.behaviour["ct1"] = "restarting"
    (outcome,) = up(fleet[:1], engine, timeout=3600)
    assert outcome.message == "ct1 was started, but keeps ending with exit status 4"


def test_one_that_never_answers_runs_into_the_deadline(engine: FakeEngine, fleet: list[Instance]) -> None:
    engine.behaviour |= {"ct1": "deaf", "ct2": "hang up"}
    outcomes = up(fleet, engine, timeout=0.5)
    assert failed(outcomes).keys() == {"ct1", "ct2"}
    assert "gave no C-ECHO answer" in failed(outcomes)["ct1"]
    assert failed(outcomes)["ct2"].endswith("nothing listens on its port")
    assert engine.containers["ct1"].observed.state is State.RUNNING, "it may be slow: it is not taken down"


def test_an_answer_under_another_ae_title_is_no_answer(engine: FakeEngine, fleet: list[Instance]) -> None:
    other = replace(fleet[0], ae_title="OTHER")
    engine.behaviour["ct1"] = "elsewhere"
    server = EchoServer("CT1", port=other.port)
    (outcome,) = up([other], engine, timeout=0.3)
    server.close()
    assert isinstance(outcome.error, NotReadyError)
    assert f"gave no C-ECHO answer on 127.0.0.1:{other.port} as OTHER within 0.3 s" in outcome.message


def test_an_answer_from_somebody_else_on_the_port_is_not_believed(engine: FakeEngine, fleet: list[Instance]) -> None:
    server = EchoServer("CT1", port=fleet[0].port)
    engine.behaviour["ct1"] = "exit"
    (outcome,) = up(fleet[:1], engine)
    server.close()
    assert outcome.message == "ct1 was started, but ended with exit status 3"


def test_no_more_workers_than_asked_for(engine: FakeEngine, tmp_path: Path) -> None:
    fleet = [make_instance(tmp_path, f"n{number}") for number in range(8)]
    engine.before_start.clear()
    reached = threading.Event()

    def report(_name: str, text: str) -> None:
        if text.startswith("create"):
            with lock:
                begun.append(text)
            if len(begun) == 2:
                reached.set()
                engine.before_start.set()

    begun: list[str] = []
    lock = threading.Lock()
    up(fleet, engine, workers=2, report=report)
    assert reached.is_set()
    assert 1 <= engine.most_in_flight <= 2


def test_down_stops_removes_and_is_content_with_nothing_to_do(engine: FakeEngine, fleet: list[Instance]) -> None:
    up(fleet[:2], engine)
    engine.end("ct2", 1)
    (fleet[0].mount / "image.dcm").write_bytes(b"data")
    outcomes = down(fleet, engine)
    assert [one.message for one in outcomes] == ["stopped", "removed what was left (exited (1))", "already down"]
    assert engine.containers == {}
    assert (fleet[0].mount / "image.dcm").read_bytes() == b"data"
    assert exit_status(down(fleet, engine)) is ExitStatus.OK


def test_down_goes_on_past_a_failure(engine: FakeEngine, fleet: list[Instance]) -> None:
    up(fleet, engine)
    engine.fail["stop", "ct1"] = EngineError("permission denied", instance="ct1")
    outcomes = down(fleet, engine)
    assert failed(outcomes) == {"ct1": "permission denied"}
    assert engine.containers.keys() == {"ct1"}


def test_restart_restarts_what_runs_and_starts_what_does_not(engine: FakeEngine, fleet: list[Instance]) -> None:
    up(fleet[:1], engine)
    engine.calls.clear()
    outcomes = restart(fleet[:2], engine)
    assert [one.action for one in outcomes] == [Action.RESTART, Action.CREATE]
    assert [call for call in engine.calls if call[1] == "ct1"] == [
        ("spec_hash", "ct1"),
        ("stop", "ct1"),
        ("start", "ct1"),
    ]


def test_preview_changes_nothing(engine: FakeEngine, fleet: list[Instance]) -> None:
    assert as_text(preview(fleet[:1], engine, plan_up)) == "ct1   create   not there yet"
    assert engine.containers == {}


def test_an_error_that_is_none_of_ours_is_not_swallowed(engine: FakeEngine, fleet: list[Instance]) -> None:
    engine.fail["create", "ct2"] = ZeroDivisionError("a mistake in the program")
    with pytest.raises(ZeroDivisionError):
        up(fleet, engine)


def test_ctrl_c_lets_begun_steps_end_and_says_what_runs(engine: FakeEngine, fleet: list[Instance]) -> None:
    engine.behaviour["ct2"] = "deaf"

    def report(name: str, text: str) -> None:
        if name == "ct1" and text.startswith("answers"):
            _thread.interrupt_main()

    with pytest.raises(Interrupted) as caught:
        up(fleet[:2], engine, timeout=3600, workers=1, report=report)
    assert caught.value.status is ExitStatus.INTERRUPTED
    running = [name for name, one in engine.containers.items() if one.observed.state is State.RUNNING]
    assert f"running: {', '.join(running)}" in caught.value.message
    assert all(one.observed.state is State.RUNNING for one in engine.containers.values())
    with hold(fleet, 0) as refused:
        assert refused == {}


def test_two_ups_at_once_make_one_of_each(engine: FakeEngine, fleet: list[Instance]) -> None:
    notes: list[str] = []
    results: list[list[Outcome]] = []
    engine.before_start.clear()

    def second() -> None:
        results.append(up(fleet, engine, report=waits))

    def waits(_name: str, text: str) -> None:
        notes.append(text)
        engine.before_start.set()

    def first(_name: str, text: str) -> None:
        if text.startswith("create") and not thread.is_alive() and not results:
            with lock:
                if not started:
                    started.append(1)
                    thread.start()

    lock = threading.Lock()
    started: list[int] = []
    thread = threading.Thread(target=second)
    mine = up(fleet, engine, report=first)
    thread.join(20)
    assert [one.action for one in mine] == [Action.CREATE] * 3
    assert [one.action for one in results[0]] == [Action.NONE] * 3
    assert notes[0] == "waiting for another conquestctl that is at work on it"
    assert engine.count("create") == 3


def test_an_instance_somebody_holds_for_ever_fails_alone(
    engine: FakeEngine, fleet: list[Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conquestctl.lifecycle.BUSY_TIMEOUT", 0.0)
    with hold(fleet[:1], 0):
        outcomes = up(fleet, engine)
        assert failed(down(fleet[:1], engine)) == {"ct1": "another conquestctl is at work on ct1"}
    assert failed(outcomes) == {"ct1": "another conquestctl is at work on ct1"}
    assert exit_status(outcomes) is ExitStatus.PARTIAL


def test_a_folder_that_is_gone_fails_alone(engine: FakeEngine, fleet: list[Instance], tmp_path: Path) -> None:
    gone = replace(fleet[1], folder=tmp_path / "gone")
    outcomes = up([fleet[0], gone], engine)
    assert [one.error and one.error.status for one in outcomes] == [None, ExitStatus.NOT_FOUND]


def test_a_file_system_without_locks_is_no_obstacle(fleet: list[Instance], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    with hold(fleet, 0) as refused:
        assert refused == {}


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([None], ExitStatus.OK),
        ([], ExitStatus.OK),
        ([NotReadyError("a")], ExitStatus.NOT_READY),
        ([NotReadyError("a"), None], ExitStatus.PARTIAL),
        ([NotReadyError("a"), ConflictError("b")], ExitStatus.FAILURE),
        ([ConflictError("a"), ConflictError("b")], ExitStatus.CONFLICT),
    ],
)
def test_exit_status(errors: list[NotReadyError | ConflictError | None], status: ExitStatus) -> None:
    assert exit_status([Outcome("x", Action.CREATE, "", error) for error in errors]) is status


def test_somebody_listens_tells_a_server_from_an_empty_port_and_a_proxy(engine: FakeEngine, tmp_path: Path) -> None:
    engine.behaviour |= {"silent": "deaf", "proxy": "hang up"}
    silent, proxy = make_instance(tmp_path, "silent"), make_instance(tmp_path, "proxy")
    for one in (silent, proxy):
        engine.create(one)
        engine.start(one)
    assert somebody_listens("127.0.0.1", silent.port)
    assert not somebody_listens("127.0.0.1", proxy.port)
    assert not somebody_listens("127.0.0.1", free_port())
