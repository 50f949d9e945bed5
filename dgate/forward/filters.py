"""Which objects an export converter is for (conquest-converters.md 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.commands.database import read_only
from dgate.config.converters.grammar import as_line
from dgate.index.tables import Level
from dgate.rules.conditions import matches
from dgate.rules.subject import MODALITY, STATION

if TYPE_CHECKING:
    from dgate.archive.stores import Stores
    from dgate.config.settings import Settings
    from dgate.rules.interfaces import Association
    from dgate.rules.subject import Subject

SECONDS = 5.0
"""How long a condition of ExportFilter may take."""


def admit(number: int, subject: Subject, association: Association, settings: Settings) -> bool:
    """ExportModality, ExportStationName, ExportCallingAE, ExportCalledAE. Raises `DataSetError`."""
    values = {
        "ExportModality": subject.received(MODALITY),
        "ExportStationName": subject.received(STATION),
        "ExportCallingAE": association.calling_ae.strip(" "),
        "ExportCalledAE": association.called_ae.strip(" "),
    }
    return all(matches(text, as_line(settings.ini.get(f"{key}{number}", "*"))) for key, text in values.items())


def selects(stores: Stores, condition: str, uid: str) -> bool:
    """ExportFilter, a condition on the columns of all four tables. Raises sqlite3.Error, `DatabaseError`."""
    tables = stores.tables.levels
    joined = " AND ".join(
        f"{tables[level].name}.{tables[level].link.name} = {tables[level - 1].name}.{tables[level - 1].key.name}"
        for level in (Level.STUDY, Level.SERIES, Level.IMAGE)
    )
    image = tables[Level.IMAGE]
    names = ", ".join(table.name for table in tables)
    sql = f"SELECT 1 FROM {names} WHERE {joined} AND {image.name}.{image.key.name} = CAST(? AS TEXT) AND ({condition})"  # noqa: S608 - the operator's own condition, on a connection that can only read
    with read_only(stores.options, SECONDS) as connection:
        return connection.execute(sql, (uid.encode("latin-1", "replace"),)).fetchone() is not None
