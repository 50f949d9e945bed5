"""One TCP connection: one receive buffer, deadlines, and nothing that trusts the peer.

Sockets stay in plain blocking mode, which saves a system call per receive. A deadline is only a number here; the
doorkeeper's thread looks at it and shuts the socket down when it has passed, which wakes whoever is blocked in it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from time import monotonic

from dgate.net.pdu import HEADER

NEVER = float("inf")
HANDSHAKE_BUFFER = 16 * 1024
"""Enough for nearly every association request; what has not shown itself as a DICOM peer gets no more."""
RECEIVE_BUFFER = 128 * 1024
"""Chosen by measurement: at twice the size each object costs half as much processor time again (cache misses)."""

MAX_PARTS = 1024
"""The kernel's limit for one gathering send."""

_PDV_HEADER = struct.Struct(">IBB")
_QUICKACK = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class ConnectionLost(Exception):  # noqa: N818 - an event more than an error
    """The peer closed, or a deadline or a limit made us close. The text is for the log."""


def _nothing() -> None:
    """No views into the buffer are pending."""


class Connection:
    """Used by one thread, except for `expire` and `interrupt`."""

    __slots__ = (
        "_buffer", "_end", "_size", "_sock", "_start", "_view", "address", "before_refill", "busy", "closing",
        "deadline", "interrupted", "silent",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, address: str, deadline: float = NEVER) -> None:
        self.address = address
        self.deadline = deadline
        """When the doorkeeper ends this connection (monotonic clock)."""
        self.silent = True
        """Not a byte has come yet."""
        self.busy = False
        """A message is on its way in or being answered."""
        self.closing = ""
        """Why we end it from outside; empty while we do not."""
        self.interrupted = False
        self.before_refill: Callable[[], None] = _nothing
        """Called before the buffer is overwritten: views that were handed out die now."""
        self._sock = sock
        self._start = self._end = 0
        self._allocate(HANDSHAKE_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def remote_address(self) -> str:
        """The address of the other end, whatever name it was called by; nothing if it has gone."""
        try:
            return str(self._sock.getpeername()[0])
        except OSError:
            return ""

    def grow(self) -> None:
        """From now on receive in large pieces. No views into the buffer may be in use."""
        if self._size >= RECEIVE_BUFFER:
            return
        rest = bytes(self._view[self._start : self._end])
        self._allocate(RECEIVE_BUFFER)
        self._view[: len(rest)] = rest
        self._start, self._end = 0, len(rest)

    def need(self, count: int) -> None:
        """Have `count` bytes together in the buffer. Raises `ConnectionLost`."""
        while self._end - self._start < count:
            self.fill()

    def take(self, count: int) -> memoryview:
        """The next `count` bytes (not more than the buffer holds). Raises `ConnectionLost`."""
        self.need(count)
        start = self._start
        self._start = start + count
        return self._view[start : start + count]

    def take_some(self, limit: int) -> memoryview:
        """What is there, at least one and at most `limit` bytes. Raises `ConnectionLost`."""
        if self._start == self._end:
            self.fill()
        start = self._start
        self._start = min(self._end, start + limit)
        return self._view[start : self._start]

    def take_all(self, count: int) -> bytes:
        """The next `count` bytes as a copy that grows only as they arrive. Raises `ConnectionLost`."""
        if count <= self._end - self._start:
            return bytes(self.take(count))
        collected = bytearray()
        while len(collected) < count:
            collected += self.take_some(count - len(collected))
        return bytes(collected)

    def header(self) -> tuple[int, int]:
        """Type and length of the next PDU. Raises `ConnectionLost`."""
        self.need(6)
        kind, length = HEADER.unpack_from(self._buffer, self._start)
        self._start += 6
        return kind, length

    def next_header(self, wait: float, whole: float) -> tuple[int, int]:
        """The next PDU's header; it may begin within `wait` seconds and must be whole `whole` seconds later."""
        if self._start == self._end:
            self.deadline = monotonic() + wait
            self.fill()
        self.deadline = monotonic() + whole
        return self.header()

    def peek(self, count: int) -> bytes:
        """The next bytes without taking them; fewer when the buffer has fewer."""
        return bytes(self._view[self._start : min(self._end, self._start + count)])

    def pdv_header(self) -> tuple[int, int, int]:
        """Item length, context number and message control header of the next PDV. Raises `ConnectionLost`."""
        self.need(6)
        length, context_id, control = _PDV_HEADER.unpack_from(self._buffer, self._start)
        self._start += 6
        return length, context_id, control

    def fill(self) -> None:
        """Receive once, moving what is left to the front of the buffer. Raises `ConnectionLost`."""
        self.before_refill()
        left = self._end - self._start
        if self._start and left:
            self._buffer[:left] = self._buffer[self._start : self._end]
        self._start, self._end = 0, left
        try:
            count = self._sock.recv_into(self._view[left:] if left else self._view)
            # The kernel forgets this flag; without it a peer with Nagle's algorithm waits 40 ms per message.
            self._sock.setsockopt(*_QUICKACK)
        except OSError as fault:
            raise ConnectionLost(self.closing or str(fault)) from fault
        if self.closing or not count:
            raise ConnectionLost(self.closing or "closed by the peer")
        self.silent = False
        self._end = left + count

    def has_input(self) -> bool:
        """Something can be read without waiting (or the peer has gone)."""
        if self._start != self._end:
            return True
        try:
            return len(self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)) >= 0
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait_for_input(self, seconds: float) -> bool:
        """Within so many seconds something can be read (or the peer has gone)."""
        import select

        if self._start != self._end:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def send(self, data: bytes, within: float) -> None:
        """Send all of it within so many seconds. Raises `ConnectionLost`."""
        self.deadline = monotonic() + within
        try:
            self._sock.sendall(data)
        except OSError as fault:
            raise ConnectionLost(self.closing or str(fault)) from fault
        self.deadline = NEVER

    def send_parts(self, parts: Sequence[bytes | memoryview], within: float) -> None:
        """Send pieces one behind the other without joining them. Raises `ConnectionLost`."""
        self.deadline = monotonic() + within
        try:
            for first in range(0, len(parts), MAX_PARTS):
                self._send_some(parts[first : first + MAX_PARTS])
        except OSError as fault:
            raise ConnectionLost(self.closing or str(fault)) from fault
        self.deadline = NEVER

    def _send_some(self, parts: Sequence[bytes | memoryview]) -> None:
        sent = self._sock.sendmsg(parts)
        if sent < sum(map(len, parts)):  # a blocking socket takes all, unless something interrupts it
            self._sock.sendall(memoryview(b"".join(parts))[sent:])

    def close_gently(self, linger: float) -> None:
        """Let our last words arrive: a close with unread input would send a reset that overtakes them."""
        self.deadline = until = monotonic() + linger
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            while monotonic() < until and not self.closing and self._sock.recv_into(self._view):
                continue
        self.close()

    def close(self) -> None:
        """Give the socket back, and with it the buffer: whoever is told of refills holds us in turn."""
        self.before_refill = _nothing
        self._sock.close()

    def expire(self, why: str) -> None:
        """From another thread: end this connection now."""
        self.closing = self.closing or why
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def interrupt(self) -> None:
        """From another thread: the server stops. The owner wakes up and may still say so to the peer."""
        self.interrupted = True
        if not self.busy:
            self.closing = self.closing or "server stops"
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RD)

    def _allocate(self, size: int) -> None:
        self._size = size
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
