"""How two versions of an object differ, element by element. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.record import dataclass
from dgate.rules.run import shown

if TYPE_CHECKING:
    from dgate.dataset.model import DataSet
    from dgate.rules.subject import Subject

TRANSFER_SYNTAX = "0002,0010"


@dataclass(frozen=True, slots=True)
class Change:
    """One element that is another one now. None: it is not there."""

    path: str
    """`0040,0275[0]/0008,1150`, items counted from 0."""
    keyword: str
    before: str | None
    after: str | None


Element = tuple[str, bytes | str]
"""Its value as it is shown, and what it is compared by."""


def differences(before: Subject, after: Subject) -> list[Change]:
    """The changes in the order of their tags. Of pixels outside the head only the presence is compared."""
    changes = []
    if before.transfer_syntax != after.transfer_syntax:
        changes.append(Change(TRANSFER_SYNTAX, "TransferSyntaxUID", before.transfer_syntax, after.transfer_syntax))
    old, new = dict(_elements(before.data_to_read, "")), dict(_elements(after.data_to_read, ""))
    names = before.terms.keyword
    for path in sorted({*old, *new}):
        was, is_now = old.get(path), new.get(path)
        if was is None or is_now is None or was[1] != is_now[1]:
            tag = int(path.rpartition("/")[2].replace(",", "")[:8], 16)
            changes.append(Change(path, names(tag), _told(was), _told(is_now)))
    return changes


def _told(element: Element | None) -> str | None:
    return None if element is None else shown(element[0])


def _elements(data: DataSet, above: str) -> Iterator[tuple[str, Element]]:
    for tag in data.tags():
        path = f"{above}{tag >> 16:04x},{tag & 0xFFFF:04x}"
        items = data.items(tag)
        if items is None:
            text = data.text(tag) or ""
            yield path, (text, data.raw(tag) or b"" if text.startswith("(too long") else text)
            continue
        yield path, (f"({len(items)} item{'s' * (len(items) != 1)})", f"{len(items)}")
        for number, item in enumerate(items):
            yield from _elements(item, f"{path}[{number}]/")
