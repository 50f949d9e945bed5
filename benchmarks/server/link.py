"""One association of the load generator: a socket, a receive buffer and as little else as possible."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Sequence
from typing import Self

from benchmarks.server import wire

TIMEOUT = 300.0
"""A peer that says nothing for so long has lost the object."""
BUFFER = 256 * 1024
_HEADER = struct.Struct(">BxI")
_PDV = struct.Struct(">IBB")


class LoadError(Exception):
    """The peer refused, failed or broke off: the run does not count."""


class Released(Exception):  # noqa: N818 - an event
    """The peer has ended the association."""


class Link:
    """Messages in, bytes out. `prompt`: acknowledge each segment at once; else as late as the kernel allows."""

    def __init__(self, sock: socket.socket, *, prompt: bool = True) -> None:
        self.sock = sock
        self.longest = 0
        self._quick = int(prompt)
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._pdu_left = 0
        # Linux: a time-out kept by the kernel, which costs no poll before each receive as settimeout does
        seconds = struct.pack("ll", int(TIMEOUT), 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def message(self) -> tuple[int, bytes]:
        """Context and command set of the next message, its data set read and dropped. Raises `Released`."""
        context, command = self._command()
        found = command.find(b"\x00\x00\x00\x08\x02\x00\x00\x00")
        if found >= 0 and command[found + 8 : found + 10] != b"\x01\x01":
            self._drop_data_set()
        return context, command

    def response(self) -> int:
        """The status of the next message."""
        return status_of(self.message()[1])

    def pdu(self) -> tuple[int, int]:
        """Type and length of the next PDU. Raises `LoadError`."""
        self._need(6)
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        self._start += 6
        return kind, length

    def take(self, count: int) -> bytes:
        """The next bytes. Raises `LoadError`."""
        self._need(count)
        self._start += count
        return bytes(self._view[self._start - count : self._start])

    def release(self) -> None:
        """A-RELEASE, then close."""
        self.sock.sendall(wire.RELEASE_RQ)
        kind, _ = self.pdu()
        self.close()
        if kind != 6:
            raise LoadError(f"PDU type {kind} instead of the answer to a release")

    def close(self) -> None:
        """Give the socket back."""
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.release()
        self.close()

    def _command(self) -> tuple[int, bytes]:
        command = b""
        while True:
            context, control, size = self._pdv()
            if not control & wire.COMMAND:
                raise LoadError("a data set without a command")
            command += self.take(size)
            if control & wire.LAST:
                return context, command

    def _drop_data_set(self) -> None:
        last = 0
        while not last:
            _, control, size = self._pdv()
            last = control & wire.LAST
            self._drop(size)

    def _pdv(self) -> tuple[int, int, int]:
        if not self._pdu_left:
            kind, self._pdu_left = self.pdu()
            if kind == 5:
                self._pdu_left = 0
                raise Released
            if kind != 4:
                raise LoadError(f"PDU type {kind} instead of P-DATA")
        self._need(6)
        length, context, control = _PDV.unpack_from(self._buffer, self._start)
        self._start += 6
        self._pdu_left -= 4 + length
        return context, control, length - 2

    def _need(self, count: int) -> None:
        while self._end - self._start < count:
            self._fill()

    def _drop(self, count: int) -> None:
        while count > self._end - self._start:
            count -= self._end - self._start
            self._start = self._end = 0
            self._fill()
        self._start += count

    def _fill(self) -> None:
        left = self._end - self._start
        if self._start and left:
            self._buffer[:left] = self._buffer[self._start : self._end]
        self._start, self._end = 0, left
        try:
            got = self.sock.recv_into(self._view[left:])
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, self._quick)
        except OSError as error:
            raise LoadError(f"connection lost: {error}") from error
        if not got:
            raise LoadError("connection closed by the peer")
        self._end += got


def status_of(command: bytes) -> int:
    """The status element of a response. Raises `LoadError` if it has none."""
    found = command.find(b"\x00\x00\x00\x09\x02\x00\x00\x00")
    if found < 0:
        raise LoadError("a response without a status")
    return command[found + 8] | command[found + 9] << 8


def associate(
    port: int, called: str, proposals: Sequence[wire.Proposal], *, prompt: bool = True, calling: str = "BENCH"
) -> Link:
    """An association with a server on this machine, every context accepted. Raises `LoadError`, OSError."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setblocking(True)
    link = Link(sock, prompt=prompt)
    try:
        sock.sendall(wire.associate_request(called, calling, proposals))
        link.longest = _agreed(link, proposals)
    except BaseException:
        link.close()
        raise
    return link


def _agreed(link: Link, proposals: Sequence[wire.Proposal]) -> int:
    """The peer's longest PDU. Raises `LoadError` unless it accepted everything."""
    kind, length = link.pdu()
    body = link.take(length)
    if kind != 2:
        raise LoadError(f"association not accepted: PDU type {kind} {body[:4].hex()}")
    contexts, longest = wire.accepted(body)
    refused = [proposal.sop_class for proposal in proposals if not contexts.get(proposal.number)]
    if refused:
        raise LoadError(f"presentation contexts not accepted: {', '.join(refused)}")
    return longest


def echo(port: int, called: str) -> None:
    """A C-ECHO on an association of its own. Raises `LoadError`, OSError."""
    with associate(port, called, [wire.Proposal(1, wire.VERIFICATION, wire.IMPLICIT)]) as link:
        link.sock.sendall(wire.echo_request())
        if link.response() != 0:
            raise LoadError("the C-ECHO failed")


def answers(port: int, called: str) -> bool:
    """Whether the server answers a C-ECHO now."""
    with contextlib.suppress(OSError, LoadError):
        echo(port, called)
        return True
    return False
