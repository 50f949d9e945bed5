"""How instances run, or would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from conquestctl.engine.base import Observed, State
from conquestctl.errors import EngineError
from conquestctl.fleet.addresses import Reader
from conquestctl.readers import reader_of, readers_on
from tests.fakes import Container, FakeEngine, make_instance

CONTAINER, PROCESS = Reader.CONTAINER, Reader.PROCESS


def engine(name: str, **states: State) -> FakeEngine:
    made = FakeEngine()
    made.name = name
    made.containers = {one: Container(Observed(one, state)) for one, state in states.items()}
    return made


def test_what_runs_counts_and_else_what_is_chosen(tmp_path: Path) -> None:
    instances = [make_instance(tmp_path, name) for name in ("ct1", "ct2", "ct3", "ct4")]
    docker = engine("docker", ct1=State.RUNNING, ct2=State.EXITED)
    processes = engine("process", ct3=State.RUNNING)
    assert (reader_of(docker), reader_of(processes)) == (CONTAINER, PROCESS)
    found = readers_on([processes, docker], PROCESS)(instances)
    assert found == {"ct1": CONTAINER, "ct2": PROCESS, "ct3": PROCESS, "ct4": PROCESS}
    found = readers_on([processes, docker], CONTAINER)(instances)
    assert found == {"ct1": CONTAINER, "ct2": CONTAINER, "ct3": PROCESS, "ct4": CONTAINER}


def test_a_container_in_the_machines_network_is_like_a_process(tmp_path: Path) -> None:
    ct1, ct2 = (make_instance(tmp_path, name) for name in ("ct1", "ct2"))
    ct2 = replace(ct2, settings={**ct2.settings, "NETWORK": "host"})
    docker = engine("docker", ct1=State.RUNNING, ct2=State.RUNNING)
    assert readers_on([docker], CONTAINER)([ct1, ct2]) == {"ct1": CONTAINER, "ct2": PROCESS}


def test_those_about_to_be_started_run_where_they_will_and_nobody_is_asked_about_them(tmp_path: Path) -> None:
    instances = [make_instance(tmp_path, name) for name in ("ct1", "ct2")]
    processes = engine("process", ct1=State.RUNNING)
    assert readers_on([processes], CONTAINER, {"ct1", "ct2"})(instances) == dict.fromkeys(("ct1", "ct2"), CONTAINER)
    assert processes.calls == []
    assert readers_on([processes], CONTAINER, {"ct2"})(instances) == {"ct1": PROCESS, "ct2": CONTAINER}


def test_an_engine_that_does_not_answer_runs_nothing_that_could_be_told(tmp_path: Path) -> None:
    broken = engine("docker")
    broken.fail["observe", ""] = EngineError("gone")
    assert readers_on([broken], PROCESS)([make_instance(tmp_path, "ct1")]) == {"ct1": PROCESS}
