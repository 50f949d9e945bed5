"""Two changes of one text brought together, line by line: a person's edits and those of a new rendering. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class _Change:
    """Lines `start` to `end` of the original became `lines`; equal ones are an insertion in front of that line."""

    start: int
    end: int
    lines: tuple[str, ...]


def merged(original: str, mine: str, theirs: str) -> str | None:
    """Return the original with the changes of both in it, None where they change the same lines differently.

    Where both insert at one place, both stay, mine first.
    """
    lines = original.splitlines(keepends=True)
    changes = _joined(_changes(lines, mine), _changes(lines, theirs))
    if changes is None:
        return None
    made: list[str] = []
    done = 0
    for change in changes:
        made += [*lines[done : change.start], *change.lines]
        done = change.end
    return "".join([*made, *lines[done:]])


def _changes(lines: Sequence[str], text: str) -> list[_Change]:
    other = text.splitlines(keepends=True)
    codes = SequenceMatcher(None, lines, other, autojunk=False).get_opcodes()
    return [_Change(a, b, tuple(other[c:d])) for kind, a, b, c, d in codes if kind != "equal"]


def _joined(mine: Sequence[_Change], theirs: Sequence[_Change]) -> list[_Change] | None:
    """In their order; None for two that touch each other's lines and are not the same one."""
    joined: list[_Change] = []
    for change in sorted([*mine, *(one for one in theirs if one not in mine)], key=lambda one: (one.start, one.end)):
        before = joined[-1] if joined else None
        if before is not None and _collide(before, change):
            return None
        joined.append(change)
    return joined


def _collide(before: _Change, after: _Change) -> bool:
    return before.end > after.start or (before.start == after.start and before.end != before.start)
