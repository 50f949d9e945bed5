"""C-FIND: each server is filled once, asked in shuffled rounds, filled further and asked again."""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.server import load, retrieve
from benchmarks.server.bars import HIGH, LOW
from benchmarks.server.instance import Server
from benchmarks.server.link import LoadError
from benchmarks.server.objects import TINY, Identity, identities
from benchmarks.server.peers import Orthanc, OrthancForFind
from benchmarks.server.results import Results
from benchmarks.server.sink import Sink
from benchmarks.server.sizes import Sizes

RUN = 1
ASSOCIATIONS = 4
PER_PATIENT = TINY.images * TINY.series * TINY.studies


def measure(
    kinds: list[type[Server]], sizes: Sizes, sink: Sink, work: Path, results: Results, rounds: int, seed: int,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Both sizes of the index, all servers that can hold it."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible order
    servers: list[Server] = []
    try:
        for kind in kinds:
            if kind.large_find and kind.name != "dgate synced":
                servers.append((OrthancForFind if kind is Orthanc else kind)(work / f"find-{kind.__name__}", sink.port))
                servers[-1].start()
        have = 0
        for label, patients in zip((LOW, HIGH), sizes.patients, strict=True):
            servers = [server for server in servers if _filled(server, have, patients, results, say)]
            have = patients
            for number in range(rounds):
                _round(servers, label, patients, sizes.queries, number, results, chance, seed, say)
    finally:
        for server in servers:
            server.retire()


def _filled(server: Server, have: int, patients: int, results: Results, say: Callable[[str], None]) -> bool:
    """Store patients `have` to `patients`. A server that loses some (every fifth patient is looked at) is out."""
    shares = [list(range(first, patients, ASSOCIATIONS)) for first in range(have, have + ASSOCIATIONS)]
    images = [[i for p in share for i in identities(TINY, RUN, PER_PATIENT, p)] for share in shares if share]
    try:
        done = load.store(server.target, TINY, images)
        _must_hold(server, [image for part in images for image in part][:: PER_PATIENT * 5])
    except (LoadError, OSError) as error:
        results.fault("find", server.name, 0, error)
        server.retire()
        return False
    say(f"  {server.name} filled to {patients * PER_PATIENT} images, {done.per_second:.0f}/s")
    return True


def _must_hold(server: Server, images: list[Identity]) -> None:
    """Raises `LoadError` unless the whole series of each of these is there."""
    found, expected = retrieve.count_images(server.target, images), len(images) * TINY.images
    if found != expected:
        raise LoadError(f"{found} of {expected} acknowledged objects found")


def _round(
    servers: list[Server], label: str, patients: int, count: int, number: int, results: Results,
    chance: random.Random, seed: int, say: Callable[[str], None],
) -> None:  # fmt: skip
    os.sync()
    for name in chance.sample(retrieve.QUERIES, len(retrieve.QUERIES)):
        asked = retrieve.queries(name, TINY, RUN, patients, count, seed + number)
        for server in chance.sample(servers, len(servers)):
            for prompt in (True, False) if label == HIGH else (True,):
                row = f"find {name} {label}" if prompt else f"delayed {name}"
                try:
                    times = retrieve.find(server.target, asked, prompt=prompt)
                except (LoadError, OSError) as error:
                    results.fault(row, server.name, number, error)
                    continue
                value = statistics.median(times) if prompt else sorted(times)[len(times) * 9 // 10]
                results.add(row, server.name, number, value)
                say(f"  {row:42} {server.name:10} {value:8.3f} ms")
