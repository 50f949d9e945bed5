"""The guard against loops: A forwards to B, B forwards to A, and so on for ever.

An object that came back is known by its SOP instance UID: we have sent it to the same destination within the last
hour, and now somebody else than then brings it. If that is a node of acrnema.map and the object is as it was, it is
not sent again. A stranger may bring it a few times, for example over a ring of which we know only the next node; and
whoever sends one object over and over may do so a thousand times without a pause. A changed object is always sent, up
to those numbers. Kept in memory: after a restart a loop goes round once more.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from dgate.record import dataclass

WINDOW = 3600.0
PAUSE = 10.0
"""Seconds after which the same sender's next copy is no longer part of a series."""
FROM_OTHERS, FROM_THE_SAME = 20, 1000
LIMIT = 50_000
"""Objects that are remembered; the oldest are forgotten."""


@dataclass(slots=True)
class _Visit:
    calling: str
    digest: int
    when: float
    count: int


class Visits:
    """What was sent where, and who had brought it. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._visits: OrderedDict[tuple[str, str], _Visit] = OrderedDict()

    def comes_back(self, uid: str, destination: str, calling: str, digest: int, *, known: bool) -> bool:
        """Whether this object is on its way round. `known`: the sender is in acrnema.map."""
        with self._lock:
            visit = self._visit(uid, destination)
        if visit is None:
            return False
        if calling == visit.calling and calling != destination:
            return visit.count >= FROM_THE_SAME
        return (known and digest == visit.digest) or visit.count >= FROM_OTHERS

    def note(self, uid: str, destination: str, calling: str, digest: int) -> None:
        """It was sent, or is about to be."""
        with self._lock:
            visit, now = self._visit(uid, destination), self._clock()
            if visit is None or (calling == visit.calling and now - visit.when > PAUSE):
                visit = _Visit(calling, digest, now, 0)
            visit.digest, visit.when, visit.count = digest, now, visit.count + 1
            self._visits[uid, destination] = visit
            self._visits.move_to_end((uid, destination))
            while len(self._visits) > LIMIT:
                self._visits.popitem(last=False)

    def forget(self, uid: str, destination: str) -> None:
        """It did not arrive."""
        with self._lock:
            self._visits.pop((uid, destination), None)

    def _visit(self, uid: str, destination: str) -> _Visit | None:
        visit = self._visits.get((uid, destination))
        return visit if visit is not None and self._clock() - visit.when < WINDOW else None
