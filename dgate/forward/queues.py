"""The queue that outlives the process: who may put something in, and who works on it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from dgate.forward import table
from dgate.forward.failurefiles import FailureFiles
from dgate.forward.lanes import Lane, Worker
from dgate.forward.links import Links
from dgate.index.index import ReaderPool, driver_for

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.settings import Settings
    from dgate.index.database.base import Connection
    from dgate.interfaces import Log
    from dgate.net.node import Node

T = TypeVar("T")

EXPORT, TO, LATER = "export:", "to:", "later:"
"""How the names of lanes begin: an export converter, a destination of export converters, delayed commands."""

MOST = 500
"""Lanes that are remembered; of more, only those with something to do."""
UNKNOWN = TO + "?"
"""The one lane of all destinations that acrnema.map does not know: none of them can be reached anyway."""


class Queues:
    """All lanes. Thread-safe; without anything queued there is no thread."""

    def __init__(self, node: Node, archive: DiskArchive) -> None:
        self.log: Log = node.log
        self.workers: dict[str, Worker] = {}
        """Who carries out the jobs of a lane, by the beginning of its name."""
        self.failures = FailureFiles(lambda: self.settings, LATER)
        self._node = node
        self._archive = archive
        self._readers = ReaderPool(archive.stores.options, keep=2)
        self._driver = driver_for(archive.stores.options)
        self._known: object = None
        self.numbers = itertools.count(1)
        """IDs of new jobs, once the table is known."""
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}
        self._stopping = False

    @property
    def settings(self) -> Settings:
        """dicom.ini as it is now."""
        return self._node.config.settings

    def start(self) -> None:
        """Go on with what the last run left. Raises `FAULTS`."""
        with self.reading() as connection:
            if not table.exists(connection):
                return
        self.ensure()
        self.transact(table.release_held)
        self.resume()

    def stop(self) -> None:
        """No new jobs; wait, within the limits' grace, for those in hand. What is left is done after the next start."""
        with self._lock:
            self._stopping = True
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.stop()
        until = monotonic() + self._node.limits.grace
        for lane in lanes:
            lane.join(until - monotonic())
        self._readers.close()

    def wake(self, name: str) -> None:
        """There is something to do in a lane."""
        with self._lock:
            if self._stopping:
                return
            lane = self._lanes.get(name)
            if lane is None:
                if len(self._lanes) >= MOST:  # lines may name destinations that come from objects
                    self._lanes = {known: each for known, each in self._lanes.items() if not each.is_idle}
                links = Links(self._node.door, self._node.counters)
                lane = self._lanes[name] = Lane(name, self, self._worker(name), links)
        lane.wake()

    def knows(self, identity: str) -> bool:
        """Whether an equal request waits. Raises `FAULTS`."""
        self.ensure()
        with self.reading() as connection:
            return table.is_waiting(connection, identity)

    def ensure(self) -> None:
        """Have the table, also after the database was replaced. Raises `FAULTS`."""
        identity = self._driver.identity()
        if identity == self._known:
            return
        with self._lock:
            if identity != self._known:
                self.numbers = itertools.count(self.transact(table.create) + 1)
                self._known = identity

    def resume(self) -> None:
        """Somebody has changed the table: forget what failed, and look. Raises `FAULTS`."""
        with self.reading() as connection:
            lanes = table.busy_lanes(connection) if table.exists(connection) else []
            self.failures.take_up(connection)
        for name in lanes:
            self.wake(name)
            with self._lock:
                lane = self._lanes.get(name)
            if lane is not None:
                lane.forgive()

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Change the table; what is done is committed. Raises `FAULTS`."""
        return self._archive.stores.writer.transact(work)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with. Raises `FAULTS`."""
        connection = self._readers.borrow()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._readers.give_back(connection)

    def _worker(self, name: str) -> Worker:
        return next(worker for beginning, worker in self.workers.items() if name.startswith(beginning))
