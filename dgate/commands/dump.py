"""The attributes of a DICOM file as text, one per line, items of sequences with a `>` per level.

Long values are skipped, not read, so the size of a file does not matter. Whatever does not fit raises `NotDicomError`.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO

from dgate.encoding.elements import (
    DEFLATED,
    ITEM,
    ITEM_END,
    LITTLE,
    MAX_NESTING,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    encoding_of,
)
from dgate.encoding.part10 import NotDicomError, read_meta

if TYPE_CHECKING:
    from dgate.config.dictionary import Dictionary
    from dgate.encoding.elements import Encoding

SHOWN = 64
"""Bytes of a value that are shown."""
MAX_LINES = 50_000
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "AT": "H"}
_OPAQUE = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})


def dump(file: BinaryIO, dictionary: Dictionary) -> str:
    """The whole file as text. Raises `NotDicomError`, `OSError`."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    meta = read_meta(file)
    if meta.transfer_syntax == DEFLATED:
        raise NotDicomError("deflated objects are not read")
    lines: list[str] = []
    if meta.offset > 132:
        file.seek(132)
        _Dump(file, LITTLE, dictionary, lines).elements(meta.offset, 0)
    file.seek(meta.offset)
    _Dump(file, encoding_of(meta.transfer_syntax), dictionary, lines).elements(size, 0)
    return "".join(line + "\n" for line in lines)


class _Dump:
    """Goes through one data set from where the file stands."""

    def __init__(self, file: BinaryIO, encoding: Encoding, dictionary: Dictionary, lines: list[str]) -> None:
        order = ">" if encoding.big_endian else "<"
        self._file = file
        self._order = order
        self._explicit = encoding.explicit
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")
        self._dictionary = dictionary
        self._lines = lines

    def elements(self, end: int, depth: int) -> None:
        """Elements up to an offset, or up to the end of an item of undefined length."""
        if depth > MAX_NESTING:
            raise NotDicomError(f"sequences are nested deeper than {MAX_NESTING} levels")
        while self._file.tell() + 8 <= end:
            tag, vr, length = self._header()
            if tag in (ITEM_END, SEQUENCE_END):
                return
            start = self._file.tell()
            sequence = vr == "SQ" or (length == UNDEFINED and tag != 0x7FE00010)
            if length != UNDEFINED and start + length > end:
                raise NotDicomError(f"({tag >> 16:04x},{tag & 0xFFFF:04x}) is longer than what holds it")
            self._line(tag, vr, length, depth, sequence=sequence)
            if sequence or length == UNDEFINED:
                self._items(end if length == UNDEFINED else start + length, depth + 1, nested=sequence)
            if length != UNDEFINED:
                self._file.seek(start + length)

    def _items(self, end: int, depth: int, *, nested: bool) -> None:
        """Items of a sequence; those of encapsulated pixel data are only passed over."""
        while self._file.tell() + 8 <= end:
            tag, _, length = self._header()
            if tag != ITEM:
                return
            start = self._file.tell()
            if nested:
                self.elements(end if length == UNDEFINED else min(end, start + length), depth)
            if length != UNDEFINED:
                self._file.seek(start + length)

    def _header(self) -> tuple[int, str, int]:
        """Tag, VR and length of the next element."""
        group, element = self._tag.unpack(self._exactly(4))
        tag = group << 16 | element
        if group == 0xFFFE or not self._explicit:
            return tag, self._known_vr(tag), self._long.unpack(self._exactly(4))[0]
        vr = self._exactly(2)
        if vr in SHORT_VRS:
            return tag, vr.decode("latin-1"), self._short.unpack(self._exactly(2))[0]
        self._exactly(2)
        return tag, vr.decode("latin-1"), self._long.unpack(self._exactly(4))[0]

    def _exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise NotDicomError("the file ends inside an element")
        return data

    def _known_vr(self, tag: int) -> str:
        attribute = self._dictionary.tag(tag >> 16, tag & 0xFFFF)
        return "UN" if attribute is None else attribute.vr[:2]

    def _line(self, tag: int, vr: str, length: int, depth: int, *, sequence: bool) -> None:
        if len(self._lines) >= MAX_LINES:
            raise NotDicomError(f"more than {MAX_LINES} attributes")
        attribute = self._dictionary.tag(tag >> 16, tag & 0xFFFF)
        name = "" if attribute is None else attribute.keyword or attribute.name
        size = "undefined" if length == UNDEFINED else str(length)
        value = "" if sequence or length == UNDEFINED else self._value(vr, length)
        place = f"{'>' * depth}{tag >> 16:04x},{tag & 0xFFFF:04x}"
        self._lines.append(f"{place} {size:>9} {vr} {name:<32} {value}".rstrip())

    def _value(self, vr: str, length: int) -> str:
        if length == 0:
            return "(empty)"
        data = self._exactly(min(length, SHOWN))
        more = "..." if length > SHOWN else ""
        if vr in _NUMBERS:
            return " ".join(map(str, self._numbers(_NUMBERS[vr], data))) + more
        if vr in _OPAQUE:
            return data[:16].hex(" ") + ("..." if length > 16 else "")
        text = data.decode("latin-1") if more else data.decode("latin-1").rstrip("\0 ")
        return '"' + "".join(character if character.isprintable() else "?" for character in text) + '"' + more

    def _numbers(self, code: str, data: bytes) -> tuple[int | float, ...]:
        count = len(data) // struct.calcsize("<" + code)
        return struct.unpack_from(f"{self._order}{count}{code}", data)
