"""Status of a fleet: one engine call, what does not run is not asked, run files may hold anything."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.cli.status import duration
from conquestctl.engine.base import State
from conquestctl.fleet.instance import Instance
from conquestctl.lifecycle import up
from conquestctl.status import Answer, ask_servers, parse_started, started_at, status
from tests.fakes import FakeEngine, make_instance


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    fake = FakeEngine()
    yield fake
    fake.close()


def test_one_engine_call_and_only_the_running_are_asked(engine: FakeEngine, tmp_path: Path) -> None:
    fleet = [make_instance(tmp_path, name) for name in ("ct1", "ct2", "mr1", "mr2")]
    up(fleet[:3], engine)
    engine.end("ct2", 137)
    (fleet[0].mount / "logs" / "run.json").write_text(json.dumps({"started": time.time() - 90}), encoding="utf-8")
    (fleet[1].mount / "logs" / "run.json").write_text(json.dumps({"started": time.time() - 90}), encoding="utf-8")
    asked: list[str] = []

    def ask(running: Sequence[Instance]) -> dict[str, Answer]:
        asked.extend(one.name for one in running)
        return {one.name: Answer(True, "ok", 0.004, 12) for one in running}

    engine.calls.clear()
    lines = status(fleet, engine, ask=ask)
    assert engine.calls == [("observe", "")]
    assert asked == ["ct1", "mr1"]
    assert [(line.instance, line.state, line.exit_code) for line in lines] == [
        ("ct1", State.RUNNING, None),
        ("ct2", State.EXITED, 137),
        ("mr1", State.RUNNING, None),
        ("mr2", State.ABSENT, None),
    ]
    assert lines[0].uptime is not None
    assert lines[0].uptime >= 90
    assert lines[1].uptime is None, "it does not run any more, whatever its run file says"
    assert lines[0].answer == Answer(True, "ok", 0.004, 12)
    assert lines[1].answer is None
    assert lines[3].address == f"127.0.0.1:{fleet[3].port}"


def test_real_servers_are_echoed_and_one_without_an_index_has_no_count(engine: FakeEngine, tmp_path: Path) -> None:
    fleet = [make_instance(tmp_path, name) for name in ("ct1", "ct2")]
    up(fleet, engine)
    server = engine.containers["ct2"].server
    assert server is not None
    server.close()
    answers = ask_servers(fleet)
    assert answers["ct1"].ok
    assert answers["ct1"].images is None
    assert not answers["ct2"].ok
    assert answers["ct2"].detail


def test_nobody_runs_nobody_is_asked(engine: FakeEngine, tmp_path: Path) -> None:
    (line,) = status([make_instance(tmp_path, "ct1")], engine, ask=lambda _running: pytest.fail("asked"))
    assert line.state is State.ABSENT


def test_no_run_file(tmp_path: Path) -> None:
    assert started_at(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "started"),
    [
        (b'{"started": 1700000000.5}', 1700000000.5),
        (b'{"started": 1700000000, "pid": 1}', 1700000000.0),
        (b'{"started": true}', None),
        (b'{"started": -1}', None),
        (b'{"started": NaN}', None),
        (b'{"started": 1e300}', None),
        (b'{"started": "now"}', None),
        (b"[1]", None),
        (b'{"pid": 1}', None),
        (b"", None),
    ],
)
def test_started(content: bytes, started: float | None) -> None:
    assert parse_started(content) == started


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_no_run_file_is_a_surprise(content: bytes) -> None:
    parse_started(content)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
