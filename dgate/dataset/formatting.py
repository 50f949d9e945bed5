r"""Element values as the text that rules work with, and back (conquest-converters.md 4 and 6).

Text is latin-1: each byte is one character, whatever the character set, so that nothing is lost on the way through a
rule. Several numbers are joined with `\`, as several texts are.
"""

from __future__ import annotations

import re
import struct

LONGEST = 255
TOO_LONG = "(too long)"
SEQUENCE = "(sequence)"

_INTEGERS = {b"US": "H", b"UL": "L", b"SS": "h", b"SL": "l", b"UV": "Q", b"SV": "q"}
_FLOATS = {b"FL": "f", b"FD": "d"}
_SIZES = {"H": 2, "L": 4, "h": 2, "l": 4, "Q": 8, "q": 8, "f": 4, "d": 8}

_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,30})")
_FLOAT = re.compile(r"\s*([+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?)")
_TAG = re.compile(r"\s*\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})")


def to_text(value: bytes, vr: bytes, *, big_endian: bool = False) -> str:
    """A value as text. Never raises; the bytes of an incomplete last number do not count."""
    if not value:
        return ""
    if len(value) > LONGEST:
        return TOO_LONG
    order = ">" if big_endian else "<"
    code = _INTEGERS.get(vr)
    if code:
        return "\\".join(map(str, _unpack(value, order, code)))
    code = _FLOATS.get(vr)
    if code:
        return "\\".join(f"{number:.6f}" for number in _unpack(value, order, code))
    if vr == b"AT":
        numbers = iter(_unpack(value, order, "H"))
        return "\\".join(f"{group:04x},{element:04x}" for group, element in zip(numbers, numbers, strict=False))
    return value.split(b"\0", 1)[0].rstrip(b" ").decode("latin-1")


def to_value(text: str, vr: bytes, *, big_endian: bool = False) -> bytes:
    """Text as a value of even length. Never raises: what is no number counts as 0, as with C's atoi and atof."""
    order = ">" if big_endian else "<"
    if not text:
        return b""
    code = _INTEGERS.get(vr)
    if code:
        return b"".join(_integer(part, order, _SIZES[code]) for part in text.split("\\"))
    code = _FLOATS.get(vr)
    if code:
        return b"".join(_float(part, order, code) for part in text.split("\\"))
    if vr == b"AT":
        return b"".join(_tag(part, order) for part in text.split("\\"))
    return padded(text.encode("latin-1", "replace"), vr)


def padded(value: bytes, vr: bytes) -> bytes:
    """A value with the byte behind it that makes its length even: NUL for a UID, else a blank."""
    if not len(value) & 1:
        return value
    return value + (b"\0" if vr == b"UI" else b" ")


def leading_integer(text: str) -> int:
    """The integer that a text begins with, 0 if it begins with none."""
    found = _INTEGER.match(text)
    return int(found[1]) if found else 0


def leading_float(text: str) -> float:
    """The number that a text begins with, 0 if it begins with none."""
    found = _FLOAT.match(text)
    return float(found[1]) if found else 0.0


def _unpack(value: bytes, order: str, code: str) -> tuple[int | float, ...]:
    count = len(value) // _SIZES[code]
    return struct.unpack_from(f"{order}{count}{code}", value)


def _integer(text: str, order: str, size: int) -> bytes:
    number = leading_integer(text) & ((1 << 8 * size) - 1)
    return number.to_bytes(size, "big" if order == ">" else "little")


def _float(text: str, order: str, code: str) -> bytes:
    try:
        return struct.pack(order + code, leading_float(text))
    except OverflowError:  # beyond what a single can hold
        return struct.pack(order + code, float("-inf" if text.lstrip().startswith("-") else "inf"))


def _tag(text: str, order: str) -> bytes:
    found = _TAG.match(text)
    return struct.pack(order + "HH", int(found[1], 16), int(found[2], 16)) if found else bytes(4)
