"""How often the engine is asked: its time, not ours, is what makes a large fleet slow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from conquestctl.lifecycle import up
from conquestctl.plan import Action
from conquestctl.status import status
from tests.integration.dockerside import Fleet, Requests, open_engine, says, wait_for

pytestmark = pytest.mark.docker


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path, open_engine())
    yield made
    made.clear()


def kinds(requests: Requests) -> Counter[str]:
    """Requests by what they ask for, whatever container or image it is about."""
    return Counter(re.sub(r"^/v[\d.]+/|/[0-9a-f]{64}", "", path) for path in requests.paths)


def test_up_makes_and_starts_each_and_asks_about_all_at_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing a stack before its start made `up` quadratic: every listing is over all containers there are."""
    monkeypatch.setattr("conquestctl.readiness.LOOK_AFTER", 3600)  # a slow machine looks again meanwhile
    for name in ("a", "b", "c"):
        fleet.add(name)
    fleet.engine.prepare(fleet.made)
    requests = Requests(fleet.engine)

    def answers(instance: object, _timeout: float) -> str:
        return "" if says(next(one.port for one in fleet.made if one is instance)) else "silent"

    outcomes = up(fleet.made, fleet.engine, echo=answers)
    assert [(one.action, one.ok) for one in outcomes] == [(Action.CREATE, True)] * 3
    seen = kinds(requests)
    assert seen["containers/create"] == seen["containers/start"] == 3
    assert seen["containers/json"] == 2, "before the plan, and whether all still run at the end"


def test_status_asks_once_however_many_there_are(fleet: Fleet) -> None:
    fleet.up("a", "b", "c")
    requests = Requests(fleet.engine)
    assert len(status(fleet.made, fleet.engine, ask=lambda _running: {})) == 3
    assert kinds(requests) == Counter({"containers/json": 1})


def test_one_that_was_made_removed_and_made_again_starts(fleet: Fleet) -> None:
    a = fleet.add("a")
    fleet.engine.prepare([a])
    fleet.engine.create(a)
    fleet.engine.remove(a)
    fleet.engine.create(a)
    fleet.engine.start(a)
    wait_for(lambda: says(a.port) == "A", "a to answer")
