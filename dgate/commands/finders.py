"""`patientfinder:` to `imagefinder:`, `serieslister:` and `imagelister:`: look-ups in the index by a text.

No text of the sender ever becomes part of the SQL. Only the own server (`local`, or its AE title) is asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes, row, split
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.commands.paths import full_path
from dgate.index.database.dialect import DIALECTS, VALUE
from dgate.index.tables import Level, Tables
from dgate.query.matching import like_pattern

if TYPE_CHECKING:
    from dgate.commands.context import Context

PATIENT_ID, PATIENT_NAME, BIRTH_DATE, SEX = 0x00100020, 0x00100010, 0x00100030, 0x00100040
STUDY_UID, STUDY_DATE, STUDY_DESCRIPTION, MODALITIES = 0x0020000D, 0x00080020, 0x00081030, 0x00080061
SERIES_UID, SERIES_NUMBER, SERIES_DESCRIPTION, MODALITY = 0x0020000E, 0x00200011, 0x0008103E, 0x00080060
SOP_UID, IMAGE_NUMBER = 0x00080018, 0x00200013

_SHOWN = {
    Level.PATIENT: (PATIENT_ID, PATIENT_NAME, BIRTH_DATE, SEX),
    Level.STUDY: (PATIENT_ID, PATIENT_NAME, STUDY_DATE, MODALITIES, STUDY_DESCRIPTION, STUDY_UID),
    Level.SERIES: (
        PATIENT_ID, PATIENT_NAME, STUDY_DATE, MODALITY, SERIES_NUMBER, SERIES_DESCRIPTION, STUDY_UID, SERIES_UID,
    ),
    Level.IMAGE: (PATIENT_ID, PATIENT_NAME, STUDY_DATE, MODALITY, IMAGE_NUMBER, STUDY_UID, SERIES_UID, SOP_UID),
}  # fmt: skip
"""What a format is given, in this order."""

_DATES = re.compile(r"(\d{4}|\d{6}|\d{8})(?:-(\d{4}|\d{6}|\d{8}))?\Z")
_UID = re.compile(r"\d+(\.\d+){3,}\Z")


def patientfinder_command(context: Context, arguments: str) -> str:
    """`local|text|format|`: patients by a part of their name or ID; by a date or a UID of one of their studies."""
    return _find(context, arguments, Level.PATIENT)


def studyfinder_command(context: Context, arguments: str) -> str:
    """`local|text|format|`: studies by a part of the patient's name or ID, by date or range of dates, or by UID."""
    return _find(context, arguments, Level.STUDY)


def seriesfinder_command(context: Context, arguments: str) -> str:
    """`local|text|format|`: likewise the series of the studies found."""
    return _find(context, arguments, Level.SERIES)


def imagefinder_command(context: Context, arguments: str) -> str:
    """`local|text|format|`: likewise the images."""
    return _find(context, arguments, Level.IMAGE)


def serieslister_command(context: Context, arguments: str) -> str:
    """`local|patient ID|study UID|format|`: the series' UIDs and modalities; an empty ID or UID stands for all."""
    source, patient, study, pattern, _ = split(arguments, "|", 5)
    _own(context, source)
    tables = context.tables
    columns = [_column(tables, Level.SERIES, tag) for tag in (SERIES_UID, MODALITY, SERIES_NUMBER)]
    keys = {_column(tables, Level.SERIES, STUDY_UID): study, _column(tables, Level.STUDY, PATIENT_ID): patient}
    return _list(context, Level.SERIES, columns, keys, pattern or "%s")


def imagelister_command(context: Context, arguments: str) -> str:
    """`local|patient ID|series UID|format|`: full file names; after a leading `:` in the format patient ID and UID."""
    source, patient, series, pattern, _ = split(arguments, "|", 5)
    _own(context, source)
    tables, image = context.tables, context.tables.levels[Level.IMAGE].name
    keys = {_column(tables, Level.IMAGE, SERIES_UID): series, _column(tables, Level.STUDY, PATIENT_ID): patient}
    if pattern.startswith(":"):
        columns = [_column(tables, Level.STUDY, PATIENT_ID), _column(tables, Level.IMAGE, SOP_UID)]
        return _list(context, Level.IMAGE, columns, keys, pattern[1:])
    columns = [f"{image}.DeviceName", f"{image}.ObjectFile"]
    found = _rows(context, Level.IMAGE, columns, keys)
    return "".join(row(pattern or "%s", (full_path(context, *pair),)) for pair in found)


def _find(context: Context, arguments: str, level: Level) -> str:
    source, text, pattern, _ = split(arguments, "|", 4)
    _own(context, source)
    tables, words = context.tables, text.strip()
    columns = [_shown(tables, level, tag) for tag in _SHOWN[level]]
    condition, parameters = _condition(tables, words)
    # A patient is there as soon as its row is; with a study it is found by what the study says as well.
    joins = _joins(tables, max(level, Level.STUDY))
    sql = f"SELECT DISTINCT {', '.join(columns)} FROM {joins}{condition} ORDER BY 2, 1, 3"  # noqa: S608 - names from dicom.sql
    return "".join(row(pattern, values) for values in select(context.options, sql, parameters))


def _condition(tables: Tables, text: str) -> tuple[str, tuple[bytes, ...]]:
    """What the text stands for: dates, a study's UID, or a part of name or ID."""
    if not text:
        return "", ()
    dates = _DATES.match(text)
    if dates:
        low, high = dates[1].ljust(8, "0"), (dates[2] or dates[1]).ljust(8, "9")
        return f" WHERE {_column(tables, Level.STUDY, STUDY_DATE)} BETWEEN {VALUE} AND {VALUE}", (
            low.encode(),
            high.encode(),
        )
    if _UID.match(text):
        return f" WHERE {_column(tables, Level.STUDY, STUDY_UID)} = {VALUE}", (text.encode(),)
    names = [_column(tables, Level.STUDY, tag) for tag in (PATIENT_NAME, PATIENT_ID)]
    part = like_pattern(b"*" + as_bytes(text) + b"*")
    return " WHERE (" + " OR ".join(f"{name} LIKE {VALUE} ESCAPE '!'" for name in names) + ")", (part, part)


def _list(context: Context, level: Level, columns: list[str], keys: dict[str, str], pattern: str) -> str:
    return "".join(row(pattern, values) for values in _rows(context, level, columns, keys))


def _rows(context: Context, level: Level, columns: list[str], keys: dict[str, str]) -> list[list[str]]:
    """Rows of a level with these exact values; a key without a value matches everything."""
    used = {name: value for name, value in keys.items() if value}
    where = " AND ".join(f"{name} = {VALUE}" for name in used)
    tables = context.tables
    sql = f"SELECT {', '.join(columns)} FROM {_joins(tables, level)}{' WHERE ' + where if where else ''}"  # noqa: S608 - as above
    order = _column(tables, level, SERIES_NUMBER if level == Level.SERIES else IMAGE_NUMBER)
    number = DIALECTS[context.options.driver].number.format(name=order)
    return select(context.options, f"{sql} ORDER BY {number}", tuple(map(as_bytes, used.values())))


def _joins(tables: Tables, level: Level) -> str:
    """The tables from patient down to a level, joined."""
    joined = tables.levels[Level.PATIENT].name
    for below in range(Level.STUDY, level + 1):
        above, table = tables.levels[below - 1], tables.levels[below]
        joined += f" JOIN {table.name} ON {table.name}.{table.link.name} = {above.name}.{above.key.name}"
    return joined


def _column(tables: Tables, level: Level, tag: int) -> str:
    """A column by its attribute. Raises `CommandError` where dicom.sql has left out what a look-up needs."""
    table = tables.levels[level]
    column = table.column(tag)
    if column is None:
        raise CommandError(f"dicom.sql has no ({tag >> 16:04x},{tag & 0xFFFF:04x}) in {table.name}")
    return f"{table.name}.{column.name}"


def _shown(tables: Tables, level: Level, tag: int) -> str:
    """A column at this level or the next one above that has it; an attribute that dicom.sql leaves out is empty."""
    for at in range(level, -1, -1):
        if tables.levels[at].column(tag) is not None:
            return _column(tables, Level(at), tag)
    return "''"


def _own(context: Context, source: str) -> None:
    """Raises `CommandError` for another server than this one."""
    if source.strip().lower() not in ("local", "(local)", context.settings.ae_title.lower()):
        raise CommandError(f"only the own server can be asked: local, not {source.strip()[:16]!r}")
