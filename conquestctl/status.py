"""The fleet as it is now: state, uptime, image count and a fresh C-ECHO of each instance.

Echo and count are asked of the servers when the status is asked for, never remembered: an old "ok" would be the one
line of the table that may be false.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from conquestctl.engine.base import Engine, Observed, State
from conquestctl.fleet.instance import Instance

RUN_FILE = "run.json"
WORKERS = 16
ECHO_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said when it was asked just now."""

    ok: bool
    detail: str
    """`ok`, or the layer at fault in words."""
    seconds: float
    images: int | None = None
    """By the server's own index; None when it did not say."""


Ask = Callable[[Sequence[Instance]], dict[str, Answer]]


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """One line of the table."""

    instance: str
    state: State
    exit_code: int | None
    ae_title: str
    port: int
    address: str
    """Where it is really reached; where it would be, when it does not run."""
    uptime: float | None
    """Seconds since the server wrote that it started; None when it does not run or did not write it."""
    answer: Answer | None
    """None for one that does not run."""


def status(instances: Sequence[Instance], engine: Engine, *, ask: Ask | None = None) -> list[InstanceStatus]:
    """The status of each, in their order: one engine call, and one echo and count per running server, in parallel."""
    observed = engine.observe(instances)
    running = [instance for instance in instances if observed[instance.name].state is State.RUNNING]
    answers = (ask or ask_servers)(running) if running else {}
    now = time.time()
    return [_line(instance, observed[instance.name], answers.get(instance.name), now) for instance in instances]


def ask_servers(instances: Sequence[Instance]) -> dict[str, Answer]:
    """C-ECHO to all, then the image count of those that answered."""
    from conquestctl.dicom.count import count_images
    from conquestctl.dicom.echo import EchoTarget, echo_all

    targets = [EchoTarget(one.name, one.ae_title, one.host, one.port) for one in instances]
    echoes = echo_all(targets, timeout=ECHO_TIMEOUT, workers=WORKERS)
    with ThreadPoolExecutor(WORKERS) as pool:
        counts = {
            target.label: pool.submit(count_images, target)
            for target, echo in zip(targets, echoes, strict=True)
            if echo.ok
        }
    return {
        target.label: Answer(
            echo.ok,
            "ok" if echo.ok else echo.detail or echo.layer,
            echo.seconds,
            counts[target.label].result() if target.label in counts else None,
        )
        for target, echo in zip(targets, echoes, strict=True)
    }


def started_at(mount: Path) -> float | None:
    """When the server in this mount folder says it started, as unix time; None when it does not say."""
    try:
        return parse_started((mount / "logs" / RUN_FILE).read_bytes())
    except OSError:
        return None


def parse_started(content: bytes) -> float | None:
    """The field `started` of a run file, None when it holds no such number."""
    try:
        values = json.loads(content)
        started = values["started"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if type(started) not in {int, float} or not 0 < started < 1e11:
        return None
    return float(started)


def _line(instance: Instance, seen: Observed, answer: Answer | None, now: float) -> InstanceStatus:
    started = started_at(instance.mount) if seen.state is State.RUNNING else None
    host = f"[{instance.bind}]" if ":" in instance.bind else instance.bind
    return InstanceStatus(
        instance.name,
        seen.state,
        seen.exit_code,
        instance.ae_title,
        instance.port,
        seen.address or f"{host}:{instance.port}",
        None if started is None else max(0.0, now - started),
        answer,
    )
