"""What stands behind the objects of a script: the data set at hand, one of its own, an item, a sequence, a command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgate.dataset import access
from dgate.dataset.model import DataSet
from dgate.dataset.paths import Path, PathError, parse_path
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import EXPLICIT_LITTLE, LITTLE
from dgate.rules.objects import copy_of, load, save
from dgate.rules.subject import TRANSFER_SYNTAX, Subject

if TYPE_CHECKING:
    from dgate.dataset.access import Fetch
    from dgate.dataset.terms import Terms
    from dgate.rules.lines import Library

MAX_FILE = 1 << 30


class ScriptError(Exception):
    """What a script is told; the text is the message of its error."""


class Thing:
    """A data set: a whole object, or an item inside one."""

    __slots__ = ("_item", "_subject")

    def __init__(self, subject: Subject | None = None, item: DataSet | None = None) -> None:
        self._subject = subject
        self._item = item

    @property
    def data(self) -> DataSet:
        """Its elements. Raises `DataSetError`."""
        if self._item is not None:
            return self._item
        return self.subject.data

    @property
    def subject(self) -> Subject:
        """The whole object. Raises `ScriptError` for an item."""
        if self._subject is None:
            raise ScriptError("this is an item of a sequence, not an object")
        return self._subject

    @property
    def whole(self) -> Subject | None:
        """The same, None for an item."""
        return self._subject


class Series:
    """A sequence inside a data set, or a list of objects of its own."""

    __slots__ = ("holder", "tag", "things")

    def __init__(self, holder: DataSet | None = None, tag: int = 0) -> None:
        self.holder = holder
        self.tag = tag
        self.things: list[Thing] = []

    def __len__(self) -> int:
        if self.holder is None:
            return len(self.things)
        return len(self.holder.items(self.tag) or ())

    def at(self, number: int) -> Thing | None:
        """An item, counted from 0; the one behind the last is made by asking for it."""
        count = len(self)
        if not 0 <= number <= count:
            return None
        if self.holder is None:
            raise ScriptError("this array has no item of that number")
        if number == count:
            return Thing(item=self.holder.append_item(self.tag))
        return Thing(item=(self.holder.items(self.tag) or ())[number])


class OwnSeries(Series):
    """An array that a script made, or got as an answer; its items are whole objects."""

    __slots__ = ("_terms",)

    def __init__(self, terms: Terms, things: list[Thing] | None = None) -> None:
        super().__init__()
        self._terms = terms
        self.things = things or []

    def at(self, number: int) -> Thing | None:
        """See `Series`."""
        if number == len(self.things):
            self.things.append(Thing(new_subject(self._terms)))
        return self.things[number] if 0 <= number < len(self.things) else None


class Fields:
    """Values by name, that cannot be changed: the command set."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values


def new_subject(terms: Terms) -> Subject:
    """An empty object."""
    return Subject(b"", LITTLE, EXPLICIT_LITTLE, terms)


def find_path(library: Library, terms: Terms, name: str) -> Path | None:
    """What a field's name says; None for what names no element."""
    known = library.paths
    if name in known:
        return known[name]
    try:
        path: Path | None = parse_path(name, terms)
    except PathError:
        path = None
    library.remember_path(name, path)
    return path


def get(thing: Thing, path: Path, fetch: Fetch | None) -> str | Series | None:
    """The value of a field: text, a sequence, None for an absent element. Raises `DataSetError`."""
    tag = path.tag
    if tag >> 16 == 0 and path.plain:
        return None if thing.whole is None else thing.whole.command_fields.get(tag)
    if tag >> 16 <= 0x0002 and path.plain:
        whole = thing.whole
        return whole.written_syntax if tag == TRANSFER_SYNTAX and whole is not None else None
    holder = access.find_holder(thing.data, path, fetch)
    if holder is None or tag not in holder:
        return None
    if holder.vr(tag) == b"SQ" and holder.items(tag) is not None:
        return Series(holder, tag)
    return holder.text(tag)


def put(thing: Thing, path: Path, value: str | Series | None, *, delete: bool) -> None:
    """Write, delete, or (None) make an empty sequence. Raises `DataSetError`."""
    if path.tag >> 16 <= 0x0002:
        if path.tag >> 16 == 0 and path.plain and thing.whole is not None:
            _put_command_field(thing.whole, path.tag, None if delete else value)
        return
    if delete:
        access.delete(thing.data, path)
    elif isinstance(value, str):
        access.set_text(thing.data, path, value)
    else:
        items = [] if value is None else all_items(value)
        access.create_sequence(thing.data, path)
        for item in items:
            access.append_item(thing.data, path, item)
    tidy(thing)


def _put_command_field(subject: Subject, tag: int, value: str | Series | None) -> None:
    if isinstance(value, str):
        subject.command_fields[tag] = value
    else:
        subject.command_fields.pop(tag, None)


def tidy(thing: Thing) -> None:
    """Where the pixels outside are no longer part of the object, they must not be written behind it."""
    whole = thing.whole
    if whole is not None and whole.tail is not None and whole.data.outside is None:
        whole.tail = whole.outside = None


def all_items(series: Series) -> list[DataSet]:
    """Copies of the items, which may lie in what is about to be replaced."""
    if series.holder is None:
        return [thing.data.copy() for thing in series.things]
    return [item.copy() for item in series.holder.items(series.tag) or ()]


def reset(thing: Thing) -> None:
    """Empty it."""
    data = thing.data
    for tag in data.tags():
        data.delete(tag)
    tidy(thing)


def write_file(thing: Thing, path: bytes) -> None:
    """Raises OSError, `DataSetError`."""
    save(thing.subject, path)


def read_file(path: bytes, terms: Terms) -> Subject:
    """A part-10 file as an object in memory. Raises OSError, `DataSetError`, `NotDicomError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size > MAX_FILE:
            raise DataSetError(f"more than {MAX_FILE} bytes")
        return copy_of(load(descriptor, terms))
    finally:
        os.close(descriptor)
