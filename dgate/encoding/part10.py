"""Part 10 files: the header we write (conquest-server.md 7.2), and bounded reading of one that exists (PS3.10 7.1)."""

from __future__ import annotations

from typing import BinaryIO

from dgate.encoding.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, LITTLE, Walker, encode_element
from dgate.record import dataclass

IMPLEMENTATION_UID = b"1.2.826.0.1.3680043.2.135.1066.101"
IMPLEMENTATION_VERSION = b"1.5.0/OTHER"

PREAMBLE = bytes(128) + b"DICM"
META_LIMIT = 64 * 1024
"""A real meta header has some 200 bytes; a file whose own exceeds this is not read."""

CLASS_UID, INSTANCE_UID, TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_WANTED = frozenset({CLASS_UID, INSTANCE_UID, TRANSFER_SYNTAX})
_TAIL = encode_element(0x00020012, b"UI", IMPLEMENTATION_UID, LITTLE) + encode_element(
    0x00020013, b"SH", IMPLEMENTATION_VERSION, LITTLE
)
_VERSION = encode_element(0x00020001, b"OB", b"\0\1", LITTLE)


class NotDicomError(Exception):
    """The file is no DICOM object we can read; the text says why."""


def header(sop_class: bytes, sop_instance: bytes, transfer_syntax: bytes) -> bytes:
    """Preamble, prefix and group 0002 of a file with this content."""
    body = (
        _VERSION
        + encode_element(CLASS_UID, b"UI", sop_class, LITTLE)
        + encode_element(INSTANCE_UID, b"UI", sop_instance, LITTLE)
        + encode_element(TRANSFER_SYNTAX, b"UI", transfer_syntax, LITTLE)
        + _TAIL
    )
    return PREAMBLE + encode_element(0x00020000, b"UL", len(body).to_bytes(4, "little"), LITTLE) + body


def raw_header(transfer_syntax: bytes) -> bytes:
    """What stands before the data set of a .v2 file (conquest-server.md 7.3): 8 bytes of header, the UID padded."""
    element = encode_element(TRANSFER_SYNTAX, b"UI", transfer_syntax, LITTLE)
    return element[:4] + (len(element) - 8).to_bytes(4, "little") + element[8:]


@dataclass(frozen=True, slots=True)
class MetaHeader:
    """What a file says about its data set, and where that begins."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    offset: int


def read_meta(file: BinaryIO) -> MetaHeader:
    """Read the header of a part-10 or raw file from its beginning. Raises `NotDicomError`."""
    start = file.read(META_LIMIT)
    if start[128:132] != b"DICM":
        return _raw(start)
    walker = Walker(LITTLE, _WANTED)
    end = _meta_end(start)
    walker.feed(start[132:end])
    walker.end()
    if walker.fault or TRANSFER_SYNTAX not in walker.values:
        raise NotDicomError(walker.fault or "the meta header has no transfer syntax")
    values = {tag: value.rstrip(b"\0 ").decode("latin-1") for tag, value in walker.values.items()}
    return MetaHeader(values.get(CLASS_UID, ""), values.get(INSTANCE_UID, ""), values[TRANSFER_SYNTAX], end)


def _meta_end(start: bytes) -> int:
    """Where group 0002 ends, found by walking it: its own length element is often wrong or missing."""
    position = 132
    while start[position : position + 2] == b"\x02\x00":
        long = start[position + 4 : position + 6] in (b"OB", b"UN", b"OW", b"UT")
        at = position + (8 if long else 6)
        width = 4 if long else 2
        position = at + width + int.from_bytes(start[at : at + width], "little")
    if position >= len(start) and len(start) == META_LIMIT:
        raise NotDicomError("the meta header does not end")
    return position


def _raw(start: bytes) -> MetaHeader:
    """A file without preamble: a .v2 header, or a bare data set in the encoding it looks like."""
    if start[:4] == b"\x02\x00\x10\x00":
        explicit = start[4:6] == b"UI"
        length = int.from_bytes(start[6:8] if explicit else start[4:8], "little")
        syntax = start[8 : 8 + length].rstrip(b"\0 ").decode("latin-1")
        return MetaHeader("", "", syntax, 8 + length)
    group = int.from_bytes(start[:2], "little")
    if len(start) < 8 or not 0x0008 <= group <= 0x0020:
        raise NotDicomError("there is neither a preamble nor a data set at the beginning")
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return MetaHeader("", "", EXPLICIT_LITTLE if explicit else IMPLICIT_LITTLE, 0)
