"""The four tables of the index as the server uses them, made from `dicom.sql` (conquest-server.md 5.1, 5.2). Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from dgate.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.config.kfactor import Column as KColumn
    from dgate.config.kfactor import KFactor

PATIENT_ID, MODALITY, MODALITIES_IN_STUDY = 0x00100020, 0x00080060, 0x00080061


class Level(IntEnum):
    """The tables from the top; also the query levels."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3


@dataclass(frozen=True, slots=True)
class Column:
    """One attribute in a table. `source` is the tag its value is read from, `dt` its DICOM type in dicom.sql."""

    tag: int
    name: str
    length: int
    dt: str
    is_date: bool
    source: int
    sequence: int = 0
    """Worklist only: the tag of the sequence in whose item the attribute stands; 0 is none."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the first column is its key, the last one the link to the table above."""

    name: str
    columns: tuple[Column, ...]

    @property
    def key(self) -> Column:
        """The primary key."""
        return self.columns[0]

    @property
    def link(self) -> Column:
        """The column that names the row of the table above."""
        return self.columns[-1]

    def column(self, tag: int) -> Column | None:
        """The column of an attribute, None if it is not in this table."""
        return next((column for column in self.columns if column.tag == tag), None)


@dataclass(frozen=True, slots=True)
class Tables:
    """The whole index."""

    levels: tuple[Table, Table, Table, Table]
    worklist: Table

    @property
    def wanted(self) -> frozenset[int]:
        """Every attribute a row is made of."""
        return frozenset(column.source for table in self.levels for column in table.columns)


def make_tables(kfactor: KFactor, options: ArchiveOptions) -> Tables:
    """The tables for these definitions and table names."""
    blocks = (kfactor.patient, kfactor.study, kfactor.series, kfactor.image)
    levels = [
        Table(name, _columns(block, options, study=level == Level.STUDY))
        for level, (name, block) in enumerate(zip(options.table_names, blocks, strict=True))
    ]
    worklist = Table(options.worklist_name, _columns(kfactor.worklist, options, study=False))
    return Tables((levels[0], levels[1], levels[2], levels[3]), worklist)


def _columns(block: Iterable[KColumn], options: ArchiveOptions, *, study: bool) -> tuple[Column, ...]:
    return tuple(_column(column, options, study=study) for column in block)


def _column(column: KColumn, options: ArchiveOptions, *, study: bool) -> Column:
    tag = column.group << 16 | column.element
    length = min(column.length, options.max_field_length or column.length)
    name = column.name[: options.truncate_names or None]
    source = MODALITY if study and tag == MODALITIES_IN_STUDY else tag
    group, element = column.sequence or (0, 0)
    return Column(tag, name, length, column.dt, "DATE" in column.sql_type, source, group << 16 | element)
