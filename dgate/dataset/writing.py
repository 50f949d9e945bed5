"""Data sets and their elements back into bytes (PS3.5 section 7)."""

from __future__ import annotations

from collections.abc import Iterable

from dgate.dataset.entries import Entry, Outside, Sequence, Value
from dgate.dataset.structure import FORMATS, Piece
from dgate.encoding.elements import SHORT_VRS, UNDEFINED, Encoding


def pieces_of(data: Piece, entries: Iterable[tuple[int, Entry]], encoding: Encoding) -> list[Piece]:
    """Elements in this order: slices of `data` where they lie in it, as long as can be, new bytes for the others."""
    out: list[Piece] = []
    view = memoryview(data)
    first = last = 0  # a run of elements that lie behind one another
    for tag, entry in entries:
        if isinstance(entry, tuple):
            if entry[0] != last:
                if last > first:
                    out.append(view[first:last])
                first = entry[0]
            last = entry[2]
        elif not isinstance(entry, Outside):
            if last > first:
                out.append(view[first:last])
            first = last = 0
            out.extend(_written(tag, entry, encoding))
    if last > first:
        out.append(view[first:last])
    return out


def item_pieces(content: list[Piece], encoding: Encoding, *, undefined: bool) -> list[Piece]:
    """An item around encoded elements; `undefined` its length, if that is how it came."""
    if undefined:
        return [_mark(0xE000, UNDEFINED, encoding), *content, _mark(0xE00D, 0, encoding)]
    return [_mark(0xE000, sum(map(len, content)), encoding), *content]


def sequence_content(sequence: Sequence) -> list[Piece]:
    """All items of a sequence."""
    return [piece for item in sequence.items for piece in item.as_item()]


def _written(tag: int, entry: Value | Sequence, encoding: Encoding) -> list[Piece]:
    if isinstance(entry, Value):
        return [_head(tag, entry.vr, len(entry.content), encoding), entry.content]
    content = sequence_content(entry)
    if not entry.open:
        return [_head(tag, entry.vr, sum(map(len, content)), encoding), *content]
    return [_head(tag, entry.vr, UNDEFINED, encoding), *content, _mark(0xE0DD, 0, entry.encoding)]


def _head(tag: int, vr: bytes, length: int, encoding: Encoding) -> bytes:
    short, plain, long = FORMATS[encoding.big_endian]
    group, element = tag >> 16, tag & 0xFFFF
    if not encoding.explicit:
        return plain.pack(group, element, length)
    if vr in SHORT_VRS:
        return short.pack(group, element, vr, length)
    return short.pack(group, element, vr, 0) + long.pack(length)


def _mark(element: int, length: int, encoding: Encoding) -> bytes:
    return FORMATS[encoding.big_endian][1].pack(0xFFFE, element, length)
