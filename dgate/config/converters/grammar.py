"""A converter line taken apart (conquest-converters.md 3). Pure; any text is a line, and the work grows with it.

Text is latin-1: each byte is one character, as in the data sets that the line works on.
"""

from __future__ import annotations

import re

from dgate.record import dataclass

MAX_VALUE = 511
"""Characters of a converter in dicom.ini that count."""
MAX_LINE = 64 * 1024
"""Characters of a line in a file of converter lines; a longer one is not run."""
MAX_LINES = 10_000
"""Lines of such a file; those behind are not run."""

_MARK = re.compile(r'[";]|lua:', re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a line, without the brace before it."""

    text: str
    brace: str
    """`{`, `}` or nothing."""
    part: int
    """The number that the log gives it."""
    column: int
    """Where the text begins in its line, counted from 1."""
    start: int
    """Where the statement does, with its brace."""


def split(line: str) -> tuple[Statement, ...]:
    """The statements of a line. An empty piece is one, but not what stands behind the last `;`."""
    statements: list[Statement] = []
    at = 0
    while at < len(line):
        end = _end(line, at)
        statements.append(_statement(line, at, end, len(statements)))
        at = end + 1
        while line.startswith(" ", at):
            at += 1
    return tuple(statements)


def _end(line: str, at: int) -> int:
    """Where the statement ends: at the first `;` outside quotes, or with the line if `lua:` comes before it."""
    in_string = False
    for found in _MARK.finditer(line, at):
        if found[0] == '"':
            in_string = not in_string
        elif not in_string:
            return found.start() if found[0] == ";" else len(line)
    return len(line)


def _statement(line: str, at: int, end: int, part: int) -> Statement:
    brace = line[at : at + 1]
    if at == end or brace not in "{}":
        return Statement(line[at:end], "", part, at + 1, at + 1)
    first = at + 1
    while first < end and line[first] == " ":
        first += 1
    return Statement(line[first:end], brace, part, first + 1, at + 1)


def as_line(value: str) -> str:
    """A value of dicom.ini, whose bytes may be of any character set, as a line: one character for each byte."""
    return value.encode("utf-8", "surrogateescape").decode("latin-1")


def lines_of(content: bytes) -> list[tuple[int, str]]:
    """The lines of a file that are to be run, with their numbers counted from 1.

    Empty lines and those that begin with `#` or `;` are none. Too long ones are among them, for the caller to refuse.
    """
    rows = content.removeprefix(_BOM).split(b"\n", MAX_LINES)[:MAX_LINES]
    lines = ((number, row.removesuffix(b"\r").decode("latin-1")) for number, row in enumerate(rows, start=1))
    return [(number, line) for number, line in lines if line.strip(" \t") and not line.startswith(("#", ";"))]
