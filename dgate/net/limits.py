"""How much one peer, and all of them together, may ask for; and the thread that holds them to it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.net.connection import Connection


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds."""

    handshake: float = 5.0
    """From the accepted connection to the complete association request."""
    pdu: float = 30.0
    """From the first byte of a PDU to its last."""
    message: float = 60.0
    """Between two PDUs of one message."""
    idle: float = 300.0
    """Between two messages (TCPIPTimeOut)."""
    send: float = 30.0
    """For one answer, to a peer that reads slowly or not at all."""
    linger: float = 1.0
    """For the peer to close after our last words."""
    grace: float = 10.0
    """For associations in flight when the server stops."""
    associations: int = 256
    per_address: int = 128
    """Generous, because behind a container engine's proxy all peers have one address."""
    pending: int = 128
    """Connections without an association."""
    pending_per_address: int = 96
    max_length: int = 131072
    """The longest P-DATA-TF body we announce."""
    margin: int = 1024
    """What a P-DATA-TF may be longer: some peers do not count the PDV headers."""

    @property
    def tick(self) -> float:
        """How often deadlines are looked at."""
        return min(1.0, max(0.02, min(self.handshake, self.pdu, self.idle, self.send, self.message) / 5))


FETCHED = 0xFBAD
"""The message ID of a C-MOVE whose objects we have asked for ourselves (conquest-converters.md 2)."""


class Doorkeeper:
    """Counts connections, makes room when strangers fill the hall, and ends those whose deadline has passed."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.draining = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._pending: dict[Connection, None] = {}
        self._associations: dict[Connection, None] = {}
        self._by_address: Counter[str] = Counter()
        self._outgoing: dict[Connection, None] = {}
        self._expected: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="doorkeeper", daemon=True)

    def start(self) -> None:
        """Begin to watch deadlines."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    @contextmanager
    def expecting(self, address: str) -> Iterator[None]:
        """Whoever is there has been asked to send us something: for the time of a `with` block."""
        with self._lock:
            self._expected[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._expected[address] -= 1

    def expects(self, address: str) -> bool:
        """Whether that is so."""
        return self._expected[address] > 0

    def admit(self, connection: Connection) -> None:
        """A connection without an association yet. When there are too many the oldest silent one has to go."""
        with self._lock:
            victim = self._victim(connection.address)
            self._pending[connection] = None
        if victim is not None:
            victim.expire("dropped to make room")

    def promote(self, connection: Connection) -> bool:
        """It wants an association. False: there are too many, in total or from its address."""
        with self._lock:
            full = len(self._associations) >= self.limits.associations
            if full or self.draining or self._by_address[connection.address] >= self.limits.per_address:
                return False
            self._pending.pop(connection, None)
            self._associations[connection] = None
            self._by_address[connection.address] += 1
            return True

    def demote(self, connection: Connection) -> None:
        """Its association is being released: whoever reads our answer finds its place free."""
        with self._lock:
            if self._forget(connection):
                self._pending[connection] = None

    def leave(self, connection: Connection) -> None:
        """It is over."""
        with self._lock:
            self._pending.pop(connection, None)
            self._forget(connection)
            self._changed.notify_all()

    def _forget(self, connection: Connection) -> bool:
        if connection not in self._associations:
            return False
        del self._associations[connection]
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]
        return True

    def watch(self, connection: Connection) -> None:
        """One that we made ourselves: it counts for nothing, but has deadlines too."""
        with self._lock:
            self._outgoing[connection] = None

    def unwatch(self, connection: Connection) -> None:
        """It is over."""
        with self._lock:
            self._outgoing.pop(connection, None)

    def counts(self) -> tuple[int, int]:
        """Connections without an association, and associations."""
        with self._lock:
            return len(self._pending), len(self._associations)

    def make_room(self) -> None:
        """Descriptors or threads are used up: drop the oldest stranger."""
        with self._lock:
            victim = self._oldest(None)
        if victim is not None:
            victim.expire("dropped to make room")

    def drain(self) -> None:
        """No new associations; end the idle ones, give the others their time, then end those too."""
        with self._lock:
            self.draining = True
            waiting, working = list(self._pending), list(self._associations)
        for connection in waiting:
            connection.expire("server stops")
        for connection in working:
            connection.interrupt()
        if not self._empty_within(self.limits.grace):
            with self._lock:
                rest = [*self._pending, *self._associations, *self._outgoing]
            for connection in rest:
                connection.expire("server stops")
            self._empty_within(self.limits.grace)

    def sweep(self, now: float) -> None:
        """End each connection whose deadline has passed."""
        with self._lock:
            tables = (self._pending, self._associations, self._outgoing)
            late = [c for table in tables for c in table if c.deadline < now]
        for connection in late:
            connection.expire("timed out")

    def _victim(self, address: str) -> Connection | None:
        if len(self._pending) >= self.limits.pending:
            return self._oldest(None)
        cap = self.limits.pending_per_address
        if len(self._pending) >= cap and sum(c.address == address for c in self._pending) >= cap:
            return self._oldest(address)
        return None

    def _oldest(self, address: str | None) -> Connection | None:
        """The oldest that never said a word, else the oldest; not one that is on its way out already."""
        here = [c for c in self._pending if not c.closing and (address is None or c.address == address)]
        return next((c for c in here if c.silent), here[0] if here else None)

    def _empty_within(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending and not self._associations, seconds)

    def _watch(self) -> None:
        while not self._stopped.wait(self.limits.tick):
            self.sweep(monotonic())
