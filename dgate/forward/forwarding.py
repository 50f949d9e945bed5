"""Everything that forwards, put together; made when the first line needs it, so that a plain server pays nothing.

Three things do: a `forward` of an import converter, an export converter, and what the last run left in the queue.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.index.index import FAULTS
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.archive.stores import Ticket
    from dgate.archive.writer import Location
    from dgate.config.settings import Settings
    from dgate.forward.exporting import Exporter
    from dgate.forward.immediate import Immediate
    from dgate.forward.queues import Queues
    from dgate.forward.requests import Requests
    from dgate.forward.table import Work
    from dgate.index.database.base import Connection
    from dgate.interfaces import StoreRequest
    from dgate.net.node import Node
    from dgate.rules.interfaces import Services
    from dgate.rules.outcome import Status
    from dgate.rules.run import Run

LOOK_EVERY = 5.0
"""Seconds between two looks for a database that could not be used at the start."""
MOST = 20
"""Export converters at most (conquest-converters.md 8)."""


@dataclass(frozen=True, slots=True)
class _Parts:
    immediate: Immediate
    exporter: Exporter
    queues: Queues
    requests: Requests


class Forwarding:
    """Implements `Forwarder` of dgate.rules.interfaces and `Exports` of dgate.archive.stores. Thread-safe."""

    def __init__(self, node: Node, archive: DiskArchive, services: Callable[[], Services]) -> None:
        """`services` gives those of the converters, whether there are import converters or not."""
        self.node = node
        """As associations of ours see it."""
        self._archive = archive
        self._services = services
        self._lock = threading.Lock()
        self._parts: _Parts | None = None
        self._converters = range(min(node.config.settings.export_converters, MOST))
        self._starter: threading.Thread | None = None
        self._stopped = threading.Event()
        self._planned: tuple[Settings | None, dict[int, str]] = (None, {})

    def start(self) -> None:
        """Take up the export converters, and what the last run left. A database that is not there yet is waited for."""
        if self._converters:
            self._archive.export_with(self)
        self._starter = threading.Thread(target=self._take_up, name="queue start", daemon=True)
        self._starter.start()

    def stop(self) -> None:
        """Finish what is in hand; what waits is in the database."""
        self._stopped.set()
        if self._starter is not None:
            self._starter.join(self.node.limits.grace)
        with self._lock:
            parts = self._parts
        if parts is not None:
            parts.queues.stop()
            parts.immediate.stop()
            parts.exporter.stop()

    def _take_up(self) -> None:
        while not self._stopped.is_set():
            try:
                if self._converters or _is_there(self._archive):
                    self._queue_adopted()
                    self.queues.start()
            except FAULTS:  # whoever uses the database says what is wrong with it
                self._stopped.wait(LOOK_EVERY)
            else:
                return

    def _queue_adopted(self) -> None:
        """Objects whose rows did not make it before a crash lack their jobs as well. Raises `FAULTS`.

        Who brought them is not known any more.
        """
        lanes, adopted = self._lanes(), self._archive.adopted
        if not lanes or not adopted:
            return
        from dgate.forward import table

        queues = self.queues
        queues.ensure()

        def put(connection: Connection) -> None:
            for uid, where in adopted:
                work = self._work("", "", uid)(where)
                for number, lane in lanes.items():
                    table.insert(connection, next(queues.numbers), lane, {**work, "number": number}, time.time())

        queues.transact(put)
        adopted.clear()

    def resume(self) -> None:
        """Somebody has changed the queue: forget what failed, and look."""
        self.queues.resume()

    @property
    def queues(self) -> Queues:
        """The queue."""
        return self._all.queues

    def forward(self, statement: str, run: Run) -> Status:
        """See `Forwarder`."""
        immediate = self._all.immediate
        ending = run.association.session.ending
        if immediate.association_ended not in ending:
            ending.append(immediate.association_ended)
        return immediate.forward(statement, run)

    def delay(self, statement: str, run: Run) -> Status:
        """See `Forwarder`."""
        return self._all.requests.delay(statement, run)

    def entering(self, request: StoreRequest, uid: bytes) -> Ticket | None:
        """See `Exports`: a job for each export converter, and what import converters want to have done later."""
        lanes = self._lanes()
        with self._lock:
            parts = self._parts
        pending = [] if parts is None else parts.requests.take()
        if not lanes and not pending:
            return None
        from dgate.forward.ticket import ExportTicket

        return ExportTicket(
            self._all.queues, self._all.requests, lanes, pending, self._work(request.calling_ae, request.called_ae, uid)
        )

    def finished(self) -> None:
        """See `Exports`."""
        with self._lock:
            parts = self._parts
        if parts is not None:
            try:
                parts.requests.flush()
            except FAULTS as fault:
                self.node.log.console(f"***Queue: {fault}")

    def _lanes(self) -> dict[int, str]:
        """The lane that each export converter begins in, as dicom.ini is now."""
        settings, (known, lanes) = self.node.config.settings, self._planned
        if settings is not known:
            lanes = {number: first_lane(settings, number) for number in self._converters if has_line(settings, number)}
            self._planned = settings, lanes
        return lanes

    def _work(self, calling: str, called: str, uid: bytes) -> Callable[[Location], Work]:
        devices = self._archive.stores.devices

        def work(where: Location) -> Work:
            spool = devices.named(where.device)
            return {
                "uid": uid.decode("latin-1"), "calling": calling, "called": called,
                "label": os.fsdecode((b"" if spool is None else spool.root) + where.path),
            }  # fmt: skip

        return work

    @property
    def _all(self) -> _Parts:
        with self._lock:
            if self._parts is None:
                self._parts = self._make()
            return self._parts

    def _make(self) -> _Parts:
        from dgate.forward.delayed import Later
        from dgate.forward.exporting import Exporter
        from dgate.forward.immediate import Immediate
        from dgate.forward.queues import EXPORT, LATER, TO, Queues
        from dgate.forward.requests import Requests
        from dgate.forward.visited import Visits

        visits, queues = Visits(), Queues(self.node, self._archive)
        exporter = Exporter(self.node, self._archive, self._services, visits)
        queues.workers |= {EXPORT: exporter, TO: exporter, LATER: Later(self.node, self._archive, self._services)}
        return _Parts(Immediate(self.node, visits), exporter, queues, Requests(queues))


def first_lane(settings: Settings, number: int) -> str:
    """Where the jobs of an export converter begin: at once with their destination, if sending is all they do first."""
    from dgate.config.converters.grammar import as_line
    from dgate.forward.queues import EXPORT, TO
    from dgate.forward.statement import parse_forward

    filters = ("ExportModality", "ExportStationName", "ExportCallingAE", "ExportCalledAE", "ExportFilter")
    asked = parse_forward(as_line(settings.ini.get(f"ExportConverter{number}")).split(";", 1)[0])
    plain = asked is not None and "%" not in asked.destination
    if asked is None or not plain or any(f"{key}{number}" in settings.ini for key in filters):
        return f"{EXPORT}{number}"
    return TO + asked.destination


def has_line(settings: Settings, number: int) -> bool:
    """Whether there is such an export converter."""
    name = f"ExportConverter{number}"
    return bool(settings.ini.get(name)) or settings.ini.find(name, "lua") is not None


def _is_there(archive: DiskArchive) -> bool:
    """Whether anything has ever been queued. Raises `FAULTS`."""
    from dgate.forward.table import exists

    connection = archive.readers.borrow()
    try:
        found = exists(connection)
    except BaseException:
        connection.close()
        raise
    archive.readers.give_back(connection)
    return found
