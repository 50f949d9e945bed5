"""A data set that can be changed (PS3.5 section 7).

Only where the elements lie is found out when it is made; a sequence is taken apart when somebody goes into it. What is
not changed is written back byte for byte, in slices of the bytes received. The pixels may stay outside (`Outside`).
"""

from __future__ import annotations

from collections.abc import Iterator

from dgate.dataset import formatting
from dgate.dataset.entries import Entry, Outside, Sequence, Value, maybe_sequence, surely_sequence
from dgate.dataset.structure import (
    MAX_ENTRIES,
    DataSetError,
    Piece,
    Place,
    content_encoding,
    is_open,
    read_elements,
    read_items,
    tag_name,
)
from dgate.dataset.terms import NO_TERMS, Terms
from dgate.dataset.writing import item_pieces, pieces_of, sequence_content
from dgate.encoding.elements import LITTLE, MAX_NESTING, PIXEL_GROUP, SHORT_VRS, Encoding
from dgate.encoding.vrs import PIXEL_REPRESENTATION

_SHORT_LIMIT = 0xFFFE
_MARK_SIZE = 8  # of the delimiter behind a value of undefined length


class DataSet:
    """The elements of an object or of an item. Text is latin-1: one character for each byte.

    Reading never raises: what claims to be a sequence and is broken is read as one value without items.
    """

    __slots__ = (
        "_changed", "_data", "_depth", "_elements", "_groups", "_open", "_outside", "_sorted", "_span",
        "encoding", "terms",
    )  # fmt: skip

    def __init__(self, encoding: Encoding = LITTLE, terms: Terms = NO_TERMS) -> None:
        self.encoding = encoding
        self.terms = terms
        self._data: bytes | memoryview = b""
        self._elements: dict[int, Entry] = {}
        self._span: tuple[int, int] | None = None  # where it lies in the data; an item with its mark
        self._open = False  # an item of undefined length
        self._outside: int | None = None
        self._depth = 0
        self._changed = False
        self._sorted = True  # every element that was added stands at its place
        self._groups: set[int] = set()  # those whose retired group length is no longer right

    @classmethod
    def parse(cls, data: bytes | memoryview, encoding: Encoding, terms: Terms = NO_TERMS) -> DataSet:
        """A whole data set or its head; `data` must not change while this is in use. Raises `DataSetError`."""
        made = cls(encoding, terms)
        made._data = data
        made._elements.update(read_elements(data, 0, len(data), encoding)[0])
        made._span = (0, len(data))
        return made

    # -- what is there

    def __contains__(self, tag: int) -> bool:
        return tag in self._elements

    def __len__(self) -> int:
        return len(self._elements)

    def tags(self) -> list[int]:
        """All top-level tags, in the order in which they are written."""
        return list(self._elements) if self._sorted else sorted(self._elements)

    @property
    def dirty(self) -> bool:
        """Whether anything differs from what was parsed."""
        return self._changed or any(type(entry) is Sequence and entry.dirty for entry in self._elements.values())

    def vr(self, tag: int) -> bytes:
        """The VR of a tag: that of the dictionary, else the one in the element, else UN."""
        entry = self._elements.get(tag)
        if entry is not None and (type(entry) is Sequence or surely_sequence(self._data, entry, tag, self.terms)):
            return b"SQ"
        return self.terms.vr(tag) or self.written_vr(tag) or b"UN"

    def written_vr(self, tag: int) -> bytes:
        """The VR in the element itself; empty for an absent one, and for one received in implicit encoding."""
        entry = self._elements.get(tag)
        if entry is None:
            return b""
        return entry[3] if isinstance(entry, tuple) else entry.vr

    def raw(self, tag: int) -> bytes | None:
        """The encoded value without a delimiter, None for what is absent or kept outside. A copy; see `view`."""
        found = self.view(tag)
        return None if found is None else bytes(found)

    def view(self, tag: int) -> Piece | None:
        """The same without a copy."""
        entry = self._elements.get(tag)
        if isinstance(entry, tuple):
            end = entry[2] - _MARK_SIZE if is_open(self._data, entry) else entry[2]
            return memoryview(self._data)[entry[1] : end]
        if isinstance(entry, Sequence):
            return b"".join(sequence_content(entry))
        return entry.content if isinstance(entry, Value) else None

    def text(self, tag: int) -> str | None:
        """The value as `%V` shows it, None if the element is absent."""
        entry = self._elements.get(tag)
        if entry is None:
            return None
        if isinstance(entry, Outside):
            return formatting.TOO_LONG
        vr = self.vr(tag)
        if vr == b"SQ":
            return formatting.SEQUENCE
        if isinstance(entry, tuple):
            if entry[2] - entry[1] > formatting.LONGEST:
                return formatting.TOO_LONG
            content = bytes(self._data[entry[1] : entry[2]])
        else:
            content = entry.content if isinstance(entry, Value) else b""
        return formatting.to_text(content, vr, big_endian=self.encoding.big_endian)

    def is_empty(self, tag: int) -> bool:
        """Whether an element is absent or has no value; a sequence without items has none."""
        if tag not in self._elements or self.vr(tag) != b"SQ":
            return not self.text(tag)
        sequence = self._open_sequence(tag, strict=False)
        return sequence is not None and not sequence.items

    # -- changes of elements

    def set_text(self, tag: int, text: str) -> None:
        """Write what `set` writes: numbers for numeric VRs, else the text, padded. For a sequence only ``: no items.

        Raises `DataSetError` for what this element cannot hold.
        """
        vr = self.vr(tag)
        if vr == b"SQ":
            if text:
                raise DataSetError(f"{tag_name(tag)} is a sequence and can hold no text")
            self.create_sequence(tag)
            return
        self.set_value(tag, formatting.to_value(text, vr, big_endian=self.encoding.big_endian), self._vr_to_write(tag))

    def set_value(self, tag: int, value: bytes, vr: bytes = b"") -> None:
        """Write bytes in the byte order of the data set, padded to even length. Raises `DataSetError`."""
        vr = vr or self._vr_to_write(tag)
        if vr == b"SQ":
            raise DataSetError(f"{tag_name(tag)} is a sequence and can hold no value")
        if vr in SHORT_VRS and len(value) > _SHORT_LIMIT:
            raise DataSetError(f"{tag_name(tag)} can hold no more than {_SHORT_LIMIT} bytes")
        value = formatting.padded(value, vr)
        entry = self._elements.get(tag)
        same_vr = self.written_vr(tag) in (b"", vr)
        if entry is not None and same_vr and not isinstance(entry, Sequence) and self.raw(tag) == value:
            return
        self._put(tag, Value(vr, value))

    def delete(self, tag: int) -> bool:
        """Take an element out; tells whether it was there."""
        if self._elements.pop(tag, None) is None:
            return False
        self._touch(tag)
        return True

    def keep_outside(self, tag: int, vr: bytes) -> None:
        """Let an element stand for bytes that the caller writes behind the encoded ones. Changes nothing else."""
        self._elements[tag] = Outside(vr)
        self._outside = tag

    @property
    def outside(self) -> int | None:
        """The element that is still kept outside: None once it is deleted or written, and its bytes must not follow."""
        return self._outside

    def copy(self) -> DataSet:
        """Another one with the same elements; neither sees the other's changes."""
        made = DataSet(self.encoding, self.terms)
        made._data, made._span, made._open, made._depth = self._data, self._span, self._open, self._depth
        made._changed, made._sorted, made._outside = self._changed, self._sorted, self._outside
        made._groups |= self._groups
        for tag, entry in self._elements.items():
            made._elements[tag] = entry.copy() if isinstance(entry, Sequence) else entry
        return made

    # -- sequences

    def items(self, tag: int) -> tuple[DataSet, ...] | None:
        """The items of a sequence, live; None for what is none, absent or broken."""
        sequence = self._open_sequence(tag, strict=False)
        if sequence is None:
            return None
        self._elements[tag] = sequence
        return tuple(sequence.items)

    def create_sequence(self, tag: int) -> None:
        """An empty sequence, whatever was there. Raises `DataSetError` where nesting is too deep."""
        if self._depth >= MAX_NESTING:
            raise DataSetError(f"sequences are nested deeper than {MAX_NESTING} levels")
        vr = self.written_vr(tag) if self.written_vr(tag) == b"UN" else b"SQ"
        encoding = content_encoding(vr, self.encoding)
        self._put(tag, Sequence(vr, encoding, [], undefined=False, changed=True))

    def append_item(self, tag: int, item: DataSet | None = None) -> DataSet:
        """Put a copy of `item`, or an empty one, behind the last item of a sequence, and return it, live.

        Creates the sequence. Raises `DataSetError` for what is broken or no sequence.
        """
        sequence = self._sequence_to_change(tag)
        if len(sequence.items) >= MAX_ENTRIES:
            raise DataSetError(f"more than {MAX_ENTRIES} items")
        made = DataSet(sequence.encoding, self.terms)
        if item is not None and len(item):
            made._data = item.encode(sequence.encoding)
            made._elements.update(read_elements(made._data, 0, len(made._data), made.encoding)[0])
        made._depth = self._depth + 1
        sequence.items.append(made)
        sequence.changed = True
        self._touch(tag)
        return made

    def delete_item(self, tag: int, number: int) -> bool:
        """Take an item out of a sequence; tells whether it was there."""
        items = self.items(tag)
        if items is None or not 0 <= number < len(items):
            return False
        sequence = self._sequence_to_change(tag)
        del sequence.items[number]
        sequence.changed = True
        self._touch(tag)
        return True

    def walk(self, *, strict: bool = True) -> Iterator[tuple[DataSet, int]]:
        """Each element at any depth with the data set that holds it, sequences before what is in them.

        The element at hand may be changed or deleted, others may not. With `strict` a broken sequence raises
        `DataSetError`, else it is an element like others. Items that stay as they are are not remembered, so that
        this costs no memory.
        """
        for tag in self.tags():
            yield self, tag
            sequence = self._open_sequence(tag, strict=strict)
            if sequence is None:
                continue
            try:
                for item in sequence.items:
                    yield from item.walk(strict=strict)
            finally:
                if sequence.dirty:
                    self._elements[tag] = sequence

    # -- as bytes

    def encode(self, encoding: Encoding | None = None) -> bytes:
        """All that is not kept outside, in the encoding it was read in or another. Raises `DataSetError`."""
        if encoding is None or encoding == self.encoding:
            return b"".join(self.pieces())
        from dgate.encoding.transcode import Transcoder

        source = self._with_closed_unknown() if self.encoding.explicit else self
        transcoder = Transcoder(
            self.encoding, explicit=encoding.explicit, big_endian=encoding.big_endian, vrs=self.terms.vrs
        )
        pieces = transcoder.feed(source.pieces(lengths=False)) + transcoder.end()
        if transcoder.fault:
            raise DataSetError(transcoder.fault)
        return b"".join(pieces)

    def pieces(self, *, lengths: bool = True) -> list[Piece]:
        """The same in slices of what was parsed, uncopied, and new bytes. Without `lengths`: no group lengths."""
        entries = self._elements
        stale = self._groups | {t >> 16 for t, entry in entries.items() if type(entry) is Sequence and entry.dirty}
        if lengths and not stale and self._span and not self._depth:
            return [self._data] if self._data else []
        kept = (tag for tag in self.tags() if tag & 0xFFFF or self._keeps_length(tag, stale, lengths=lengths))
        return pieces_of(self._data, ((tag, entries[tag]) for tag in kept), self.encoding)

    def as_item(self) -> list[Piece]:
        """What stands for it in a sequence: the bytes received, mark included, as long as they are right."""
        if self._span is not None and not self.dirty:
            return [memoryview(self._data)[self._span[0] : self._span[1]]]
        return item_pieces(self.pieces(), self.encoding, undefined=self._open)

    # -- inside

    def _keeps_length(self, tag: int, stale: set[int], *, lengths: bool) -> bool:
        """Whether a group length stays: one that was set does, a received one as long as its group is unchanged."""
        return isinstance(self._elements[tag], Value) or (lengths and tag >> 16 not in stale)

    def _with_closed_unknown(self) -> DataSet:
        """A copy where what is known to be a sequence inside UN is one value, which a conversion leaves as it is."""
        made = self.copy()
        for holder, tag in made.walk():
            if holder.written_vr(tag) == b"UN" and holder.items(tag) is not None:
                holder.set_value(tag, holder.raw(tag) or b"", b"UN")
        return made

    def _put(self, tag: int, entry: Value | Sequence) -> None:
        if tag not in self._elements:
            if len(self._elements) >= MAX_ENTRIES:
                raise DataSetError(f"more than {MAX_ENTRIES} elements")
            if self._outside is not None and tag > self._outside:
                raise DataSetError(f"{tag_name(tag)} would stand behind the pixel data")
            self._sorted = False
        self._elements[tag] = entry
        self._touch(tag)

    def _touch(self, tag: int) -> None:
        if tag == self._outside:
            self._outside = None
        self._changed = True
        self._groups.add(tag >> 16)

    def _vr_to_write(self, tag: int) -> bytes:
        """The dictionary's, but signed numbers stay signed, and bytes bytes or words (PS3.5 annex A)."""
        known, written = self.terms.vr(tag), self.written_vr(tag)
        for pair in ((b"US", b"SS"), (b"OB", b"OW")):
            if known in pair and written in pair:
                return written
        if known is None:
            return written or b"UN"
        if written or known not in (b"US", b"SS", b"OB", b"OW"):
            return known
        return self.terms.vrs.find(tag, signed=self.raw(PIXEL_REPRESENTATION) in (b"\1\0", b"\0\1"))

    def _open_sequence(self, tag: int, *, strict: bool) -> Sequence | None:
        """The sequence at a tag, not yet remembered. Broken: raises `DataSetError` if `strict`, else None."""
        entry = self._elements.get(tag)
        if isinstance(entry, Sequence):
            return entry
        if not isinstance(entry, tuple) or tag >= PIXEL_GROUP:
            return None
        surely = surely_sequence(self._data, entry, tag, self.terms)
        if not surely and not maybe_sequence(self._data, entry, tag, self.terms):
            return None
        try:
            return self._sequence(entry)
        except DataSetError:
            if strict and surely:
                raise
            return None

    def _sequence(self, place: Place) -> Sequence:
        if self._depth >= MAX_NESTING:
            raise DataSetError(f"sequences are nested deeper than {MAX_NESTING} levels")
        encoding = content_encoding(place[3], self.encoding)
        items = []
        for start, end, undefined, elements in read_items(self._data, place, encoding):
            item = DataSet(encoding, self.terms)
            item._data = self._data
            item._elements.update(elements)
            item._span = (start, end)
            item._open = undefined
            item._depth = self._depth + 1
            items.append(item)
        return Sequence(place[3], encoding, items, undefined=is_open(self._data, place), changed=False)

    def _sequence_to_change(self, tag: int) -> Sequence:
        if tag not in self._elements and self.vr(tag) in (b"SQ", b"UN"):
            self.create_sequence(tag)
        sequence = self._open_sequence(tag, strict=True)
        if sequence is None and self.raw(tag) == b"" and self.vr(tag) in (b"SQ", b"UN"):
            self.create_sequence(tag)
            sequence = self._open_sequence(tag, strict=True)
        if sequence is None:
            raise DataSetError(f"{tag_name(tag)} is no sequence")
        self._elements[tag] = sequence
        return sequence
