"""What stands at a tag in a data set that can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.dataset.structure import Piece, Place, is_open
from dgate.dataset.terms import Terms
from dgate.encoding.elements import PIXEL_GROUP, Encoding

if TYPE_CHECKING:
    from dgate.dataset.model import DataSet

_ITEM_MARKS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


class Value:
    """An element that was written. Never changed, so that copies of a data set can share it."""

    __slots__ = ("content", "vr")

    def __init__(self, vr: bytes, content: bytes) -> None:
        self.vr = vr
        self.content = content


class Outside:
    """The element whose bytes, and those of everything behind it, the caller keeps: the pixels of a large object."""

    __slots__ = ("vr",)

    def __init__(self, vr: bytes) -> None:
        self.vr = vr


class Sequence:
    """A sequence that somebody went into. `vr` is as in its header: UN or empty where it is only known to be one."""

    __slots__ = ("changed", "encoding", "items", "open", "vr")

    def __init__(self, vr: bytes, encoding: Encoding, items: list[DataSet], *, undefined: bool, changed: bool) -> None:
        self.vr = vr
        self.encoding = encoding
        self.items = items
        self.open = undefined
        self.changed = changed

    @property
    def dirty(self) -> bool:
        """Whether it must be written anew."""
        return self.changed or any(item.dirty for item in self.items)

    def copy(self) -> Sequence:
        """Another one with copies of the items."""
        items = [item.copy() for item in self.items]
        return Sequence(self.vr, self.encoding, items, undefined=self.open, changed=self.changed)


Entry = Place | Value | Sequence | Outside


def surely_sequence(data: Piece, entry: Entry, tag: int, terms: Terms) -> bool:
    """Whether this must be a sequence: its VR, the dictionary or an undefined length says so."""
    if not isinstance(entry, tuple):
        return False
    vr = entry[3]
    if vr not in (b"", b"UN"):
        return vr == b"SQ"
    return tag < PIXEL_GROUP and (terms.vr(tag) == b"SQ" or is_open(data, entry))


def maybe_sequence(data: Piece, entry: Place, tag: int, terms: Terms) -> bool:
    """Whether this may be one: nobody knows the tag, and the value begins as an item does."""
    return entry[3] in (b"", b"UN") and terms.vr(tag) is None and bytes(data[entry[1] : entry[1] + 4]) in _ITEM_MARKS
