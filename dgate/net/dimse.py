"""DIMSE command sets (PS3.7 section 6.3.1 and annex E): implicit little endian, tolerant but bounded. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from dgate.net.pdu import P_DATA

MAX_COMMAND = 65536
"""Longest command set taken from anyone: no real one has a hundredth of it."""
MAX_UPLOAD = 64 * 1024 * 1024
"""Longest one taken from a peer that may send server commands, because it may hold a file."""

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO, C_CANCEL = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0FFF
N_EVENT_REPORT, N_ACTION = 0x0100, 0x0130
RESPONSE = 0x8000
NO_DATA_SET, WITH_DATA_SET = 0x0101, 0x0102

AFFECTED_SOP_CLASS, COMMAND_FIELD, MESSAGE_ID, RESPONDED_TO = 0x0002, 0x0100, 0x0110, 0x0120
DATA_SET_TYPE, STATUS, AFFECTED_SOP_INSTANCE, PRIORITY = 0x0800, 0x0900, 0x1000, 0x0700
MOVE_DESTINATION, ERROR_COMMENT, MOVE_ORIGINATOR, MOVE_ORIGINATOR_ID = 0x0600, 0x0902, 0x1030, 0x1031
REMAINING, COMPLETED, FAILED, WARNING = 0x1020, 0x1021, 0x1022, 0x1023
REQUESTED_SOP_CLASS, REQUESTED_SOP_INSTANCE, EVENT_TYPE, ACTION_TYPE = 0x0003, 0x1001, 0x1002, 0x1008
"""Elements of group 0000."""
SERVER_COMMAND = 0x99990400
"""Makes a C-ECHO a server command (conquest-server.md 11.2)."""

SUCCESS, PENDING, SOP_CLASS_NOT_SUPPORTED = 0x0000, 0xFF00, 0x0122

MAX_COMMENT = 64
"""Characters of an LO (PS3.5 6.2)."""

_ELEMENT = struct.Struct("<HHI")
_USHORT = struct.Struct("<H")
_PDU = struct.Struct(">BxIIBB")
_PDV_OVERHEAD = 6
"""Item length, context and message control header: part of what the peer's maximum length counts."""

LAST, COMMAND = 2, 1
"""Bits of the message control header (PS3.8 annex E)."""


class DimseError(Exception):
    """A command set that cannot be read or lacks what every command has."""


class Command:
    """The elements of one command set, by tag."""

    __slots__ = ("elements", "field", "has_data_set")

    def __init__(self, elements: dict[int, bytes]) -> None:
        self.elements = elements
        self.field = self.number(COMMAND_FIELD)
        self.has_data_set = self.number(DATA_SET_TYPE) != NO_DATA_SET

    def number(self, tag: int) -> int:
        """An unsigned short. Raises `DimseError` when it is absent or has another length."""
        raw = self.elements.get(tag, b"")
        if len(raw) != 2:
            raise DimseError(f"command element 0000,{tag:04x} is missing or malformed")
        return raw[0] | raw[1] << 8

    def uid(self, tag: int) -> str:
        """A UID without its padding; empty when absent."""
        return self.elements.get(tag, b"").decode("latin-1").strip(" \0")

    @property
    def message_id(self) -> int:
        """The request's number. Raises `DimseError`."""
        return self.number(MESSAGE_ID)


def parse_command(data: bytes) -> Command:
    """Read a command set. Raises `DimseError` for anything that does not fit or has no command field."""
    elements: dict[int, bytes] = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < 8:
            raise DimseError("the last command element is cut off")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += 8
        if length > end - position:
            raise DimseError(f"command element {group:04x},{element:04x} is longer than the command set")
        elements[group << 16 | element] = data[position : position + length]
        position += length
    return Command(elements)


def encode_command(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """A command set with its group length. `elements` are in ascending order; odd values get a NUL."""
    body = b"".join(
        _ELEMENT.pack(tag >> 16, tag & 0xFFFF, len(value) + (len(value) & 1)) + value + bytes(len(value) & 1)
        for tag, value in elements
    )
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def padded(text: str) -> bytes:
    """A text or AE title as a command element holds it: even, with a blank (UIDs are padded with NUL)."""
    value = text.encode("latin-1", "replace")
    return value + b" " * (len(value) & 1)


def error_comment(text: str) -> bytes:
    """Why something failed, cut to an LO: in that a backslash would separate values."""
    return padded(text.replace("\\", "/")[:MAX_COMMENT])


def ushort(value: int) -> bytes:
    """An unsigned short as a command element holds it."""
    return _USHORT.pack(value)


def response(
    request: Command, status: int, *, data_set: bool = False, instance: bool = False, comment: str = ""
) -> bytes:
    """The response to `request`; `instance` repeats the SOP instance UID (C-STORE). See conquest-server.md 6.1, 13.

    `comment` says why it failed, in as many characters as an LO holds.
    """
    elements = [
        (COMMAND_FIELD, ushort(request.field | RESPONSE)),
        (RESPONDED_TO, request.elements[MESSAGE_ID]),
        (DATA_SET_TYPE, ushort(WITH_DATA_SET if data_set else NO_DATA_SET)),
        (STATUS, ushort(status)),
    ]
    sop_class = request.elements.get(AFFECTED_SOP_CLASS)
    if sop_class is not None:
        elements.insert(0, (AFFECTED_SOP_CLASS, sop_class))
    if comment:
        elements.append((ERROR_COMMENT, error_comment(comment)))
    sop_instance = request.elements.get(AFFECTED_SOP_INSTANCE)
    if instance and sop_instance is not None:
        elements.append((AFFECTED_SOP_INSTANCE, sop_instance))
    return encode_command(elements)


def encode_message(context_id: int, command: bytes, data_set: bytes | None, max_length: int) -> bytes:
    """A whole message as P-DATA-TF PDUs of one PDV each, none longer than the peer's maximum (0: any).

    Fragments are of even length (PS3.8 annex D), whatever the maximum is.
    """
    room = max_length - _PDV_OVERHEAD & ~1 if max_length else max(len(command), len(data_set or b""), 1)
    parts = _fragments(context_id, command, COMMAND, room)
    if data_set is not None:
        parts += _fragments(context_id, data_set, 0, room)
    return b"".join(parts)


def _fragments(context_id: int, data: bytes, kind: int, room: int) -> list[bytes]:
    if len(data) <= room:
        return [_PDU.pack(P_DATA, len(data) + 6, len(data) + 2, context_id, kind | LAST), data]
    parts: list[bytes] = []
    for start in range(0, len(data), room):
        piece = data[start : start + room]
        last = LAST if start + room >= len(data) else 0
        parts += [_PDU.pack(P_DATA, len(piece) + 6, len(piece) + 2, context_id, kind | last), piece]
    return parts
