"""What a server has done since its start, for the status commands."""

from __future__ import annotations

import threading

from dgate.net import dimse

ASSOCIATIONS, STORED, STORE_FAILURES, SENT = "associations", "stored", "store_failures", "sent"
ECHOES, QUERIES, MOVES, GETS = "echoes", "queries", "moves", "gets"

NAMES = (ASSOCIATIONS, STORED, STORE_FAILURES, SENT, ECHOES, QUERIES, MOVES, GETS)
REQUESTS = {dimse.C_ECHO: ECHOES, dimse.C_FIND: QUERIES, dimse.C_MOVE: MOVES, dimse.C_GET: GETS}
"""By command field. Stores count by their outcome."""


class Counters:
    """Named counts. Thread-safe; one addition costs as much as taking a free lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(NAMES, 0)

    def add(self, name: str, count: int = 1) -> None:
        """One or more of it."""
        with self._lock:
            self._counts[name] += count

    def snapshot(self) -> dict[str, int]:
        """All counts at one moment."""
        with self._lock:
            return dict(self._counts)
