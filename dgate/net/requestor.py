"""An association that we request: connect, propose, send, release. Every wait has a deadline.

The doorkeeper watches its socket as it does those of the peers that came to us.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING

from dgate.net import dimse, pdu
from dgate.net.connection import NEVER, Connection, ConnectionLost
from dgate.net.negotiation import ACCEPTED, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, Context
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.net.dimse import Command
    from dgate.net.limits import Doorkeeper, Limits
    from dgate.net.proposing import Proposal

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
MAX_ANSWER = 1 << 20
MIN_PEER_LENGTH = 64


class NoAssociation(Exception):  # noqa: N818 - an outcome more than an error
    """There is no association; the text says where it failed."""


class NothingAccepted(NoAssociation):
    """The peer takes associations, but none of what was proposed."""


class PeerLost(Exception):  # noqa: N818 - an event more than an error
    """The association ended or broke while we needed it; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to call, and as whom."""

    host: str
    port: int
    calling: str
    called: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Requested:
    """An established association of ours; implements `Peer` of dgate.net.sending. Used by one thread."""

    def __init__(self, connection: Connection, limits: Limits, contexts: dict[int, Context], max_length: int) -> None:
        self.contexts = contexts
        self.max_length = max_length
        self._connection = connection
        self._limits = limits

    @property
    def address(self) -> str:
        """Where the peer is; nothing if it has gone."""
        return self._connection.remote_address

    def send_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        """See `Peer`. Raises `PeerLost`."""
        try:
            self._connection.send_parts(parts, self._limits.send)
        except ConnectionLost as lost:
            raise PeerLost(str(lost)) from lost

    def response(self, message_id: int) -> Command:
        """See `Peer`: a response without a data set. Raises `PeerLost`."""
        try:
            command = _response(self._message(), message_id)
        except (ConnectionLost, pdu.PduError, dimse.DimseError) as fault:
            raise PeerLost(str(fault)) from fault
        self._connection.deadline = NEVER
        return command

    def release(self) -> None:
        """A-RELEASE. A peer that does not answer it in time is left alone: all that matters was said before."""
        with suppress(ConnectionLost):
            self._connection.send(pdu.RELEASE_RQ_PDU, self._limits.send)
            self._connection.next_header(self._limits.handshake, self._limits.handshake)

    def abort(self) -> None:
        """A-ABORT, if it can still be sent at once."""
        with suppress(ConnectionLost):
            self._connection.send(pdu.encode_abort(pdu.SOURCE_USER, pdu.NOT_SPECIFIED), self._limits.linger)

    def _message(self) -> bytes:
        """The next command set, whatever the PDUs and PDVs it comes in."""
        limits, connection = self._limits, self._connection
        data = b""
        while True:
            kind, length = connection.next_header(limits.message, limits.pdu)
            if kind == pdu.ABORT:
                raise pdu.PduError("aborted by the peer")
            if kind != pdu.P_DATA or not 6 <= length <= limits.max_length + limits.margin:
                raise pdu.PduError(f"PDU type {kind:02x} of {length} bytes where an answer is due")
            while length:
                size, context_id, control = connection.pdv_header() if length > 5 else (0, 0, 0)
                if not 2 <= size <= length - 4 or context_id not in self.contexts or not control & dimse.COMMAND:
                    raise pdu.PduError("an answer in a PDV that cannot be used")
                data += connection.take_all(size - 2)
                length -= 4 + size
                if control & dimse.LAST and not length:
                    return data
                if control & dimse.LAST or len(data) > dimse.MAX_COMMAND:
                    raise pdu.PduError("an answer that does not end")


def _response(data: bytes, message_id: int) -> Command:
    """Raises `DimseError` for anything but the awaited answer."""
    command = dimse.parse_command(data)
    if not command.field & dimse.RESPONSE or command.number(dimse.RESPONDED_TO) != message_id:
        raise dimse.DimseError(f"command {command.field:04x} where the answer to {message_id} is due")
    if command.has_data_set:
        raise dimse.DimseError("an answer with a data set")
    command.number(dimse.STATUS)  # without one it answers nothing, and that is the destination's fault
    return command


@contextmanager
def association(
    destination: Destination,
    proposals: Sequence[Proposal],
    limits: Limits,
    door: Doorkeeper,
    *,
    roles: tuple[tuple[int, bytes], ...] = (),
) -> Iterator[Requested]:
    """An association for the time of a `with` block: released at its end, aborted when it raises.

    `roles` are role selection items, for what we are not the SCU of.
    Raises `NoAssociation` when it does not come about, or when no presentation context is accepted.
    """
    connection = _connect(destination, limits)
    door.watch(connection)
    try:
        requested = _negotiate(connection, destination, proposals, limits, roles)
        try:
            yield requested
        except BaseException:
            requested.abort()
            raise
        requested.release()
    finally:
        door.unwatch(connection)
        connection.close()


def _connect(destination: Destination, limits: Limits) -> Connection:
    try:
        sock = socket.create_connection((destination.host, destination.port), limits.handshake)
    except (OSError, UnicodeError) as fault:
        why = getattr(fault, "strerror", None) or str(fault)
        raise NoAssociation(f"{destination}: {why}") from fault
    try:
        sock.settimeout(None)
        return Connection(sock, destination.host, monotonic() + limits.handshake)
    except OSError as fault:
        sock.close()
        raise NoAssociation(f"{destination}: {fault}") from fault


def _negotiate(
    connection: Connection,
    destination: Destination,
    proposals: Sequence[Proposal],
    limits: Limits,
    roles: tuple[tuple[int, bytes], ...],
) -> Requested:
    """Propose, and take what is accepted of it. Raises `NoAssociation`."""
    proposed = {
        2 * position + 1: pdu.ProposedContext(2 * position + 1, *proposal)
        for position, proposal in enumerate(proposals)
    }
    user = pdu.UserInformation(limits.max_length, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, roles)
    called, calling = pdu.ae_field(destination.called), pdu.ae_field(destination.calling)
    request = pdu.AssociateRequest(called, calling, APPLICATION_CONTEXT, tuple(proposed.values()), user)
    try:
        connection.send(pdu.encode_request(request), limits.send)
        kind, length = connection.next_header(limits.pdu, limits.pdu)
        if length > MAX_ANSWER:
            raise NoAssociation(f"{destination}: the answer is not DICOM")
        accept = _accepted(kind, connection.take_all(length))
    except (ConnectionLost, pdu.PduError) as fault:
        raise NoAssociation(f"{destination}: {fault}") from fault
    connection.deadline = NEVER
    requested = Requested(connection, limits, _contexts(accept, proposed), accept.user.max_length)
    if not requested.contexts:
        requested.release()
        raise NothingAccepted(f"{destination}: no presentation context accepted")
    return requested


def _accepted(kind: int, body: bytes) -> pdu.AssociateAccept:
    """Raises `PduError` for every answer but a usable acceptance."""
    if kind == pdu.ASSOCIATE_RJ:
        reject = pdu.parse_reject(body)
        raise pdu.PduError(f"rejected: result {reject.result}, source {reject.source}, reason {reject.reason}")
    if kind != pdu.ASSOCIATE_AC:
        raise pdu.PduError("association aborted" if kind == pdu.ABORT else "the answer is not DICOM")
    accept = pdu.parse_accept(body)
    if 0 < accept.user.max_length < MIN_PEER_LENGTH:
        raise pdu.PduError(f"takes PDUs of {accept.user.max_length} bytes only")
    return accept


def _contexts(accept: pdu.AssociateAccept, proposed: dict[int, pdu.ProposedContext]) -> dict[int, Context]:
    """The accepted contexts; an answer to what was not asked does not count."""
    found: dict[int, Context] = {}
    for answer in accept.contexts:
        asked = proposed.get(answer.id)
        if asked is not None and answer.result == ACCEPTED and answer.transfer_syntax in asked.transfer_syntaxes:
            found[answer.id] = Context(answer.id, asked.abstract_syntax, answer.transfer_syntax)
    return found
