"""dicom.sql: which attributes the database holds (conquest-server.md 5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dgate.config.faults import Fault
from dgate.record import dataclass

TABLES = ("patient", "study", "series", "image", "worklist")
SQL_TYPES = frozenset({"SQL_C_CHAR", "SQL_C_DATE"})
DT_TYPES = frozenset({"STR", "MSTR", "ISTR", "DATE", "TIME", "UI", "UINT16", "UINT32", "FL", "FD"})

_START, _END = "STARTSEQUENCE", "ENDSEQUENCE"
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_TOKEN = re.compile(r'\*\s*(?P<block>\w+)\s*\*|"(?P<text>[^"\n]*)"|(?P<word>[^\s{},"*]+)|(?P<mark>[{}])|(?P<odd>[*"])')
_TAG_PART = re.compile(r"0[xX][0-9a-fA-F]{1,4}\Z")
_COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}\Z")
"""31 characters, as in Conquest, and nothing that would have to be quoted in SQL."""
_MAX_LENGTH = 8000
"""Widest varchar that all supported databases have in a table of this many columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """One line of a block. `name` is the full name; the database cuts it (TruncateFieldNames)."""

    group: int
    element: int
    name: str
    length: int
    sql_type: str
    """`SQL_C_CHAR` or `SQL_C_DATE`."""
    dt: str
    """The DICOM type without its `DT_`: STR, MSTR, ISTR, DATE, TIME, UI, UINT16, UINT32, FL or FD."""
    hl7: str = ""
    """Worklist only: where the value stands in an HL7 message."""
    sequence: tuple[int, int] | None = None
    """Worklist only: tag of the sequence in whose item the attribute stands (DT_STARTSEQUENCE ... DT_ENDSEQUENCE)."""

    @property
    def tag(self) -> tuple[int, int]:
        """Group and element."""
        return self.group, self.element


@dataclass(frozen=True, slots=True)
class KFactor:
    """The columns of each table, in order: the first is the primary key, the last the link to the level above.

    The worklist holds its real columns only; lines that merely open or close a sequence are folded into
    `Column.sequence`.
    """

    patient: tuple[Column, ...] = ()
    study: tuple[Column, ...] = ()
    series: tuple[Column, ...] = ()
    image: tuple[Column, ...] = ()
    worklist: tuple[Column, ...] = ()
    faults: tuple[Fault, ...] = ()


def parse_dicom_sql(text: str, file: str = "dicom.sql") -> KFactor:
    """Read a whole file. Never raises; a line that is not understood is left out and is a fault.

    All faults are fatal, as the tables would not be those of the file, except that a missing worklist block only
    disables the worklist.
    """
    parser = _Parser(file)
    for token in _tokens(text):
        parser.take(token)
    parser.end(text.count("\n") + 1)
    tables = {name: tuple(columns) for name, columns in parser.tables.items()}
    return KFactor(**tables, faults=tuple(parser.faults))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    """Words, quoted texts, braces and block names. Commas only separate, as blanks do."""
    blanked = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    line, counted = 1, 0
    for match in _TOKEN.finditer(blanked):
        line += blanked.count("\n", counted, match.start())
        counted = match.start()
        kind = match.lastgroup or ""
        yield _Token(kind, match[kind], line)


class _Parser:
    """Takes tokens one by one: a block name, `{`, rows in braces, `}`."""

    def __init__(self, file: str) -> None:
        self.tables: dict[str, list[Column]] = {}
        self.faults: list[Fault] = []
        self._file = file
        self._block = ""
        self._depth = 0
        self._row: list[_Token] = []
        self._sequence: tuple[int, int] | None = None

    def take(self, token: _Token) -> None:
        if token.kind == "block":
            self._begin_block(token)
        elif token.kind == "mark":
            self._brace(token)
        elif token.kind == "odd":
            self._fault(token.line, f"{token.text} without its partner")
        elif self._depth == 2:
            self._row.append(token)
        else:
            self._fault(token.line, f"{token.text!r} stands outside a {{ }} line")

    def end(self, line: int) -> None:
        if self._depth:
            self._fault(line, f"the file ends inside the block *{self._block}*")
        for name in TABLES:
            if not self.tables.get(name):
                self.tables[name] = []
                self._fault(0, f"no columns for *{name}*", fatal=name != "worklist")

    def _begin_block(self, token: _Token) -> None:
        if self._depth:
            self._fault(token.line, f"the block *{self._block}* is not closed before *{token.text}*")
        self._depth, self._row, self._sequence = 0, [], None
        self._block = token.text.lower()
        if self._block not in TABLES:
            self._fault(token.line, f"unknown block *{token.text}*")
        elif self._block in self.tables:
            self._fault(token.line, f"second block *{token.text}*")
        else:
            self.tables[self._block] = []

    def _brace(self, token: _Token) -> None:
        if token.text == "{":
            if self._depth == 2:
                self._fault(token.line, "{ before the line above is closed by }")
                self._finish_row(token.line)
            self._depth = min(self._depth + 1, 2)
        elif self._depth == 0:
            self._fault(token.line, "} without {")
        else:
            if self._depth == 2:
                self._finish_row(token.line)
            self._depth -= 1

    def _finish_row(self, line: int) -> None:
        row, self._row = self._row, []
        line = row[0].line if row else line
        if self._block not in TABLES:
            return  # said once, at the block's name
        words = [token.text for token in row]
        fault = _row_fault(words)
        if fault:
            self._fault(line, fault)
            return
        self._add_row(words)

    def _add_row(self, words: list[str]) -> None:
        group, element, dt = int(words[0], 16), int(words[1], 16), words[5][3:].upper()
        if dt == _START:
            self._sequence = (group, element)
        elif dt == _END:
            self._sequence = None
        else:
            hl7 = words[6] if len(words) > 6 else ""
            column = Column(group, element, words[2], int(words[3]), words[4].upper(), dt, hl7, self._sequence)
            self.tables[self._block].append(column)

    def _fault(self, line: int, message: str, *, fatal: bool = True) -> None:
        self.faults.append(Fault(self._file, line, "", message, fatal))


def _row_fault(words: list[str]) -> str:  # noqa: PLR0911 - one return per rule
    """What is wrong with the fields of a row; empty when nothing is."""
    if len(words) not in (6, 7):
        return (
            f"{len(words)} fields; a line has group, element, name, length, SQL type, DICOM type and perhaps an HL7 tag"
        )
    group, element, name, length, sql_type, dt = words[:6]
    if not (_TAG_PART.match(group) and _TAG_PART.match(element)):
        return f"({group}, {element}) is not a tag; write it like 0x0010, 0x0020"
    marker = dt.upper() in (f"DT_{_START}", f"DT_{_END}")
    if not marker and (not dt.upper().startswith("DT_") or dt[3:].upper() not in DT_TYPES):
        return f"unknown DICOM type {dt!r}"
    if sql_type.upper() not in SQL_TYPES:
        return f"unknown SQL type {sql_type!r}"
    if marker:
        return ""
    if not _COLUMN_NAME.match(name):
        return f"{name!r} is not a column name: a letter, then at most 30 letters, digits or _"
    if not (length.isascii() and length.isdigit() and len(length) <= 4 and 1 <= int(length) <= _MAX_LENGTH):
        return f"length {length!r} is not between 1 and {_MAX_LENGTH}"
    return ""
