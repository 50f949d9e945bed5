"""Requests of scripts to other nodes: C-ECHO, C-FIND, C-MOVE, C-STORE over an association of our own (PS3.7 9.1).

All of an answer is in memory, so its size is bounded, and so is the time between two answers.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from dgate.net import dimse, pdu
from dgate.net.negotiation import ACCEPTED, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from dgate.net.scu import APPLICATION_CONTEXT, MAX_ANSWER, EchoError, receive
from dgate.record import dataclass

PENDING = frozenset({0xFF00, 0xFF01})
MAX_ANSWERS = 100_000
MAX_BYTES = 256 * 1024 * 1024
"""Of all answers to one request."""
CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 600.0


class RequestError(Exception):
    """No good answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to call, and as whom."""

    host: str
    port: int
    calling: str
    called: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One message of the peer."""

    command: dimse.Command
    data_set: bytes


class Client:
    """An association with one abstract syntax."""

    def __init__(self, sock: socket.socket, transfer_syntax: str, max_length: int) -> None:
        self.transfer_syntax = transfer_syntax
        self._sock = sock
        self._max_length = max_length

    def ask(self, elements: Sequence[tuple[int, bytes]], data_set: bytes | None = None) -> Iterator[Answer]:
        """Send a request; all its answers, the final one last. Raises `RequestError`."""
        try:
            self._sock.settimeout(ANSWER_SECONDS)
            message = dimse.encode_message(1, dimse.encode_command(elements), data_set, self._max_length)
            self._sock.sendall(message)
            size = 0
            for _ in range(MAX_ANSWERS):
                answer = self._answer()
                size += len(answer.data_set)
                if size > MAX_BYTES:
                    break
                yield answer
                if answer.command.number(dimse.STATUS) not in PENDING:
                    return
            raise RequestError("more answers than can be taken")
        except (EchoError, OSError, pdu.PduError, dimse.DimseError) as fault:
            raise RequestError(str(fault)) from fault

    def _answer(self) -> Answer:
        until = monotonic() + ANSWER_SECONDS
        command = dimse.parse_command(self._message(until, dimse.COMMAND, dimse.MAX_COMMAND))
        return Answer(command, self._message(until, 0, MAX_BYTES) if command.has_data_set else b"")

    def _message(self, until: float, kind: int, limit: int) -> bytes:
        """A whole command set or data set, of PDUs that each hold one PDV or more of it."""
        data = bytearray()
        while True:
            received, body = receive(self._sock, until)
            if received != pdu.P_DATA:
                raise RequestError(f"PDU type {received:02x} where an answer is due")
            while body:
                size = int.from_bytes(body[:4], "big")
                if not 2 <= size <= len(body) - 4 or body[5] & dimse.COMMAND != kind or len(data) + size > limit:
                    raise RequestError("an answer that cannot be used")
                data += body[6 : 4 + size]
                last, body = body[5] & dimse.LAST, body[4 + size :]
                if last and body:
                    raise RequestError("an answer that cannot be used")
                if last:
                    return bytes(data)

    def release(self) -> None:
        """Say goodbye. Raises `EchoError`, OSError."""
        self._sock.settimeout(CONNECT_SECONDS)
        self._sock.sendall(pdu.RELEASE_RQ_PDU)
        receive(self._sock, monotonic() + CONNECT_SECONDS)


@contextmanager
def association(peer: Peer, abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> Iterator[Client]:
    """For the time of a `with` block. Raises `RequestError`."""
    try:
        sock = socket.create_connection((peer.host, peer.port), CONNECT_SECONDS)
    except (OSError, UnicodeError) as fault:
        raise RequestError(str(fault)) from fault
    with sock:
        client = _negotiate(sock, peer, abstract_syntax, transfer_syntaxes)
        yield client
        try:
            client.release()
        except (EchoError, OSError):
            return  # all that matters was said before


def _negotiate(sock: socket.socket, peer: Peer, abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> Client:
    context = pdu.ProposedContext(1, abstract_syntax, transfer_syntaxes)
    user = pdu.UserInformation(MAX_ANSWER, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION)
    called, calling = pdu.ae_field(peer.called), pdu.ae_field(peer.calling)
    try:
        sock.sendall(pdu.encode_request(pdu.AssociateRequest(called, calling, APPLICATION_CONTEXT, (context,), user)))
        kind, body = receive(sock, monotonic() + CONNECT_SECONDS)
        if kind != pdu.ASSOCIATE_AC:
            raise RequestError("the association was not accepted")
        accept = pdu.parse_accept(body)
    except (EchoError, OSError, pdu.PduError) as fault:
        raise RequestError(str(fault)) from fault
    for answer in accept.contexts:
        if answer.id == 1 and answer.result == ACCEPTED and answer.transfer_syntax in transfer_syntaxes:
            return Client(sock, answer.transfer_syntax, accept.user.max_length)
    raise RequestError("the peer does not know this service")
