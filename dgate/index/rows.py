"""From attributes to the four rows of an object (conquest-server.md 5.3). Pure.

A value is bytes as received, or None for NULL: the index never holds an empty text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct

from dgate.index.tables import Column, Level, Table, Tables
from dgate.record import dataclass

Value = bytes | None
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Truncation:
    """A value that did not fit its column."""

    column: str
    length: int
    limit: int


@dataclass(frozen=True, slots=True)
class Rows:
    """One object's rows, from patient to image, in column order."""

    levels: tuple[Row, Row, Row, Row]
    truncations: tuple[Truncation, ...]

    @property
    def image(self) -> Row:
        """The image's own row."""
        return self.levels[Level.IMAGE]


_NUMBERS = {"UINT16": "H", "UINT32": "L", "FL": "f", "FD": "d"}


class RowMaker:
    """Makes rows; all decisions about types are made once, here."""

    def __init__(self, tables: Tables) -> None:
        self._levels = tuple(tuple((_reader(column), column) for column in table.columns) for table in tables.levels)

    def make(self, values: Mapping[int, bytes], *, big_endian: bool = False) -> Rows:
        """The rows for these attributes, as received."""
        truncations: list[Truncation] = []
        rows = []
        for level in self._levels:
            row: list[Value] = []
            for read, column in level:
                raw = values.get(column.source)
                value = read(raw, big_endian) if raw else None
                if value is not None and len(value) > column.length:
                    truncations.append(Truncation(column.name, len(raw or b""), column.length))
                    value = value[: column.length].rstrip(b" ")
                row.append(value)
            rows.append(tuple(row))
        return Rows((rows[0], rows[1], rows[2], rows[3]), tuple(truncations))


Reader = Callable[[bytes, bool], Value]


def _reader(column: Column) -> Reader:
    if column.dt in _NUMBERS:
        return _number_reader(_NUMBERS[column.dt])
    return _date if column.is_date else _text


def _text(raw: bytes, big_endian: bool) -> Value:
    """Text ends at a NUL (the pad of odd UIDs); trailing blanks go, leading ones stay."""
    del big_endian
    return raw.split(b"\0", 1)[0].rstrip(b" ") or None


def _date(raw: bytes, big_endian: bool) -> Value:
    """Cut to 8 characters first, then without dots: `2020.03.03` gives `202003`."""
    text = _text(raw, big_endian)
    return text[:8].replace(b".", b"").rstrip(b" ") or None if text else None


def _number_reader(code: str) -> Reader:
    little, big = Struct("<" + code), Struct(">" + code)

    def read(raw: bytes, big_endian: bool) -> Value:
        if len(raw) < little.size:
            return None
        value = (big if big_endian else little).unpack_from(raw)[0]
        return (f"{value:g}" if code in "fd" else str(value)).encode()

    return read


def merge(level: Level, table: Table, old: Row, new: Row) -> Row:
    """What a known row becomes when an object with other values arrives (conquest-server.md 5.4).

    Upper rows keep what the new object does not say; the image row is the new object's.
    """
    if level == Level.IMAGE:
        return new
    merged = []
    for column, before, after in zip(table.columns, old, new, strict=True):
        if after is None or before is None:
            merged.append(after if before is None else before)
        elif column.source != column.tag:
            merged.append(_with_modality(before, after)[: column.length])
        elif level == Level.PATIENT and not _replaces(column, before, after):
            merged.append(before)
        else:
            merged.append(after)
    return tuple(merged)


def _with_modality(known: bytes, new: bytes) -> bytes:
    """A new modality goes in front of the list."""
    return known if new in known.split(b"\\") else new + b"\\" + known


_BIRTH_DATE, _SEX = 0x00100030, 0x00100040


def _replaces(column: Column, before: bytes, after: bytes) -> bool:
    """In the patient table a vague birth date or sex does not replace a known one."""
    if column.tag == _BIRTH_DATE:
        return before == after or not after.endswith(b"0101")
    return column.tag != _SEX or after in (b"M", b"F")


def shown(value: Value) -> str:
    """A stored value in a log line: one line, whatever a peer sent."""
    text = (value or b"").decode("latin-1")
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)
