"""Where the elements of a data set lie in its bytes (PS3.5 section 7). Pure; no value is looked at or copied.

One level at a time: a sequence is one element here, and `read_items` takes it apart when somebody asks for it.
"""

from __future__ import annotations

from struct import Struct

from dgate.encoding.elements import (
    IMPLICIT,
    ITEM,
    ITEM_END,
    MAX_NESTING,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
)

MAX_ENTRIES = 200_000
"""Elements of one data set, or items of one sequence: each costs some hundred bytes, however short it is."""

Piece = bytes | memoryview
Place = tuple[int, int, int, bytes]
"""First byte of an element, first byte of its value, end, VR (empty in implicit encoding)."""
ItemPlace = tuple[int, int, bool, dict[int, Place]]
"""First byte of an item, its end, whether its length is undefined, its elements."""


class DataSetError(Exception):
    """The bytes are no data set, or a change that a data set cannot hold; the text says what is wrong."""


def unpackers(order: str) -> tuple[Struct, Struct, Struct]:
    """The header of a short explicit element, that of an implicit one or an item, and a 32-bit length."""
    return Struct(order + "HH2sH"), Struct(order + "HHL"), Struct(order + "L")


FORMATS = (unpackers("<"), unpackers(">"))
"""Index: whether it is big endian."""


def content_encoding(vr: bytes, encoding: Encoding) -> Encoding:
    """How the items of a sequence are written; those inside UN are implicit (PS3.5 6.2.2, note 2)."""
    return IMPLICIT if vr == b"UN" else encoding


def is_open(data: Piece, place: Place) -> bool:
    """Whether the length of an element is undefined."""
    return bytes(data[place[1] - 4 : place[1]]) == b"\xff\xff\xff\xff" and place[3] not in SHORT_VRS


def read_elements(  # noqa: C901, PLR0912 - one loop, kept whole for speed
    data: Piece, at: int, end: int, encoding: Encoding, *, until_mark: bool = False
) -> tuple[dict[int, Place], int]:
    """The elements in a part of `data`, and where they end: at the delimiter if it is an item of undefined length.

    Of a tag that stands twice the last one counts. Raises `DataSetError`.
    """
    found: dict[int, Place] = {}
    explicit = encoding.explicit
    short, plain, long = (form.unpack_from for form in FORMATS[encoding.big_endian])
    while at < end:
        if end - at < 8:
            if until_mark or bytes(data[at:end]).strip(b"\0"):
                raise DataSetError("the data set ends inside an element header")
            break  # padding behind the last element harms nobody
        group, element, vr, length = short(data, at)
        value = at + 8
        if group == 0xFFFE:
            if until_mark and element == 0xE00D:
                return found, at
            raise DataSetError(f"{tag_name(0xFFFE0000 | element)} stands where it cannot")
        if not explicit:
            vr, length = b"", plain(data, at)[2]
        elif vr not in SHORT_VRS:
            if end - at < 12 or not (vr.isalpha() and vr.isupper()):
                raise DataSetError(f"no value representation at {tag_name(group << 16 | element)}")
            length, value = long(data, value)[0], at + 12
        if length == UNDEFINED and vr not in SHORT_VRS:
            stop = _end_of_open(data, value, end, content_encoding(vr, encoding))
        else:
            stop = value + length
            if stop > end:
                raise DataSetError(f"{tag_name(group << 16 | element)} is longer than what holds it")
        found[group << 16 | element] = (at, value, stop, vr)
        at = stop
        if len(found) > MAX_ENTRIES:
            raise DataSetError(f"more than {MAX_ENTRIES} elements")
    if until_mark:
        raise DataSetError("an item of undefined length is never closed")
    return found, at


def read_items(data: Piece, place: Place, encoding: Encoding) -> list[ItemPlace]:
    """The items of a sequence; `encoding` is that of its content. Raises `DataSetError`."""
    items: list[ItemPlace] = []
    plain = FORMATS[encoding.big_endian][1].unpack_from
    at, end = place[1], place[2]
    endless = is_open(data, place)
    while at < end:
        if end - at < 8:
            raise DataSetError("a sequence ends inside an item")
        group, element, length = plain(data, at)
        tag = group << 16 | element
        if tag == SEQUENCE_END and endless:
            return items
        if tag != ITEM:
            raise DataSetError(f"{tag_name(tag)} where an item is due")
        item, stop = _read_item(data, at + 8, end, length, encoding)
        items.append((at, stop, length == UNDEFINED, item))
        at = stop
        if len(items) > MAX_ENTRIES:
            raise DataSetError(f"more than {MAX_ENTRIES} items")
    return items


def _read_item(data: Piece, at: int, end: int, length: int, encoding: Encoding) -> tuple[dict[int, Place], int]:
    if length == UNDEFINED:
        found, mark = read_elements(data, at, end, encoding, until_mark=True)
        return found, mark + 8
    if at + length > end:
        raise DataSetError("an item is longer than what holds it")
    return read_elements(data, at, at + length, encoding)[0], at + length


def _end_of_open(data: Piece, at: int, end: int, encoding: Encoding) -> int:
    """Where a value of undefined length ends: behind its delimiter. Walks what lies inside with a counter."""
    frames: list[tuple[bool, Encoding]] = [(True, encoding)]  # what is open: a sequence or an item; how it is written
    while True:
        in_sequence, encoding = frames[-1]
        tag, vr, length, at = _header(data, at, end, encoding)
        if tag == (SEQUENCE_END if in_sequence else ITEM_END):
            frames.pop()
            if not frames:
                return at
        elif in_sequence != (tag == ITEM) or (tag >> 16 == 0xFFFE and tag != ITEM):
            raise DataSetError(f"{tag_name(tag)} stands where it cannot")
        elif length == UNDEFINED:
            if len(frames) >= 2 * MAX_NESTING:
                raise DataSetError(f"sequences are nested deeper than {MAX_NESTING} levels")
            frames.append((not in_sequence, content_encoding(vr, encoding)))
        else:
            at += length


def _header(data: Piece, at: int, end: int, encoding: Encoding) -> tuple[int, bytes, int, int]:
    """Tag, VR and length of the element or item at `at`, and where its value begins; that lies before `end`."""
    if end - at < 8:
        raise DataSetError("a sequence or item of undefined length is never closed")
    short, plain, long = FORMATS[encoding.big_endian]
    group, element, vr, length = short.unpack_from(data, at)
    value = at + 8
    if group == 0xFFFE or not encoding.explicit:
        vr, length = b"", plain.unpack_from(data, at)[2]
    elif vr not in SHORT_VRS:
        if end - at < 12 or not (vr.isalpha() and vr.isupper()):
            raise DataSetError(f"no value representation at {tag_name(group << 16 | element)}")
        length, value = long.unpack_from(data, value)[0], at + 12
    return group << 16 | element, vr, length, value


def tag_name(tag: int) -> str:
    """A tag as it is written in the standard."""
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"
