"""Which tables are copied, and what is in them: those of the index, and those that are ours alone. Pure but for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.forward import table as queue
from dgate.index import checkpoint
from dgate.index.database.dialect import VALUE
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.index.database.base import Connection
    from dgate.index.tables import Table, Tables

_COMMON = ("AccessTime", "qTimeStamp", "qFlags", "qSpare")
_PLACE = ("ObjectFile", "DeviceName")
_UIDMODS = ("MODTime", "OldUID", "MODType", "NewUID", "Stage", "Annotation")
_NUMBERS = frozenset({"AccessTime", "qTimeStamp", "qFlags", "MODTime"})


@dataclass(frozen=True, slots=True)
class Copied:
    """One table: its columns, which of them hold numbers, and which dates, whose width some databases fill up."""

    name: str
    columns: tuple[str, ...]
    numbers: frozenset[str]
    dates: frozenset[str] = frozenset()
    key: str = ""
    """The primary key it has in an index with keys."""

    @property
    def select(self) -> str:
        """All rows."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name}"  # noqa: S608 - names of dicom.sql, checked there

    @property
    def insert(self) -> str:
        """One row, in the house's SQL."""
        marks = ", ".join("?" if name in self.numbers else VALUE for name in self.columns)
        return f"INSERT INTO {self.name} ({', '.join(self.columns)}) VALUES ({marks})"  # noqa: S608 - likewise


def copied_tables(tables: Tables) -> list[Copied]:
    """Everything that an instance may keep in its database."""
    *upper, images = tables.levels
    return [
        _indexed(tables.worklist, keyed=False),
        *(_indexed(table) for table in upper),
        _indexed(images, more=_PLACE),
        Copied("UIDMODS", _UIDMODS, _NUMBERS),
        Copied(queue.TABLE, queue.COLUMNS, queue.NUMBERS, key="ID"),
        Copied(checkpoint.TABLE, checkpoint.COLUMNS, checkpoint.NUMBERS),
    ]


def _indexed(table: Table, *, keyed: bool = True, more: tuple[str, ...] = ()) -> Copied:
    names = tuple(column.name for column in table.columns)
    dates = frozenset(column.name for column in table.columns if column.is_date)
    numbers = _NUMBERS - set(names)
    return Copied(table.name, (*names, *_COMMON, *more), numbers, dates, table.key.name if keyed else "")


def columns_of(connection: Connection, table: str) -> set[str]:
    """The columns that a table really has, in lower case."""
    rows = connection.execute(connection.dialect.column_names.format(table=table)).fetchall()
    return {bytes(name).decode("utf-8", "replace").lower() for (name,) in rows}
