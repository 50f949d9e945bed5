"""`%` items and quotes of a statement (conquest-converters.md 4). Pure; any text can be scanned, and it never grows.

What a tag is, only a dictionary knows: `scan` is given a function that finds one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from dgate.record import dataclass

T = TypeVar("T")
Match = Callable[[str, int], "tuple[T, int] | None"]
"""Finds the tag that begins at a place in a text: what it is, and where it ends."""

ESCAPES = {"n": "\n", "t": "\t", "%": "%", "^": "^", "~": "~", "[": "["}
PLAIN = frozenset("msoiucdgfbpxyz")
"""Items that are one letter."""
TAGGED = frozenset("vaer")
"""Items that a tag follows."""
RECORDS = {"p": "patient", "s": "study", "e": "series", "w": "worklist"}
"""Second letters of `%Q` that name a record; after any other one the element's value is looked up in a file."""

_HEX = re.compile(r"[0-9A-Fa-f]{4},[0-9A-Fa-f]{4}")
_RANGE = re.compile(r"\[([0-9]{1,9})?(,?)([0-9]{1,9})?\]")
_NEXT = re.compile(r'[%"]')


@dataclass(frozen=True, slots=True)
class Modifiers:
    """What is made of an item's text: a part of it, in upper or lower case."""

    first: int = 0
    last: int = -1
    """The last character, -1 for the whole text."""
    ending: int = -1
    """How many characters at the end, -1 for all."""
    case: str = ""

    def apply(self, text: str) -> str:
        """The text as it is to be shown."""
        if self.ending >= 0:
            text = text[max(len(text) - self.ending, 0) :]
        elif self.last >= self.first:
            text = text[self.first : self.last + 1]
        if self.case:
            return text.upper() if self.case == "^" else text.lower()
        return text


WHOLE = Modifiers()


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One `%` item. `target` is its tag, if it has one; `letter` the second letter of `%Q`, as written."""

    kind: str
    letter: str
    target: T | None
    modifiers: Modifiers
    at: int
    """Where its `%` stands."""
    written: str = ""
    """All of a `%` item that has a tag, from the tag on."""


@dataclass(frozen=True, slots=True)
class Scan(Generic[T]):
    """A text taken apart: literal texts and items in turn; and what of it vanished: places of unknown items."""

    tokens: tuple[str | Item[T], ...]
    unknown: tuple[int, ...]


def scan(text: str, match: Match[T]) -> Scan[T]:
    """Take a statement apart. Two quotes inside a string vanish, and so does an unknown `%k`."""
    tokens: list[str | Item[T]] = []
    unknown: list[int] = []
    literal: list[str] = []
    in_string = False
    at = 0
    while found := _NEXT.search(text, at):
        literal.append(text[at : found.start()])
        at = found.start()
        if found[0] == '"':
            if in_string and text.startswith('"', at + 1):
                at += 2
                continue
            in_string = not in_string
            literal.append('"')
            at += 1
            continue
        item, at = _item(text, at, match, unknown)
        if isinstance(item, str):
            literal.append(item)
        else:
            _close(literal, tokens)
            tokens.append(item)
    literal.append(text[at:])
    _close(literal, tokens)
    return Scan(tuple(tokens), tuple(unknown))


def _close(literal: list[str], tokens: list[str | Item[T]]) -> None:
    joined = "".join(literal)
    if joined:
        tokens.append(joined)
    literal.clear()


def _item(text: str, at: int, match: Match[T], unknown: list[int]) -> tuple[str | Item[T], int]:
    """The item that begins at a `%`, or the text it stands for; and where it ends."""
    kind = text[at + 1 : at + 2].lower()
    if kind in ESCAPES:
        return ESCAPES[kind], at + 2
    if kind in PLAIN:
        modifiers, end = _modifiers(text, at + 2)
        return Item(kind, "", None, modifiers, at), end
    letter, begin = "", at + 2
    if kind == "q":
        letter, begin = text[at + 2 : at + 3], at + 3
    if kind in TAGGED or (kind == "q" and letter.isalpha()):
        hexadecimal_only = kind == "q" and letter.lower() in RECORDS
        target = match(text, begin) if not hexadecimal_only or _HEX.match(text, begin) else None
        if target is not None:
            modifiers, end = _modifiers(text, target[1])
            return Item(kind, letter, target[0], modifiers, at, text[begin:end]), end
    unknown.append(at)
    return "", min(begin, len(text))


def _modifiers(text: str, at: int) -> tuple[Modifiers, int]:
    first, last, ending = 0, -1, -1
    found = _RANGE.match(text, at)
    if found:
        at = found.end()
        if found[2] and found[3]:
            if found[1]:
                first, last = int(found[1]), int(found[3])
            else:
                ending = int(found[3])
    case = text[at : at + 1] if text.startswith(("^", "~"), at) else ""
    if not found and not case:
        return WHOLE, at
    return Modifiers(first, last, ending, case), at + len(case)
