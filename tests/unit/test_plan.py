"""Plans as text: what each state of an instance leads to, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.engine.base import Observed, State
from conquestctl.fleet.instance import Instance
from conquestctl.plan import Action, Desired, as_text, plan_down, plan_restart, plan_up


def instance(name: str = "ct1", port: int = 5680, bind: str = "127.0.0.1", image: str = "conquest:1") -> Instance:
    return Instance(
        name=name,
        folder=Path("/fleet") / name,
        ae_title=name.upper(),
        port=port,
        bind=bind,
        image=image,
        project=f"conquest-abcdef-{name}",
        network="conquest-abcdef",
        settings={},
    )


def desired(*names: str) -> list[Desired]:
    return [Desired(instance(name), "new") for name in names]


def seen(name: str, state: State, spec_hash: str = "new", code: int | None = None, **more: Any) -> dict[str, Observed]:
    return {name: Observed(name, state, "1", spec_hash, code, **more)}


def test_a_whole_fleet_as_text() -> None:
    observed = (
        seen("ct2", State.RUNNING)
        | seen("ct3", State.RUNNING, "old", address="127.0.0.1:5679")
        | seen("ct4", State.EXITED, code=0)
        | seen("mr10", State.CREATED)
    )
    assert as_text(plan_up(desired("ct1", "ct2", "ct3", "ct4", "mr10"), observed)) == (
        "ct1    create     not there yet\n"
        "ct2    none       already up\n"
        "ct3    recreate   port changed 5679 -> 5680\n"
        "ct4    start      exited (0)\n"
        "mr10   start      made earlier, never started"
    )


@pytest.mark.parametrize(
    ("observed", "line"),
    [
        ({}, "ct1   create   not there yet"),
        (seen("ct1", State.ABSENT), "ct1   create   not there yet"),
        (seen("ct1", State.RUNNING), "ct1   none   already up"),
        (seen("ct1", State.RUNNING, ""), "ct1   none   already up, started by docker-compose"),
        (seen("ct1", State.RUNNING, "old"), "ct1   recreate   settings changed"),
        (
            seen("ct1", State.RUNNING, "old", address="0.0.0.0:5680", image="conquest:0"),
            "ct1   recreate   address changed 0.0.0.0 -> 127.0.0.1, image changed conquest:0 -> conquest:1",
        ),
        (seen("ct1", State.RUNNING, "old", image="sha256:77"), "ct1   recreate   settings changed"),
        (seen("ct1", State.RUNNING, "old", address="[::1]:5680"), "ct1   recreate   address changed ::1 -> 127.0.0.1"),
        (seen("ct1", State.CREATED), "ct1   start   made earlier, never started"),
        (seen("ct1", State.CREATED, "old"), "ct1   recreate   made earlier, never started; settings changed"),
        (seen("ct1", State.CREATED, ""), "ct1   recreate   made earlier, never started; made by docker-compose"),
        (seen("ct1", State.EXITED, code=137), "ct1   start   exited (137)"),
        (seen("ct1", State.EXITED), "ct1   start   exited"),
        (seen("ct1", State.EXITED, "", 1), "ct1   recreate   exited (1); made by docker-compose"),
        (seen("ct1", State.RESTARTING, code=2), "ct1   recreate   keeps exiting (2)"),
        (seen("ct1", State.PAUSED), "ct1   recreate   paused"),
    ],
)
def test_up(observed: dict[str, Observed], line: str) -> None:
    assert as_text(plan_up(desired("ct1"), observed)) == line


@pytest.mark.parametrize(
    ("observed", "line"),
    [
        ({}, "ct1   none   already down"),
        (seen("ct1", State.RUNNING, ""), "ct1   stop   running"),
        (seen("ct1", State.RESTARTING), "ct1   stop   restarting"),
        (seen("ct1", State.PAUSED), "ct1   stop   paused"),
        (seen("ct1", State.CREATED), "ct1   remove   made earlier, never started"),
        (seen("ct1", State.EXITED, code=0), "ct1   remove   exited (0)"),
    ],
)
def test_down(observed: dict[str, Observed], line: str) -> None:
    assert as_text(plan_down([instance()], observed)) == line


@pytest.mark.parametrize(
    ("observed", "line"),
    [
        ({}, "ct1   create   not there yet"),
        (seen("ct1", State.RUNNING), "ct1   restart   asked to restart"),
        (seen("ct1", State.RUNNING, ""), "ct1   restart   asked to restart"),
        (seen("ct1", State.RUNNING, "old"), "ct1   recreate   settings changed"),
        (seen("ct1", State.EXITED, code=1), "ct1   start   exited (1)"),
    ],
)
def test_restart(observed: dict[str, Observed], line: str) -> None:
    assert as_text(plan_restart(desired("ct1"), observed)) == line


def test_an_empty_plan_is_an_empty_text() -> None:
    assert as_text([]) == ""


observations = st.builds(
    lambda state, spec_hash, code: {"ct1": Observed("ct1", state, "1", spec_hash, code)},
    st.sampled_from(State),
    st.sampled_from(["new", "old", ""]),
    st.none() | st.integers(0, 255),
)


@settings(max_examples=100)
@given(observations)
def test_up_is_idempotent_and_always_ends_in_running(observed: dict[str, Observed]) -> None:
    (step,) = plan_up(desired("ct1"), observed)
    assert step.cause
    assert step.action not in {Action.STOP, Action.REMOVE}
    after = observed if step.action is Action.NONE else seen("ct1", State.RUNNING)
    assert after["ct1"].state is State.RUNNING
    assert plan_up(desired("ct1"), after)[0].action is Action.NONE


@settings(max_examples=100)
@given(observations)
def test_only_a_known_and_different_hash_recreates_what_runs(observed: dict[str, Observed]) -> None:
    one = observed["ct1"]
    if one.state is State.RUNNING:
        (step,) = plan_up(desired("ct1"), observed)
        assert (step.action is Action.RECREATE) == (one.spec_hash == "old")


@settings(max_examples=100)
@given(observations)
def test_down_never_makes_or_starts(observed: dict[str, Observed]) -> None:
    (step,) = plan_down([instance()], observed)
    assert step.action in {Action.STOP, Action.REMOVE, Action.NONE}
    assert (step.action is Action.NONE) == (observed["ct1"].state is State.ABSENT)


def test_a_server_without_its_database_is_started() -> None:
    observed = seen("ct1", State.RUNNING, missing=("db",))
    assert as_text(plan_up(desired("ct1"), observed)) == "ct1   start   runs without its db"
