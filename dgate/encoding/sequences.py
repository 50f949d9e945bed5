"""Small data sets with sequences in them, as a tree (PS3.5 7.5), and sequences written back. Pure.

For identifiers and the action information of storage commitment. Objects go through `elements.Walker`, which keeps
nothing of what it passes; here everything is kept, so depth and number of elements are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from dgate.encoding.elements import (
    ITEM,
    ITEM_END,
    MAX_NESTING,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
    encode_element,
)
from dgate.record import dataclass

MAX_ELEMENTS = 200_000
"""In all items together; each costs some hundred bytes of memory, however short it is on the wire."""


class StructureError(Exception):
    """The bytes are no such data set; the text says where they stop to be one."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its value as received, or its items where it is a sequence. `vr` is empty in implicit encoding."""

    vr: bytes
    value: bytes
    items: tuple[DataSet, ...] = ()


DataSet = dict[int, Element]


def read_data_set(data: bytes, encoding: Encoding, sequences: frozenset[int]) -> DataSet:
    """Read all of it. In implicit encoding a sequence of defined length is one only if `sequences` has its tag.

    Raises `StructureError`.
    """
    return _Reader(data, encoding, sequences).whole()


class _Reader:
    """Knows the bytes, how they are written and how many elements are still allowed; positions are handed down."""

    def __init__(self, data: bytes, encoding: Encoding, sequences: frozenset[int]) -> None:
        order = ">" if encoding.big_endian else "<"
        self._data = data
        self._explicit = encoding.explicit
        self._sequences = sequences
        self._short = Struct(order + "HH2sH").unpack_from
        self._plain = Struct(order + "HHL").unpack_from
        self._long = Struct(order + "L").unpack_from
        self._left = MAX_ELEMENTS

    def whole(self) -> DataSet:
        return self._data_set(0, len(self._data), 0, explicit=self._explicit, is_open=False)[0]

    def _data_set(self, at: int, end: int, depth: int, *, explicit: bool, is_open: bool) -> tuple[DataSet, int]:
        """Elements up to `end`, or up to the delimiter of an item of undefined length; and where they end."""
        found: DataSet = {}
        while at < end:
            if depth == 0 and end - at < 8 and not self._data[at:].strip(b"\0"):
                break  # padding behind the last element harms nobody
            tag, vr, length, at = self._header(at, end, explicit=explicit)
            if tag == ITEM_END and is_open:
                return found, at
            if tag >> 16 == 0xFFFE:
                raise StructureError(f"{_name(tag)} stands where it cannot")
            if length == UNDEFINED or vr == b"SQ" or (vr in (b"", b"UN") and tag in self._sequences):
                inside = explicit and vr != b"UN"  # the content of UN is implicit (PS3.5 6.2.2, note 2)
                items, at = self._items(at, end, length, depth + 1, explicit=inside)
                found[tag] = Element(vr, b"", items)
            else:
                found[tag] = Element(vr, self._data[at : at + length])
                at += length
        if is_open:
            raise StructureError("an item of undefined length is never closed")
        return found, at

    def _items(self, at: int, end: int, length: int, depth: int, *, explicit: bool) -> tuple[tuple[DataSet, ...], int]:
        """The items of a sequence whose value begins at `at`, and where it ends."""
        if depth > MAX_NESTING:
            raise StructureError(f"sequences are nested deeper than {MAX_NESTING} levels")
        stop = end if length == UNDEFINED else at + length
        items: list[DataSet] = []
        while at < stop:
            tag, _, size, at = self._header(at, stop, explicit=explicit)
            if tag == SEQUENCE_END and length == UNDEFINED:
                return tuple(items), at
            if tag != ITEM:
                raise StructureError(f"{_name(tag)} where an item is due")
            is_open = size == UNDEFINED
            item, at = self._data_set(at, stop if is_open else at + size, depth, explicit=explicit, is_open=is_open)
            items.append(item)
        if length == UNDEFINED:
            raise StructureError("a sequence of undefined length is never closed")
        return tuple(items), at

    def _header(self, at: int, end: int, *, explicit: bool) -> tuple[int, bytes, int, int]:
        """Tag, VR, length field of the element at `at`, and where its value begins; that lies within `end`."""
        self._left -= 1
        if self._left < 0:
            raise StructureError(f"more than {MAX_ELEMENTS} elements")
        if end - at < 8:
            raise StructureError("the last element is cut off")
        group, element, vr, length = self._short(self._data, at)
        tag = group << 16 | element
        value = at + 8
        if group == 0xFFFE or not explicit:
            vr, length = b"", self._plain(self._data, at)[2]
        elif vr not in SHORT_VRS:
            if end - at < 12 or not (vr.isalpha() and vr.isupper()):
                raise StructureError(f"no value representation at {_name(tag)}")
            length, value = self._long(self._data, value)[0], at + 12
        if length != UNDEFINED and length > end - value:
            raise StructureError(f"{_name(tag)} is longer than what holds it")
        return tag, vr, length, value


def _name(tag: int) -> str:
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def encode_sequence(tag: int, items: Iterable[bytes], encoding: Encoding) -> bytes:
    """A sequence of these items, encoded data sets all; every length is defined."""
    order = "big" if encoding.big_endian else "little"
    head = (ITEM >> 16).to_bytes(2, order) + (ITEM & 0xFFFF).to_bytes(2, order)  # type: ignore[arg-type]
    content = b"".join(head + len(item).to_bytes(4, order) + item for item in items)  # type: ignore[arg-type]
    return encode_element(tag, b"SQ", content, encoding)
