"""The rounds: each measures every workload on every server, in an order that is shuffled anew."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks.server import load, objects, retrieve
from benchmarks.server.instance import Server
from benchmarks.server.link import LoadError
from benchmarks.server.objects import Identity, Kind
from benchmarks.server.peers import Storescp
from benchmarks.server.results import Results
from benchmarks.server.sink import Sink
from benchmarks.server.sizes import Sizes

STORESCU = "/usr/bin/storescu"
T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(slots=True)
class Place:
    """A running server of this round, and what it must hold at the end of it."""

    server: Server
    number: int
    retrieved: list[Identity] = field(default_factory=list)
    stored: list[Identity] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    """Rows whose objects are among `stored`."""


class Rounds:
    """Runs them; the figures go to `results`."""

    def __init__(
        self, servers: list[type[Server]], sizes: Sizes, sink: Sink, work: Path, results: Results, seed: int, say: Say
    ) -> None:
        self._servers = servers
        self._sizes = sizes
        self._sink = sink
        self._work = work
        self._results = results
        self._chance = random.Random(seed)  # noqa: S311 - a reproducible order
        self._say = say
        self._number = 0

    def play(self, number: int) -> None:
        """One round. A server that fails leaves a fault in the results; the others go on."""
        self._number = number
        self._warm()
        places = [Place(self._new(kind, "round"), number) for kind in self._shuffled(self._servers)]
        try:
            ready = [place for place in places if self._prepared(place)]
            workloads = self._workloads()
            for row in self._shuffled(list(workloads)):
                self._sink_run(row, number)
                for place in self._shuffled(ready):
                    self._measure(row, place, workloads[row])
            for place in ready:
                self._verify(place)
        finally:
            for place in places:
                place.server.retire()
        self._sink_run("ct4", number)
        for kind in self._shuffled(self._servers):
            self._fresh(kind, number)
        if number == 0:
            for kind in self._shuffled([kind for kind in self._servers if kind.huge]):
                self._huge(kind, number)

    def _warm(self) -> None:
        """Have the kernel's free memory in hand: pages that a virtual machine has to ask for first are slow."""
        file = self._work / "warm"
        with file.open("wb") as out:
            for _ in range(self._sizes.warm):
                out.write(bytes(1 << 20))
        os.truncate(file, 0)

    def _workloads(self) -> dict[str, Callable[[Place], float | None]]:
        sizes = self._sizes
        return {
            "small1": lambda place: self._store("small1", place, objects.SMALL, sizes.small, 1),
            "small4": lambda place: self._store("small4", place, objects.SMALL, sizes.small, 4),
            "ct1": lambda place: self._store("ct1", place, objects.CT, sizes.ct, 1),
            "big": lambda place: self._store("big", place, objects.MULTI_50MB, sizes.big, 1),
            "storescu": self._storescu,
            "move": self._move,
            "get": self._get,
            "echo_fresh": lambda place: load.fresh_echoes(place.server.target, sizes.echoes_fresh),
            "echo_one": lambda place: load.echoes(place.server.target, sizes.echoes),
        }

    def _measure(self, row: str, place: Place, workload: Callable[[Place], float | None]) -> None:
        """One figure; writes that an earlier run left to the disk are not this one's burden."""
        os.sync()
        name = place.server.name
        try:
            value = workload(place)
        except (LoadError, OSError) as error:
            self._results.fault(row, name, place.number, error)
            self._say(f"  {row:12} {name:13} invalid: {error}")
            return
        if value is not None:
            self._results.add(row, name, place.number, value)
            self._say(f"  {row:12} {name:13} {value:10.4g}")

    def _store(self, row: str, place: Place, kind: Kind, count: int, associations: int) -> float | None:
        if associations > 1 and not place.server.parallel:
            return None
        images = load.spread(kind, _run(place.number, row), count, associations)
        done = load.store(place.server.target, kind, images)
        self._note(place, row, [image for part in images for image in part])
        self._results.generator[row].append(done.generator_cpu / done.seconds)
        return done.megabytes_per_second if kind is objects.MULTI_50MB else done.per_second

    def _sink_run(self, row: str, number: int) -> None:
        """The same load on the null sink: what the generator could do at most."""
        kinds = {
            "small1": (objects.SMALL, self._sizes.small, 1),
            "small4": (objects.SMALL, self._sizes.small, 4),
            "ct1": (objects.CT, self._sizes.ct, 1),
            "ct4": (objects.CT, self._sizes.ct4, 4),
            "big": (objects.MULTI_50MB, self._sizes.big, 1),
        }
        if row not in kinds:
            return
        kind, count, associations = kinds[row]
        done = load.store(load.Target(self._sink.port, "BENCHSINK"), kind, load.spread(kind, 1, count, associations))
        self._results.add(row, "null sink", number, done.megabytes_per_second if row == "big" else done.per_second)

    def _prepared(self, place: Place) -> bool:
        """Start, warm up, and store what C-MOVE and C-GET will ask for."""
        images = load.spread(objects.CT, _run(place.number, "retrieved"), self._sizes.retrieved, 1)
        try:
            place.server.start()
            load.store(place.server.target, objects.CT, images)
        except (LoadError, OSError) as error:
            self._results.fault("warm-up", place.server.name, place.number, error)
            return False
        place.retrieved = images[0]
        self._note(place, "move", images[0])
        self._note(place, "get", [])
        return True

    def _storescu(self, place: Place) -> float:
        """The client of dcmtk as Debian ships it; its start is part of the time, and small."""
        images = list(objects.identities(objects.SMALL, _run(place.number, "storescu"), self._sizes.storescu))
        folder = self._work / f"files-{place.number}"
        folder.mkdir(exist_ok=True)
        for position, image in enumerate(images):
            (folder / f"{position:05d}").write_bytes(objects.part10(objects.SMALL, image))
        seconds = _run_storescu(place.server, sorted(folder.iterdir()))
        self._note(place, "storescu", images)
        return len(images) / seconds

    def _move(self, place: Place) -> float | None:
        if not place.server.indexed:
            return None
        return retrieve.move(place.server.target, self._sink, _studies(place.retrieved), len(place.retrieved))

    def _get(self, place: Place) -> float | None:
        if not place.server.indexed:
            return None
        asked = _studies(place.retrieved)
        return retrieve.get(place.server.target, objects.CT.sop_class, asked, len(place.retrieved))

    def _note(self, place: Place, row: str, images: list[Identity]) -> None:
        place.stored += images
        place.rows.append(row)

    def _verify(self, place: Place) -> None:
        """Everything acknowledged must be there, or the round of this server does not count."""
        try:
            _must_hold(place.server, place.stored)
        except (LoadError, OSError) as error:
            for row in place.rows:
                self._results.fault(row, place.server.name, place.number, error)

    def _fresh(self, kind: type[Server], number: int) -> None:
        """A fresh instance: start, idle memory, then 1 000 CT on four associations with memory and CPU watched."""
        os.sync()
        server = self._new(kind, "fresh")
        try:
            figures = {"start": server.start(), "idle": server.pss()}
            if server.parallel:
                figures |= self._loaded(server, number)
            for row, value in figures.items():
                self._results.add(row, server.name, number, value)
                self._say(f"  {row:12} {server.name:13} {value:10.4g}")
        except (LoadError, OSError) as error:
            self._results.fault("ct4", server.name, number, error)
        finally:
            server.retire()

    def _loaded(self, server: Server, number: int) -> dict[str, float]:
        images = load.spread(objects.CT, _run(number, "ct4"), self._sizes.ct4, 4)
        memory: list[float] = []
        before = server.cpu()
        done = load.store(server.target, objects.CT, images, lambda: memory.append(server.pss()))
        used = server.cpu() - before
        self._results.generator["ct4"].append(done.generator_cpu / done.seconds)
        flat = [image for part in images for image in part]
        _must_hold(server, flat)
        return {"ct4": done.per_second, "loaded": max(memory), "cpu": used * 1000 / len(flat)}

    def _huge(self, kind: type[Server], number: int) -> None:
        """One very large object on a fresh instance that has stored a small one."""
        os.sync()
        server = self._new(kind, "huge")
        try:
            server.start()
            load.store(server.target, objects.SMALL, load.spread(objects.SMALL, 1, 1, 1))
            before, memory = server.pss(), [0.0]
            images = load.spread(self._sizes.huge, 2, 1, 1)
            done = load.store(server.target, self._sizes.huge, images, lambda: memory.append(server.pss()))
            memory.append(server.pss())
            _must_hold(server, images[0])
            for row, value in (("huge", done.megabytes_per_second), ("huge_growth", max(memory) - before)):
                self._results.add(row, server.name, number, value)
                self._say(f"  {row:12} {server.name:13} {value:10.4g}")
        except (LoadError, OSError) as error:
            self._results.fault("huge", server.name, number, error)
        finally:
            server.retire()

    def _new(self, kind: type[Server], what: str) -> Server:
        return kind(self._work / f"{what}-{self._number}-{kind.__name__}", self._sink.port)

    def _shuffled(self, things: list[T]) -> list[T]:
        return self._chance.sample(things, len(things))


def count(server: Server, images: list[Identity]) -> int:
    """How many of these the server holds; a server without an index is asked for its files."""
    if isinstance(server, Storescp):
        return len({image.sop for image in images} & server.stored())
    return retrieve.count_images(server.target, images)


def _must_hold(server: Server, images: list[Identity]) -> None:
    """Raises `LoadError` when an acknowledged object is not there."""
    found = count(server, images)
    if found != len(images):
        raise LoadError(f"{found} of {len(images)} acknowledged objects found")


def _run_storescu(server: Server, files: list[Path]) -> float:
    """Seconds. Raises `LoadError` when it reports a failure."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TCP_")}
    command = [STORESCU, "-aec", server.target.ae_title, "127.0.0.1", str(server.port), *map(str, files)]
    start = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode:
        raise LoadError(f"storescu: {done.stderr.strip()[-300:]}")
    return seconds


def _studies(images: list[Identity]) -> list[str]:
    return sorted({image.study for image in images})


_RUNS = ("retrieved", "small1", "small4", "ct1", "ct4", "big", "storescu")


def _run(number: int, row: str) -> int:
    """A number for the UIDs of this row in this round."""
    return 100 + number * len(_RUNS) + _RUNS.index(row)
