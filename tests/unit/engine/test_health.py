from __future__ import annotations

from typing import Any

import pytest

from conquestctl.engine import health
from conquestctl.errors import EngineError, NotReadyError


class Client:
    """Says one state after the other, the last one for ever."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)

    def inspect_container(self, container: str) -> dict[str, Any]:
        assert container == "id"
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def logs(self, container: str, *, tail: int) -> bytes:
        assert (container, tail) == ("id", health.LOG_LINES)
        return b"first\n\nlast\n"


def state(status: str = "", **more: Any) -> dict[str, Any]:
    return {"Running": True, "ExitCode": 0, "Health": {"Status": status} if status else None} | more


def wait(*states: dict[str, Any]) -> None:
    health.wait_healthy(Client(*states), "id", "db", "ct1")  # type: ignore[arg-type]


def test_the_wait_ends_with_health() -> None:
    wait(state("starting"), state("starting"), state("healthy"))


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (state("unhealthy"), "the service db of ct1 is unhealthy"),
        (state("starting", Running=False, ExitCode=3), "the service db of ct1 ended with exit code 3"),
        (state("starting", Restarting=True, ExitCode=1), "the service db of ct1 ended with exit code 1"),
        (state(), "has no health check"),
    ],
)
def test_what_cannot_become_healthy_shows_what_it_said(last: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineError, match=words) as caught:
        wait(state("starting"), last)
    assert caught.value.message.endswith("it said:\n  first\n  last")
    assert caught.value.instance == "ct1"


def test_a_wait_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "HEALTHY_SECONDS", -1.0)
    with pytest.raises(NotReadyError, match="not healthy within") as caught:
        wait(state("starting"))
    assert "docker-compose logs db" in caught.value.hint
