"""Sending one stored object as a C-STORE (PS3.7 9.1.1), over an association of ours or that of a C-GET requester.

The data set is never joined: headers of PDUs and views into the read buffer go to the socket in one gathering call.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from dgate.interfaces import RetrieveFailure
from dgate.net import dimse, pdu
from dgate.net.pdu import P_DATA, PduError
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.interfaces import Buffers, Outgoing
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context

BUFFER = 256 * 1024
"""Read and sent at once. Smaller costs more calls, larger more cache misses; memory stays at twice this."""
_HEADER = struct.Struct(">BxIIBB")
_PDV_OVERHEAD = 6

Part = bytes | memoryview


class SendingBroken(PduError):  # noqa: N818 - an event more than an error
    """The object failed when part of it was sent already: this association cannot go on."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pdu.NOT_SPECIFIED)


class Peer(Protocol):
    """An association over which objects can be sent."""

    contexts: dict[int, Context]
    max_length: int
    """The longest P-DATA-TF body the peer takes; 0 means any."""

    def send_parts(self, parts: Sequence[Part]) -> None:
        """Send these bytes as they are, within the limits' time."""

    def response(self, message_id: int) -> Command:
        """Wait for the answer to a request, within the limits' time."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The C-MOVE that a C-STORE serves (PS3.7 9.1.1.1)."""

    ae_title: str
    message_id: int


def make_buffers() -> Buffers:
    """The memory of one sender."""
    return memoryview(bytearray(BUFFER)), memoryview(bytearray(BUFFER))


def store_request(sop_class: str, sop_instance: str, message_id: int, origin: Origin | None) -> bytes:
    """The command set of a C-STORE-RQ with priority 0."""
    elements = [
        (dimse.AFFECTED_SOP_CLASS, sop_class.encode("latin-1")),
        (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_STORE)),
        (dimse.MESSAGE_ID, dimse.ushort(message_id)),
        (dimse.PRIORITY, dimse.ushort(0)),
        (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
        (dimse.AFFECTED_SOP_INSTANCE, sop_instance.encode("latin-1")),
    ]
    if origin is not None:
        elements.append((dimse.MOVE_ORIGINATOR, dimse.padded(origin.ae_title)))
        elements.append((dimse.MOVE_ORIGINATOR_ID, dimse.ushort(origin.message_id)))
    return dimse.encode_command(elements)


def send_object(peer: Peer, context: Context, command: bytes, outgoing: Outgoing, buffers: Buffers) -> None:
    """Send a C-STORE-RQ and the object behind it; the answer is still to come.

    Raises `RetrieveFailure` when nothing was sent, `SendingBroken` when something was, and what the peer raises.
    """
    parts: list[Part] = [dimse.encode_message(context.id, command, None, peer.max_length)]
    room = min(peer.max_length or BUFFER, BUFFER) - _PDV_OVERHEAD & ~1  # fragments are even (PS3.8 annex D)
    sent = False
    try:
        for batch in fragments(outgoing.pieces(context.transfer_syntax, buffers), context.id, room):
            peer.send_parts(parts + batch)
            parts, sent = [], True
    except RetrieveFailure as fault:
        if sent:
            raise SendingBroken(str(fault)) from fault
        raise


def fragments(pieces: Iterable[memoryview], context_id: int, room: int) -> Iterator[list[Part]]:
    """P-DATA-TF PDUs of one PDV each for a data set whose length is not known before its end.

    What may turn out to be the last PDU waits for the next piece; as `room` is not more than a full piece, nothing
    waits for longer.
    """
    full = _HEADER.pack(P_DATA, room + 6, room + 2, context_id, 0)
    held: list[memoryview] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        batch: list[Part] = []
        while size > room:
            batch.append(full)
            held = _take(held, room, batch)
            size -= room
        if batch:
            yield batch
    yield [_HEADER.pack(P_DATA, size + 6, size + 2, context_id, dimse.LAST), *held]


def _take(held: list[memoryview], count: int, batch: list[Part]) -> list[memoryview]:
    """Move so many bytes from the front of the views into the batch; returns what is left."""
    for position, view in enumerate(held):
        if len(view) >= count:
            batch.append(view[:count])
            return [view[count:], *held[position + 1 :]]
        batch.append(view)
        count -= len(view)
    return []
