"""Which UIDs `newuids` replaces, and the UID that a key makes of another (conquest-converters.md 6 and 11.6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from dgate.dataset.digest import altered_md5
from dgate.dataset.model import DataSet
from dgate.dataset.terms import Terms
from dgate.record import dataclass, field

Mapper = Callable[[str], str | None]
"""The UID that replaces another; None leaves it."""

LEFT = frozenset({0x00020002, 0x00020010, 0x00080016, 0x00081150})
"""The transfer syntax, and the classes every object names: they are left even where no dictionary tells their names."""

_CHANGED_ARC = ".7"
_MAX_ROOT = 25
_MAX_BEFORE_GROUP = 58
_ENTRY = re.compile(r"(?:([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4}))(?:=(.*))?", re.DOTALL)
_UID = re.compile(r"[0-9][0-9.]*")


@dataclass(frozen=True, slots=True)
class Exceptions:
    """What `except` says: elements and UIDs that are left, elements that get a UID of their own."""

    tags: frozenset[int] = frozenset()
    uids: frozenset[str] = frozenset()
    values: Mapping[int, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    """Entries that are none of these; they have no effect."""


def parse_exceptions(text: str) -> Exceptions:
    """A list of `gggg,eeee`, `UID` and `gggg,eeee=UID` with `|` between them. Never raises; see `unknown`."""
    tags: set[int] = set()
    uids: set[str] = set()
    values: dict[int, str] = {}
    unknown: list[str] = []
    for entry in filter(None, (part.strip() for part in text.split("|"))):
        found = _ENTRY.fullmatch(entry)
        if found:
            tag = int(found[1] + found[2], 16)
            if found[3] is None:
                tags.add(tag)
            else:
                values[tag] = found[3].strip()
        elif _UID.fullmatch(entry):
            uids.add(entry)
        else:
            unknown.append(entry)
    return Exceptions(frozenset(tags), frozenset(uids), values, tuple(unknown))


@dataclass(frozen=True, slots=True)
class Change:
    """One UID that was met. `new` is None where it had to stay, for the mapper knows no other."""

    tag: int
    old: str
    new: str | None


def replace_uids(data: DataSet, mapper: Mapper, exceptions: Exceptions | None = None) -> list[Change]:
    """Replace every UID of an instance, also in sequences; the mapper is asked once for each one.

    Nothing is changed before all are mapped, so what the mapper raises leaves the object as it was. Raises
    `DataSetError` for a broken sequence: an object whose UIDs are half replaced would be worse than none.
    """
    listed = exceptions or Exceptions()
    mapped: dict[str, str | None] = {}
    for holder, tag in _uid_elements(data, listed):
        for uid in () if tag in listed.values else _uids_in(holder, tag):
            if uid and uid not in listed.uids and uid not in mapped:
                mapped[uid] = mapper(uid)
    changes: list[Change] = []
    for holder, tag in _uid_elements(data, listed):
        _replace(holder, tag, mapped, listed, changes)
    return changes


def _replace(
    holder: DataSet, tag: int, mapped: Mapping[str, str | None], listed: Exceptions, changes: list[Change]
) -> None:
    old = _uids_in(holder, tag)
    if tag in listed.values:
        new = [listed.values[tag]]
        changes.append(Change(tag, "\\".join(old), new[0]))
    else:
        new = [mapped.get(uid) or uid for uid in old]
        changes += [Change(tag, uid, mapped[uid]) for uid in old if uid in mapped]
    if new != old:
        holder.set_value(tag, "\\".join(new).encode("latin-1", "replace"), b"UI")


def _uid_elements(data: DataSet, listed: Exceptions) -> Iterator[tuple[DataSet, int]]:
    for holder, tag in data.walk():
        if tag not in listed.tags and holder.vr(tag) == b"UI" and is_replaced(tag, data.terms):
            yield holder, tag


def is_replaced(tag: int, terms: Terms) -> bool:
    """Whether a UID element names an instance: no class and no transfer syntax."""
    return tag not in LEFT and "Class" not in terms.keyword(tag) and "TransferSyntax" not in terms.keyword(tag)


def _uids_in(data: DataSet, tag: int) -> list[str]:
    value = (data.raw(tag) or b"").decode("latin-1")
    return [uid.strip(" \0") for uid in value.split("\\")]


def hashed_uid(prefix: str, old: str, key: str) -> str:
    """What `newuids stage #KEY` makes of a UID, everywhere the same; `prefix` is UIDPrefix, `key` begins with `#`."""
    root = prefix + _CHANGED_ARC
    digest = altered_md5((root + old + key).encode("latin-1", "replace"))
    made = root[:_MAX_ROOT] + "."
    for at in range(0, len(digest), 2):
        if len(made) <= _MAX_BEFORE_GROUP:
            made += f"{int.from_bytes(digest[at : at + 2], 'big'):05}"
    return made
