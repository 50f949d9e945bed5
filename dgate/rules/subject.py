"""What converters work on: an object as it will be stored, or the keys of a query.

As long as nothing but known attributes is asked for, its elements are not even looked for. What lies behind the head
of a large object is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dgate.dataset import access, formatting
from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import encode_element
from dgate.record import dataclass, field
from dgate.rules.patches import find_place, in_order, spliced, vr_to_write

if TYPE_CHECKING:
    from dgate.dataset.access import Fetch
    from dgate.dataset.paths import Path
    from dgate.dataset.terms import Terms
    from dgate.encoding.elements import Encoding, Span
    from dgate.rules.objects import Tail
    from dgate.rules.patches import Place

MODALITY, STATION, SOP_UID, PATIENT_ID = 0x00080060, 0x00081010, 0x00080018, 0x00100020
SOP_CLASS = 0x00080016
RECEIVED = frozenset({MODALITY, STATION, SOP_UID, PATIENT_ID})
TRANSFER_SYNTAX = 0x00020010


@dataclass(frozen=True, slots=True)
class Known:
    """Attributes that were read on the way: the value of every tag in `tags` that the object has."""

    tags: frozenset[int] = frozenset()
    values: dict[int, bytes] = field(default_factory=dict)
    """Kept right by plain changes."""
    big_endian: bool = False
    spans: Mapping[int, Span] | None = None
    """Where they lie in the head; None if that is not known."""


class Subject:
    """An object in memory, but for the end of a large one."""

    def __init__(
        self,
        head: bytes | memoryview,
        encoding: Encoding,
        transfer_syntax: str,
        terms: Terms,
        known: Known | None = None,
    ) -> None:
        self.encoding = encoding
        self.transfer_syntax = transfer_syntax
        self.terms = terms
        self.tail: Tail | None = None
        """The rest of it, in a file."""
        self.outside: tuple[int, bytes] | None = None
        """Tag and VR of the element that the rest begins with."""
        self.descriptors: list[int] = []
        """Files to close when this is no longer needed."""
        self.written_syntax = transfer_syntax
        """The transfer syntax in which it is to be stored."""
        self.device = ""
        """Where it would best be stored."""
        self.again = False
        """A script wants that it is stored once more, after it was refused."""
        self.incoming = False
        """It is about to be stored, by whoever runs lines on it."""
        self.command_fields: dict[int, str] = {}
        """Elements of group 0000 that a script wrote: no object has them, but a request may get them."""
        self.file_name: Callable[[], str] | None = None
        """Makes the full file name that it would get now."""
        self._head = head
        self._known = known or Known()
        self._data: DataSet | None = None
        self._received: dict[int, str] = {}
        self._edited: set[int] | None = set()
        self._ordered: bool | None = None
        self._patches: dict[int, tuple[Place, bytes]] = {}
        self._replaced = False

    @property
    def data(self) -> DataSet:
        """Its elements, for whoever may change any of them. Raises `DataSetError` where they cannot be found."""
        self._edited = None
        return self.data_to_read

    @property
    def data_to_read(self) -> DataSet:
        """The same, not to be changed."""
        if self._data is None:
            self._data = DataSet.parse(self._head, self.encoding, self.terms)
            if self.outside is not None:
                self._data.keep_outside(*self.outside)
            for tag in self._patches:
                self._apply(self._data, tag)
        return self._data

    def _apply(self, data: DataSet, tag: int) -> None:
        value = self._known.values.get(tag)
        if value is None:
            data.delete(tag)
        else:
            data.set_value(tag, value)

    def set_text(self, path: Path, text: str) -> None:
        """`set PATH to "text"`. Raises `DataSetError`."""
        if not (path.plain and self._patch(path.tag, text)):
            access.set_text(self.edit(path), path, text)

    def delete(self, path: Path) -> bool:
        """Take an element out; whether it was there. Raises `DataSetError`."""
        tag = path.tag
        if path.plain and self._can_patch(tag):
            if tag not in self._known.values and (tag in self._patches or tag not in (self._known.spans or ())):
                return False
            if self._patch(tag, None):
                return True
        return access.delete(self.edit(path), path)

    def _can_patch(self, tag: int) -> bool:
        """Whether all is known that a change of this element where it lies depends on."""
        known = self._known
        return self._data is None and known.spans is not None and tag in known.tags and tag & 0xFFFF0000 in known.tags

    def _patch(self, tag: int, text: str | None) -> bool:
        """Change an element where it lies, or take it out; False where that takes a closer look."""
        spans = self._known.spans
        if not self._can_patch(tag) or spans is None or tag & 0xFFFF == 0 or tag & 0xFFFF0000 in spans:
            return False
        vr = vr_to_write(tag, spans.get(tag), self.terms)
        if self._ordered is None:
            self._ordered = in_order(spans)
        place = find_place(self._head, tag, spans, self.encoding) if vr and self._ordered else None
        if vr is None or place is None:
            return False
        if text is None:
            self._patches[tag] = (place, b"")
            self._known.values.pop(tag, None)
            return True
        value = formatting.to_value(text, vr, big_endian=self.encoding.big_endian)
        self._patches[tag] = (place, encode_element(tag, vr, value, self.encoding))
        self._known.values[tag] = value
        return True

    def edit(self, path: Path) -> DataSet:
        """The same, to change the element at this path and no other."""
        if self._edited is not None:
            self._edited.add(path.steps[0].tag if path.steps else path.tag)
        return self.data_to_read

    @property
    def edited(self) -> set[int] | None:
        """The top-level elements that may have been changed; None for any of them."""
        return self._edited

    @property
    def head(self) -> bytes | memoryview:
        """The bytes it was made with."""
        return self._head

    @property
    def dirty(self) -> bool:
        """Whether an element has changed."""
        if self._data is None:
            return bool(self._patches)
        return self._replaced or self._data.dirty

    def pieces(self) -> list[bytes | memoryview]:
        """The head as it is now. Raises `DataSetError`."""
        if self._data is None:
            return spliced(self._head, self._patches) if self._patches else [self._head]
        return self._data.pieces()

    def read(self, path: Path, fetch: Fetch | None = None) -> str:
        """What `%V` shows; nothing for an absent element. Raises `DataSetError`."""
        tag = path.tag
        if tag >> 16 <= 0x0002 and path.plain:
            return self.written_syntax if tag == TRANSFER_SYNTAX else ""
        if path.plain and self._is_known(tag):
            vr = self.terms.vr(tag)
            if vr is not None and vr != b"SQ":
                return formatting.to_text(self._known.values.get(tag, b""), vr, big_endian=self._known.big_endian)
        return access.get_text(self.data_to_read, path, fetch) or ""

    def _is_known(self, tag: int) -> bool:
        """Whether it was read on the way, and nobody has changed it."""
        return tag in self._known.tags and self._edited is not None and tag not in self._edited

    def attribute(self, tag: int) -> str:
        """A top-level element as `%V` shows it. Raises `DataSetError`."""
        if self._is_known(tag):
            return formatting.to_text(self._known.values.get(tag, b""), b"LO")
        return self.data_to_read.text(tag) or ""

    def fix(self) -> None:
        """From now on `%m`, `%s` and `%o` are what they are now."""
        self._received = {tag: self.attribute(tag) for tag in (MODALITY, STATION, SOP_UID)}

    def unfix(self) -> None:
        """From now on they are what they are at the moment they are shown: so it is in all hooks."""
        self._received = {}

    def received(self, tag: int) -> str:
        """An attribute as it was when it was fixed, before any converter changed it; else as it is."""
        told = self._received.get(tag)
        return self.attribute(tag) if told is None else told

    def tell(self, tag: int, text: str) -> None:
        """Let `%m`, `%s` or `%o` be this. In the hooks of retrievals `%s` is the destination."""
        self._received[tag] = text

    @property
    def rest(self) -> Tail | None:
        """The tail; none if the element that it begins with was deleted or written anew."""
        return None if self._data is not None and self.outside and self._data.outside is None else self.tail

    def replace(self, other: Subject) -> None:
        """Become what a program made of it. Raises `DataSetError` for what is no data set; all is as before then."""
        if not len(other.data):
            raise DataSetError("there is no data set in it")
        self._head, self.encoding, self.transfer_syntax = other.head, other.encoding, other.transfer_syntax
        self.written_syntax = other.transfer_syntax
        self.tail, self.outside, self._known = other.tail, other.outside, Known()
        self._data, self._edited = other.data, None
        self._replaced = True
