"""What goes into the queue with one object's rows, and after them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.forward import table
from dgate.index.index import FAULTS

if TYPE_CHECKING:
    from dgate.archive.writer import Location
    from dgate.forward.queues import Queues
    from dgate.forward.requests import Pending, Requests
    from dgate.forward.table import Work
    from dgate.index.database.base import Executing


class ExportTicket:
    """Implements `Ticket` of dgate.archive.stores."""

    def __init__(
        self,
        queues: Queues,
        requests: Requests,
        lanes: dict[int, str],
        pending: list[Pending],
        work: Callable[[Location], Work],
    ) -> None:
        """`lanes` of the export converters by number; `work` is what each of them is told."""
        self._queues = queues
        self._requests = requests
        self._lanes = lanes
        self._pending = pending
        self._work = work
        try:
            queues.ensure()
        except FAULTS as fault:
            queues.log.console(f"***Queue: {fault}")  # the object's rows will not be entered either

    def put(self, connection: Executing, where: Location) -> None:
        """See `Ticket`."""
        now, work, numbers = time.time(), self._work(where), self._queues.numbers
        for number, lane in self._lanes.items():
            table.insert(connection, next(numbers), lane, {**work, "number": number}, now)
        for each in self._pending:
            each.put(connection, next(numbers))

    def settle(self, *, stored: bool) -> None:
        """See `Ticket`. What was asked for is done also where the object was not stored, as in the original."""
        self._queues.log.flush()  # before the lines of whoever begins now
        if stored:
            for lane in {*self._lanes.values(), *(each.lane for each in self._pending)}:
                self._queues.wake(lane)
            return
        try:
            self._requests.put(self._pending)
        except FAULTS as fault:
            self._queues.log.console(f"***Queue: {fault}")
