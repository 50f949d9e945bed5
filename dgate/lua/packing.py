"""`require('pack')`: numbers and strings as bytes, by the format letters of lpack."""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.lua.border import text, whole
from dgate.lua.objects import ScriptError

if TYPE_CHECKING:
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar

_LETTERS = re.compile(r"\s*([<>=zpPaAfdncbhHiIlL])([0-9]{0,6})")
_CODES = {"f": "f", "d": "d", "n": "d", "c": "b", "b": "B", "h": "h", "H": "H", "i": "i", "I": "I", "l": "q", "L": "Q"}
_LENGTHS = {"p": "B", "P": "H", "a": "Q"}
_MOST = 100_000


def _letters(form: Scalar) -> Iterator[tuple[str, str, int | None]]:
    """Byte order, letter and count of each part of a format. Raises `ScriptError`."""
    order, at, whole_form = "<", 0, text(form, "a format")
    while at < len(whole_form):
        found = _LETTERS.match(whole_form, at)
        if found is None:
            raise ScriptError(f"bad code '{whole_form[at]}'")
        at = found.end()
        if found[1] in "<>=":
            order = "<" if found[1] == "=" else found[1]
        else:
            yield order, found[1], int(found[2]) if found[2] else None


def pack(_border: Border, form: Scalar, *values: Scalar) -> Values:
    """`string.pack(format, ...)`."""
    left = iter(values)
    parts: list[bytes] = []
    try:
        for order, letter, count in _letters(form):
            repeated = 1 if letter in "zpPaA" else min(count or 1, _MOST)
            parts += [_packed(order, letter, value) for value in itertools.islice(left, repeated)]
    except struct.error as fault:
        raise ScriptError(f"a value does not fit the format: {fault}") from fault
    return (b"".join(parts).decode("latin-1"),)


def _packed(order: str, letter: str, value: Scalar) -> bytes:
    if letter in "zpPaA":
        content = text(value).encode("latin-1", "replace")
        if letter in _LENGTHS:
            return struct.pack(order + _LENGTHS[letter], len(content)) + content
        return content + b"\0" * (letter == "z")
    number = float(text(value)) if letter in "fdn" else whole(value)
    return struct.pack(order + _CODES[letter], number)


def unpack(_border: Border, data: Scalar, form: Scalar, first: Scalar = 1) -> Values:
    """`string.unpack(s, format[, first])`: where the next one begins, and the values, as far as there are bytes."""
    content, at = text(data).encode("latin-1", "replace"), whole(first) - 1
    found: list[Scalar] = []
    for order, letter, count in _letters(form):
        for _ in range(1 if letter in "zpPaA" else min(count or 1, 200)):
            value, end = _unpacked(content, at, order, letter, count)
            if value is None:
                return (at + 1, *found)
            found.append(value)
            at = end
    return (at + 1, *found)


def _unpacked(content: bytes, at: int, order: str, letter: str, count: int | None) -> tuple[Scalar, int]:
    """A value and where it ends; None if there are too few bytes."""
    if letter == "A":
        start, end = at, at + (count if count is not None else 1)
    elif letter == "z":
        start, end = at, content.find(b"\0", at)
        return (None, at) if end < 0 else (content[start:end].decode("latin-1"), end + 1)
    else:
        code = order + (_LENGTHS.get(letter) or _CODES[letter])
        start = at + struct.calcsize(code)
        if not 0 <= at <= start <= len(content):
            return None, at
        (number,) = struct.unpack_from(code, content, at)
        if letter not in _LENGTHS:
            return number, start
        end = start + number
    return (content[start:end].decode("latin-1"), end) if 0 <= start <= end <= len(content) else (None, at)


COMMANDS: dict[str, Command] = {"pack": pack, "unpack": unpack}
