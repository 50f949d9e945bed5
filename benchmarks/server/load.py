"""Workloads that send: stores from one or more associations, echoes. One process per association."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.server import wire
from benchmarks.server.link import LoadError, associate, echo
from benchmarks.server.objects import Identity, Kind, Message, identities

_FORK = multiprocessing.get_context("fork")
START_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send."""

    port: int
    ae_title: str


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a store run: wall time from the common start to the last response, the generator's own work."""

    objects: int
    seconds: float
    generator_cpu: float
    bytes: int

    @property
    def per_second(self) -> float:
        """Objects per second."""
        return self.objects / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """10^6 bytes of data set per second."""
        return self.bytes / self.seconds / 1e6


def _nothing() -> None:
    """Nobody looks."""


def store(
    target: Target,
    kind: Kind,
    images: Sequence[Sequence[Identity]],
    look: Callable[[], object] = _nothing,
) -> Load:
    """Send each list of images on an association of its own, all at once. `look` is called while they run.

    Raises `LoadError` when an association or an object was refused or lost.
    """
    barrier = _FORK.Barrier(len(images))
    pipes: list[Connection] = []
    workers: list[Any] = []
    for part in images:
        ours, theirs = _FORK.Pipe(duplex=False)
        worker = _FORK.Process(target=_send, args=(target, kind, part, barrier, theirs))
        worker.start()
        theirs.close()
        pipes.append(ours)
        workers.append(worker)
    while any(worker.is_alive() for worker in workers):
        look()
        workers[0].join(0.05) if workers[0].is_alive() else time.sleep(0.02)
    results = [_result(pipe) for pipe in pipes]
    begin, end = min(start for start, *_ in results), max(stop for _, stop, *_ in results)
    return Load(sum(map(len, images)), end - begin, sum(r[2] for r in results), sum(r[3] for r in results))


def spread(kind: Kind, run: int, count: int, associations: int) -> list[list[Identity]]:
    """The images of a run shared out: each association sends patients of its own, as modalities do."""
    each = count // associations
    per_patient = kind.images * kind.series * kind.studies
    patients = -(-each // per_patient)
    return [list(identities(kind, run, each, number * patients)) for number in range(associations)]


def _result(pipe: Connection) -> tuple[float, float, float, int]:
    try:
        outcome = pipe.recv()
    except EOFError:
        raise LoadError("a sender died") from None
    finally:
        pipe.close()
    if isinstance(outcome, str):
        raise LoadError(outcome)
    start, end, cpu, size = outcome
    return start, end, cpu, size


def _send(target: Target, kind: Kind, images: Sequence[Identity], barrier: Any, pipe: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        pipe.send(_timed(target, kind, images, barrier))
    except (LoadError, OSError) as error:
        barrier.abort()
        pipe.send(f"{kind.name}: {error}")
    finally:
        pipe.close()
        os._exit(0)


def _timed(target: Target, kind: Kind, images: Sequence[Identity], barrier: Any) -> tuple[float, float, float, int]:
    with associate(target.port, target.ae_title, [wire.Proposal(1, kind.sop_class, wire.EXPLICIT)]) as link:
        message = Message(kind, link.longest)
        patches = [message.patches(image) for image in images]
        try:
            barrier.wait(START_TIMEOUT)
        except Exception as error:
            raise LoadError("another association failed") from error
        cpu, start = time.process_time(), time.monotonic()
        for patch in patches:
            message.send(link.sock, patch)
            status = link.response()
            if status:
                raise LoadError(f"C-STORE answered with {status:04x}")
        end, cpu = time.monotonic(), time.process_time() - cpu
    return start, end, cpu, message.size * len(images)


def fresh_echoes(target: Target, count: int) -> float:
    """C-ECHO on an association of its own, per second."""
    start = time.monotonic()
    for _ in range(count):
        echo(target.port, target.ae_title)
    return count / (time.monotonic() - start)


def echoes(target: Target, count: int) -> float:
    """C-ECHO after C-ECHO on one association, per second."""
    request = wire.echo_request()
    with associate(target.port, target.ae_title, [wire.Proposal(1, wire.VERIFICATION, wire.IMPLICIT)]) as link:
        start = time.monotonic()
        for _ in range(count):
            link.sock.sendall(request)
            if link.response():
                raise LoadError("a C-ECHO failed")
        return count / (time.monotonic() - start)
