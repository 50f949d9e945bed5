"""The arguments of server commands, and the printf formats in them. Pure.

Text is UTF-8 with `surrogateescape`, as in the configuration files: any byte comes back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dgate.commands.context import CommandError
from dgate.config.inifile import as_text

__all__ = ["as_bytes", "as_text", "formatted", "index", "number", "row", "split"]

_DIRECTIVE = re.compile(r"%(?P<left>-?)(?P<width>\d{0,4})(?:\.(?P<precision>\d{0,4}))?[sdiuc]|%%|\\[nt]")
_LITERAL = {"%%": "%", "\\n": "\n", "\\t": "\t"}


def as_bytes(text: str) -> bytes:
    """The bytes that a text came from."""
    return text.encode("utf-8", "surrogateescape")


def split(text: str, separator: str, count: int) -> list[str]:
    """Exactly `count` parts: the last one keeps further separators, missing ones are empty."""
    parts = text.split(separator, count - 1)
    return parts + [""] * (count - len(parts))


def number(text: str, what: str) -> int:
    """A number of up to 9 digits. Raises `CommandError`."""
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) <= 9):
        raise CommandError(f"{what} is not a number: {stripped[:32]!r}")
    return int(stripped)


def index(text: str) -> int:
    """A position in a list. Raises `CommandError`."""
    return number(text, "the index")


def formatted(pattern: str, values: Sequence[str]) -> str:
    """What printf makes of text values. A directive without a value gives nothing. `\\n` and `\\t` are read too."""
    rest = iter(values)
    return _DIRECTIVE.sub(lambda match: _directive(match, rest), pattern)


def row(pattern: str, values: Sequence[str]) -> str:
    """One line of a list: the format applied, else all values with `|` between them."""
    return (formatted(pattern, values) if pattern else "|".join(values)) + "\n"


def _directive(match: re.Match[str], values: Iterator[str]) -> str:
    literal = _LITERAL.get(match[0])
    if literal is not None:
        return literal
    value = next(values, "")
    if match["precision"] is not None:
        value = value[: int(match["precision"] or 0)]
    width = int(match["width"] or 0)
    return value.ljust(width) if match["left"] else value.rjust(width)
