"""Requests of scripts to other nodes: C-ECHO, -FIND, -MOVE, -GET, -STORE over an association of our own (PS3.7 9.1).

All of an answer is in memory, so its size is bounded, and so is the time between two answers.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
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
MAX_CONTEXTS = 128
"""Presentation contexts of one association: their IDs are odd bytes (PS3.8 9.3.2.2)."""
ROLES = 0x54
"""Type of the sub-item that says who stores: in a C-GET that is the peer (PS3.7 D.3.3.4)."""


class RequestError(Exception):
    """No good answer; the text says why."""


class UnreachableError(RequestError):
    """There is no association."""


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
    context: int


class Client:
    """An association with one abstract syntax to ask for something, and others in which the peer may store."""

    def __init__(self, sock: socket.socket, contexts: Mapping[int, str], max_length: int) -> None:
        """`contexts` are the transfer syntaxes of those that were accepted, by ID; 1 is the one to ask in."""
        self.transfer_syntax = contexts[1]
        self.contexts = contexts
        self._sock = sock
        self._max_length = max_length

    @property
    def address(self) -> str:
        """Where the peer is."""
        return str(self._sock.getpeername()[0])

    def ask(self, elements: Sequence[tuple[int, bytes]], data_set: bytes | None = None) -> Iterator[Answer]:
        """Send a request; all its answers, the final one last. What the peer stores is among them, and is taken.

        Raises `RequestError`.
        """
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
                if answer.command.field == dimse.C_STORE:
                    self._acknowledge(answer)
                    yield answer
                    continue
                yield answer
                if answer.command.number(dimse.STATUS) not in PENDING:
                    return
            raise RequestError("more answers than can be taken")
        except (EchoError, OSError, pdu.PduError, dimse.DimseError) as fault:
            raise RequestError(str(fault)) from fault

    def _acknowledge(self, stored: Answer) -> None:
        response = dimse.response(stored.command, dimse.SUCCESS, instance=True)
        self._sock.settimeout(ANSWER_SECONDS)
        self._sock.sendall(dimse.encode_message(stored.context, response, None, self._max_length))

    def _answer(self) -> Answer:
        until = monotonic() + ANSWER_SECONDS
        context, data = self._message(until, dimse.COMMAND, dimse.MAX_COMMAND)
        command = dimse.parse_command(data)
        return Answer(command, self._message(until, 0, MAX_BYTES)[1] if command.has_data_set else b"", context)

    def _message(self, until: float, kind: int, limit: int) -> tuple[int, bytes]:
        """Context and a whole command set or data set, of PDUs that each hold one PDV or more of it."""
        data = bytearray()
        while True:
            received, body = receive(self._sock, until)
            if received != pdu.P_DATA:
                raise RequestError(f"PDU type {received:02x} where an answer is due")
            while body:
                size = int.from_bytes(body[:4], "big")
                if not 2 <= size <= len(body) - 4 or body[5] & dimse.COMMAND != kind or len(data) + size > limit:
                    raise RequestError("an answer that cannot be used")
                context, last = body[4], body[5] & dimse.LAST
                data += body[6 : 4 + size]
                body = body[4 + size :]
                if context not in self.contexts or (last and body):
                    raise RequestError("an answer that cannot be used")
                if last:
                    return context, bytes(data)

    def release(self) -> None:
        """Say goodbye. Raises `EchoError`, OSError."""
        self._sock.settimeout(CONNECT_SECONDS)
        self._sock.sendall(pdu.RELEASE_RQ_PDU)
        receive(self._sock, monotonic() + CONNECT_SECONDS)


@contextmanager
def association(
    peer: Peer, abstract_syntax: str, transfer_syntaxes: tuple[str, ...], storing: Sequence[str] = ()
) -> Iterator[Client]:
    """For the time of a `with` block; `storing` are SOP classes that the peer may store in. Raises `RequestError`."""
    try:
        sock = socket.create_connection((peer.host, peer.port), CONNECT_SECONDS)
    except (OSError, UnicodeError) as fault:
        raise UnreachableError(str(fault)) from fault
    with sock:
        client = _negotiate(sock, peer, _proposed(abstract_syntax, storing, transfer_syntaxes), _roles(storing))
        yield client
        try:
            client.release()
        except (EchoError, OSError):
            return  # all that matters was said before


def _proposed(
    abstract_syntax: str, storing: Sequence[str], transfer_syntaxes: tuple[str, ...]
) -> tuple[pdu.ProposedContext, ...]:
    classes = (abstract_syntax, *storing)[:MAX_CONTEXTS]
    return tuple(pdu.ProposedContext(2 * at + 1, each, transfer_syntaxes) for at, each in enumerate(classes))


def _roles(storing: Sequence[str]) -> tuple[tuple[int, bytes], ...]:
    """That we do not store in these classes, but take."""
    uids = [uid.encode("latin-1") for uid in storing[: MAX_CONTEXTS - 1]]
    return tuple((ROLES, len(uid).to_bytes(2, "big") + uid + b"\0\1") for uid in uids)


def _negotiate(
    sock: socket.socket, peer: Peer, contexts: tuple[pdu.ProposedContext, ...], roles: tuple[tuple[int, bytes], ...]
) -> Client:
    user = pdu.UserInformation(MAX_ANSWER, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, roles)
    called, calling = pdu.ae_field(peer.called), pdu.ae_field(peer.calling)
    try:
        sock.sendall(pdu.encode_request(pdu.AssociateRequest(called, calling, APPLICATION_CONTEXT, contexts, user)))
        kind, body = receive(sock, monotonic() + CONNECT_SECONDS)
        if kind != pdu.ASSOCIATE_AC:
            raise UnreachableError("the association was not accepted")
        accept = pdu.parse_accept(body)
    except (EchoError, OSError, pdu.PduError) as fault:
        raise UnreachableError(str(fault)) from fault
    offered = {context.id: context.transfer_syntaxes for context in contexts}
    accepted = {
        answer.id: answer.transfer_syntax
        for answer in accept.contexts
        if answer.result == ACCEPTED and answer.transfer_syntax in offered.get(answer.id, ())
    }
    if 1 not in accepted:
        raise UnreachableError("the peer does not know this service")
    return Client(sock, accepted, accept.user.max_length)
