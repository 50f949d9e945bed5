"""The statements a store needs for one table, in the house's SQL. Made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.index.database.dialect import VALUE

if TYPE_CHECKING:
    from dgate.index.tables import Table

ACCESS_TIME = "AccessTime"
"""The one column that holds a number."""
MORE = (ACCESS_TIME,)
PLACED = (ACCESS_TIME, "ObjectFile", "DeviceName")
"""The columns behind those of dicom.sql that are written; the second for the table of images."""


class Statements:
    """The SQL of one table. Names are from dicom.sql, checked there."""

    def __init__(self, table: Table, *, placed: bool) -> None:
        more = PLACED if placed else MORE
        names = [*(column.name for column in table.columns), *more]
        marks = [VALUE] * len(table.columns) + ["?", *[VALUE] * (len(more) - 1)]
        pairs = ", ".join(f"{name} = {mark}" for name, mark in zip(names, marks, strict=True))
        key = table.key.name
        self.columns = tuple(names)
        self.where = f"FROM {table.name} WHERE {key}"
        """What stands between the columns and the keys where many rows are read at once."""
        self.select = f"SELECT {', '.join(names)} {self.where} = {VALUE}"
        self.insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(marks)})"  # noqa: S608
        self.update = f"UPDATE {table.name} SET {pairs} WHERE {key} = {VALUE}"  # noqa: S608
