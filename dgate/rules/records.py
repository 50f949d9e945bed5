"""`%Q`: what the index or a file of aliases knows about an object (conquest-converters.md 4)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.config.converters.items import RECORDS
from dgate.index.index import FAULTS, DatabaseError
from dgate.index.tables import Level
from dgate.rules.subject import PATIENT_ID

if TYPE_CHECKING:
    from dgate.dataset.paths import Path
    from dgate.index.tables import Column, Table
    from dgate.rules.run import Run

ACCESSION, STUDY_UID, SERIES_UID = 0x00080050, 0x0020000D, 0x0020000E
MAX_ALIASES = 100_000
MAX_ALIAS_LINE = 1024

_WORKLIST_KEYS: tuple[int, ...] = (ACCESSION,)
_KEYS: dict[str, tuple[Level, tuple[int, ...]]] = {
    "p": (Level.PATIENT, (PATIENT_ID,)),
    "s": (Level.STUDY, (PATIENT_ID, STUDY_UID)),
    "e": (Level.SERIES, (STUDY_UID, SERIES_UID)),
}
"""Which attributes find the record. A series row is linked to its study, which is the patient's."""


def reader(letter: str, path: Path) -> Callable[[Run], str]:
    """The function for `%Q` with this letter."""
    kind = letter.lower()
    if kind in RECORDS:
        return lambda run: _recorded(run, kind, path.tag)
    return lambda run: _alias(f"aliasfileq{letter}.txt", run.subject.read(path))


def _recorded(run: Run, kind: str, tag: int) -> str:
    """The column of a tag in the record that the object belongs to; nothing where there is none."""
    tables = run.services.index.tables
    if kind == "w":
        table, keys = tables.worklist, _WORKLIST_KEYS
    else:
        level, keys = _KEYS[kind]
        table = tables.levels[level]
    wanted = table.column(tag)
    columns = [table.column(key) for key in keys]
    if wanted is None or None in columns:
        return ""
    values = [run.subject.attribute(key).encode("latin-1", "replace") for key in keys]
    if not all(values):
        return ""
    return _look_up(run, table, wanted, [column.name for column in columns if column is not None], values)


def _look_up(run: Run, table: Table, wanted: Column, names: list[str], values: list[bytes]) -> str:
    where = " AND ".join(f"{name} = CAST(? AS TEXT)" for name in names)
    sql = f"SELECT {wanted.name} FROM {table.name} WHERE {where} LIMIT 1"  # noqa: S608 - names from dicom.sql
    readers = run.services.index.readers
    try:
        connection = readers.borrow()
    except DatabaseError:
        return ""
    try:
        found = connection.execute(sql, values).fetchone()
    except FAULTS:
        connection.close()
        return ""
    readers.give_back(connection)
    return (found[0] or b"").decode("latin-1") if found else ""


def _alias(file_name: str, value: str) -> str:
    """What stands behind a value and a tab in a file of the working directory; the value itself where nothing does."""
    wanted = value.lower()
    try:
        with open(file_name, encoding="latin-1", newline="\n") as file:
            for _ in itertools.repeat(None, MAX_ALIASES):
                line = file.readline(MAX_ALIAS_LINE)
                if not line:
                    break
                old, tab, new = line.rstrip("\r\n").partition("\t")
                if tab and old.lower() == wanted:
                    return new
    except OSError:
        return value
    return value
