"""Numbers and strings as bytes: `require('pack')`, by the format letters of lpack, and `ConvertBinaryData`."""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.lua.border import packed, text, whole
from dgate.lua.objects import ScriptError

if TYPE_CHECKING:
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar

_LETTERS = re.compile(r"\s*([<>=zpPaAfdncbhHiIlL])([0-9]{0,6})")
_CODES = {"f": "f", "d": "d", "n": "d", "c": "b", "b": "B", "h": "h", "H": "H", "i": "i", "I": "I", "l": "q", "L": "Q"}
_LENGTHS = {"p": "B", "P": "H", "a": "Q"}
_MOST = 100_000
_KIND = re.compile(r"(?:([0-9]{1,9})\*)?([fus])([0-9]{1,6})")
_FLOATS = {4: "<f", 8: "<d"}
_MOST_VALUES = 10_000_000


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


def to_binary(_border: Border, form: Scalar, values: str) -> Values:
    """`ConvertBinaryData('N*f8', table)`: the first N values as bytes; of `sL` each in L bytes, ending with a NUL."""
    count, kind, size = _kind(form)
    parts = list(itertools.islice(_unpacked_list(values), count))
    if len(parts) < count:
        raise ScriptError(f"the table has {len(parts)} values, not {count}")
    if kind == "s":
        if any(len(part) >= size for part in parts):
            raise ScriptError(f"a text has more than {size - 1} characters")
        return ("".join(part.ljust(size, "\0") for part in parts),)
    try:
        numbers = [float(part) for part in parts]
        content = b"".join(_number_as_bytes(kind, size, number) for number in numbers)
    except (ValueError, OverflowError, struct.error) as fault:
        raise ScriptError(f"the table holds what is no value: {fault}") from fault
    return (content.decode("latin-1"),)


def _number_as_bytes(kind: str, size: int, number: float) -> bytes:
    if kind == "f":
        return struct.pack(_FLOATS[size], number)
    return (int(number) & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def from_binary(_border: Border, form: Scalar, data: Scalar) -> Values:
    """`ConvertBinaryData('N*f8', text)`: a table of N values."""
    count, kind, size = _kind(form)
    content = text(data).encode("latin-1", "replace")
    if kind == "s":
        ends = content.decode("latin-1").split("\0")[:count]
        return "s", packed(ends)
    if len(content) < count * size:
        raise ScriptError(f"there are {len(content)} bytes, not {count * size}")
    pieces = (content[at : at + size] for at in range(0, count * size, size))
    if kind == "f":
        return "b", ",".join(f"{struct.unpack(_FLOATS[size], piece)[0]:.17g}" for piece in pieces)
    return "b", ",".join(str(int.from_bytes(piece, "little")) for piece in pieces)


def _kind(form: Scalar) -> tuple[int, str, int]:
    """Count, letter and size of a format like `1000*f8`. Raises `ScriptError`."""
    found = _KIND.fullmatch(text(form, "a format"))
    if found is not None and int(found[1] or 1) <= _MOST_VALUES:
        count, kind, size = int(found[1] or 1), found[2], int(found[3])
        if kind == "s" or size in (_FLOATS if kind == "f" else (1, 2, 3, 4)):
            return count, kind, size
    raise ScriptError(f"bad format '{text(form)[:32]}'")


def _unpacked_list(values: str) -> Iterator[str]:
    at = 0
    while at < len(values):
        colon = values.index(":", at)
        end = colon + 1 + int(values[at:colon])
        yield values[colon + 1 : end]
        at = end


COMMANDS: dict[str, Command] = {"pack": pack, "unpack": unpack, "to_binary": to_binary, "from_binary": from_binary}
