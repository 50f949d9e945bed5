"""What the load generator says, as bytes: association requests, command sets, messages (PS3.7, PS3.8).

Independent of the server under test on purpose: a mistake there must not hide itself here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.3"
STUDY_FIND, STUDY_MOVE, STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
APPLICATION = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION = "1.2.826.0.1.3680043.8.498.1"

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO, RESPONSE = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x8000
SOP_CLASS, FIELD, MESSAGE_ID, RESPONDED_TO, DESTINATION = 0x0002, 0x0100, 0x0110, 0x0120, 0x0600
PRIORITY, DATA_SET_TYPE, STATUS, SOP_INSTANCE = 0x0700, 0x0800, 0x0900, 0x1000
COMPLETED, FAILED, WARNING = 0x1021, 0x1022, 0x1023
COMMAND, LAST = 1, 2

RELEASE_RQ = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"
RELEASE_RP = b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"
PDV_OVERHEAD = 6
LARGEST_PDU = 131072
"""What we announce, and the most we send to a peer that takes any length."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One presentation context; `provider` asks for the SCP role (PS3.7 D.3.3.4), as C-GET needs it."""

    number: int
    sop_class: str
    syntax: str
    provider: bool = False


def associate_request(called: str, calling: str, proposals: Sequence[Proposal]) -> bytes:
    """A whole A-ASSOCIATE-RQ."""
    contexts = b"".join(_proposal(proposal) for proposal in proposals)
    roles = [_role(proposal) for proposal in proposals if proposal.provider]
    return _associate(1, called.encode().ljust(16), calling.encode().ljust(16), contexts, roles)


def associate_accept(request: bytes) -> bytes:
    """An A-ASSOCIATE-AC that takes the first transfer syntax of every context of the request's body."""
    contexts = b""
    for kind, value in items(request[68:]):
        if kind == 0x20:
            syntax = next(sub for sub_kind, sub in items(value[4:]) if sub_kind == 0x40)
            contexts += item(0x21, bytes((value[0], 0, 0, 0)) + item(0x40, syntax))
    return _associate(2, request[4:20], request[20:36], contexts, [])


def _associate(kind: int, called: bytes, calling: bytes, contexts: bytes, roles: list[bytes]) -> bytes:
    user = item(0x51, struct.pack(">I", LARGEST_PDU)) + item(0x52, IMPLEMENTATION.encode()) + b"".join(roles)
    body = struct.pack(">H2x16s16s32x", 1, called, calling)
    body += item(0x10, APPLICATION.encode()) + contexts + item(0x50, user)
    return struct.pack(">BxI", kind, len(body)) + body


def accepted(body: bytes) -> tuple[dict[int, bool], int]:
    """Of an A-ASSOCIATE-AC's body: whether each context was accepted, and the longest P-DATA the peer takes."""
    contexts: dict[int, bool] = {}
    longest = 0
    for kind, value in items(body[68:]):
        if kind == 0x21:
            contexts[value[0]] = value[2] == 0
        elif kind == 0x50:
            lengths = [struct.unpack(">I", sub)[0] for sub_kind, sub in items(value) if sub_kind == 0x51]
            longest = lengths[0] if lengths else 0
    return contexts, longest


def item(kind: int, value: bytes) -> bytes:
    """An item or sub-item of an association PDU."""
    return struct.pack(">BxH", kind, len(value)) + value


def items(data: bytes) -> Iterable[tuple[int, bytes]]:
    """Type and value of each item."""
    position = 0
    while position < len(data):
        kind, length = struct.unpack_from(">BxH", data, position)
        yield kind, data[position + 4 : position + 4 + length]
        position += 4 + length


def _proposal(proposal: Proposal) -> bytes:
    syntaxes = item(0x30, proposal.sop_class.encode()) + item(0x40, proposal.syntax.encode())
    return item(0x20, bytes((proposal.number, 0, 0, 0)) + syntaxes)


def _role(proposal: Proposal) -> bytes:
    uid = proposal.sop_class.encode()
    return item(0x54, struct.pack(">H", len(uid)) + uid + b"\x00\x01")


def command(field: int, elements: Iterable[tuple[int, bytes]], *, data_set: bool) -> bytes:
    """A command set: group length, field, data set type and the given elements of group 0000, in order."""
    fixed = [(FIELD, struct.pack("<H", field)), (DATA_SET_TYPE, struct.pack("<H", 1 if data_set else 0x0101))]
    body = b"".join(_element(number, value) for number, value in sorted([*fixed, *elements]))
    return _element(0, struct.pack("<I", len(body))) + body


def _element(number: int, value: bytes) -> bytes:
    padded = value + bytes(len(value) & 1)
    return struct.pack("<HHI", 0, number, len(padded)) + padded


def elements(data: bytes) -> dict[int, bytes]:
    """The elements of a command set by number."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        number, length = struct.unpack_from("<2xHI", data, position)
        found[number] = data[position + 8 : position + 8 + length]
        position += 8 + length
    return found


def number(found: dict[int, bytes], element: int) -> int:
    """An unsigned short of a command set; 0 when it is absent."""
    value = found.get(element, b"")
    return int.from_bytes(value[:2], "little")


def pdu(context: int, control: int, data: bytes) -> bytes:
    """A P-DATA-TF of one PDV."""
    return struct.pack(">BxIIBB", 4, len(data) + 6, len(data) + 2, context, control) + data


def room(longest: int) -> int:
    """How many bytes of a data set go into one P-DATA-TF for a peer that announced this length."""
    return (min(longest or LARGEST_PDU, LARGEST_PDU) - PDV_OVERHEAD) & ~1


def echo_request() -> bytes:
    """A C-ECHO-RQ on context 1."""
    rest = [(SOP_CLASS, VERIFICATION.encode()), (MESSAGE_ID, b"\x01\x00")]
    return pdu(1, COMMAND | LAST, command(C_ECHO, rest, data_set=False))


def query_request(field: int, sop_class: str, identifier: bytes, destination: str = "") -> bytes:
    """A C-FIND-RQ, C-MOVE-RQ or C-GET-RQ with its identifier, on context 1."""
    rest = [(SOP_CLASS, sop_class.encode()), (MESSAGE_ID, b"\x01\x00"), (PRIORITY, b"\x00\x00")]
    if destination:
        rest.append((DESTINATION, destination.encode() + b" " * (len(destination) % 2)))
    return pdu(1, COMMAND | LAST, command(field, rest, data_set=True)) + pdu(1, LAST, identifier)


def store_response(request: dict[int, bytes]) -> bytes:
    """The command set of a successful C-STORE-RSP."""
    rest = [(SOP_CLASS, request[SOP_CLASS]), (RESPONDED_TO, request[MESSAGE_ID]), (STATUS, b"\x00\x00")]
    return command(C_STORE | RESPONSE, [*rest, (SOP_INSTANCE, request[SOP_INSTANCE])], data_set=False)


def identifier(keys: Sequence[tuple[int, str]]) -> bytes:
    """A data set of text in implicit VR little endian, tags in order; what a query or retrieval asks for."""
    out = b""
    for tag, text in sorted(keys):
        pad = b"" if len(text) % 2 == 0 else b"\0" if text.startswith("1.2") else b" "
        out += struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(text) + len(pad)) + text.encode() + pad
    return out
