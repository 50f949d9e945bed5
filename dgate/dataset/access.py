"""Reading and writing what a path names in a data set (conquest-converters.md 4 and 6).

Reading never raises, and finds nothing where a step is missing. Writing raises `DataSetError` for what the data set
cannot hold, and for paths that name no one place: `*tag` and `(path)tag`.
"""

from __future__ import annotations

from collections.abc import Callable

from dgate.dataset.model import DataSet
from dgate.dataset.paths import APPEND, Path, Step
from dgate.dataset.structure import DataSetError

Fetch = Callable[[str], DataSet | None]
"""Finds another stored object by its SOP instance UID."""


def get_text(data: DataSet, path: Path, fetch: Fetch | None = None) -> str | None:
    """What `%V` shows: None for an absent element, empty for one without a value."""
    holder = find_holder(data, path, fetch)
    return None if holder is None else holder.text(path.tag)


def get_raw(data: DataSet, path: Path, fetch: Fetch | None = None) -> bytes | None:
    """The value as it is encoded, a copy of it."""
    holder = find_holder(data, path, fetch)
    return None if holder is None else holder.raw(path.tag)


def has(data: DataSet, path: Path) -> bool:
    """Whether the element is there, empty or not."""
    holder = find_holder(data, path)
    return holder is not None and path.tag in holder


def is_empty(data: DataSet, path: Path) -> bool:
    """Whether the element is absent or has no value."""
    holder = find_holder(data, path)
    return holder is None or holder.is_empty(path.tag)


def get_items(data: DataSet, path: Path) -> tuple[DataSet, ...] | None:
    """The items of a sequence, live unless the path is `*tag`; None for what is no sequence."""
    holder = find_holder(data, path)
    return None if holder is None else holder.items(path.tag)


def set_text(data: DataSet, path: Path, text: str) -> None:
    """`set PATH to "text"`: sequences and items on the way are created, one item behind the last at a time."""
    make_holder(data, path).set_text(path.tag, text)


def set_if_empty(data: DataSet, path: Path, text: str) -> bool:
    """The same if the element is absent or empty; tells whether it wrote."""
    if not is_empty(data, path):
        return False
    set_text(data, path, text)
    return True


def delete(data: DataSet, path: Path) -> bool:
    """Take an element out; tells whether it was there."""
    _check_one_place(path)
    holder = find_holder(data, path)
    return holder is not None and holder.delete(path.tag)


def create_sequence(data: DataSet, path: Path) -> None:
    """`set SEQ to ""`: a sequence without items."""
    make_holder(data, path).create_sequence(path.tag)


def append_item(data: DataSet, path: Path, item: DataSet | None = None) -> DataSet:
    """A copy of `item`, or an empty one, behind the last one of a sequence, which is created if need be."""
    return make_holder(data, path).append_item(path.tag, item)


def delete_item(data: DataSet, path: Path, number: int) -> bool:
    """Take an item out of a sequence; tells whether it was there."""
    _check_one_place(path)
    holder = find_holder(data, path)
    return holder is not None and holder.delete_item(path.tag, number)


def find_holder(data: DataSet, path: Path, fetch: Fetch | None = None) -> DataSet | None:
    """The data set or item in which the path's last element is or could be; None where a step is missing."""
    holder: DataSet | None = data
    if path.source is not None:
        uid = get_text(data, path.source)
        holder = fetch(uid) if fetch and uid else None
    if path.anywhere and holder is not None:
        return _first_with(holder, path.tag)
    for step in path.steps:
        if holder is None:
            return None
        items = holder.items(step.tag)
        holder = items[step.item] if items and 0 <= step.item < len(items) else None
    return holder


def missing_item(data: DataSet, path: Path) -> int | None:
    """The first step of a path whose sequence is there and has fewer items, counted from 0; None if there is none."""
    holder = data
    for number, step in enumerate(path.steps):
        items = holder.items(step.tag)
        if items is None:
            return None
        if not 0 <= step.item < len(items):
            return number
        holder = items[step.item]
    return None


def make_holder(data: DataSet, path: Path) -> DataSet:
    """The data set or item in which the path's last element is to be; what is missing on the way is created."""
    _check_one_place(path)
    for step in path.steps:
        data = _enter(data, step)
    return data


def _enter(data: DataSet, step: Step) -> DataSet:
    items = data.items(step.tag) or ()
    if step.item == APPEND or step.item >= len(items):
        return data.append_item(step.tag)
    return items[step.item]


def _first_with(data: DataSet, tag: int) -> DataSet | None:
    """The top level goes first, then each item with what is inside it."""
    if tag in data:
        return data
    return next((holder for holder, found in data.walk(strict=False) if found == tag), None)


def _check_one_place(path: Path) -> None:
    if path.anywhere or path.source:
        raise DataSetError(f"{path} is a place to read from, not to write to")
