"""Texts of any bytes in a database that takes UTF-8 only. Pure.

What is UTF-8 is stored as it is, so that other programs read it rightly. Each byte that is not part of UTF-8 (of a
name in latin-1, of a character that was cut in two) becomes a character of its own from a private area of Unicode, and
comes back as the byte it was. A received character from that area is not UTF-8 for us, so nothing is ambiguous.
"""

from __future__ import annotations

import re

FIRST = 0x10FE00
"""The character for byte n is FIRST + n; n is at least 0x80."""

_STANDING_IN = re.compile(f"[{chr(FIRST + 0x80)}-{chr(FIRST + 0xFF)}]")
_OUT = {0xDC00 + byte: FIRST + byte for byte in range(0x80, 0x100)}
"""From the marks of Python's own way to keep such bytes."""
_BACK = {there: here for here, there in _OUT.items()}


def to_utf8(value: bytes) -> bytes:
    """The bytes to store."""
    if value.isascii():
        return value
    text = value.decode("utf-8", "surrogateescape")
    text = _STANDING_IN.sub(lambda match: match[0].encode().decode("ascii", "surrogateescape"), text)
    return text.translate(_OUT).encode()


def from_utf8(stored: bytes) -> bytes:
    """The bytes that were received."""
    if stored.isascii():
        return stored
    return stored.decode("utf-8", "surrogateescape").translate(_BACK).encode("utf-8", "surrogateescape")


def unchanged(value: bytes) -> bytes:
    """For a database that takes every byte."""
    return value
