"""Two databases, one with an index full of awkward values, and their rows in one spelling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgate.config.archiveoptions import ArchiveOptions, options_from
from dgate.forward import table as queue
from dgate.index.database.base import Connection
from dgate.index.index import driver_for
from dgate.index.schema import create_tables
from dgate.index.tables import Tables, make_tables
from dgate.moving.tables import Copied, copied_tables
from tests.databases import SQLITE, Databases, settings_of
from tests.dgate.archive.support import kfactor, settings_for

if TYPE_CHECKING:
    import pytest

LATIN1, UTF8, BOTH = "Müller^Jörg".encode("latin-1"), "Müller^Jörg".encode(), b"\xe9\xc3\xa9\xff '\\^=\"%?"
AWKWARD: tuple[tuple[Any, ...], ...] = (
    (b"1", LATIN1, b"19701231", b"M", 1700000000),
    (b"2", UTF8, None, None, None),
    (b"3", BOTH, b"1970", b"", 0),
    (b"4", b"  leading", b"202003", b"O", 31),
    (b"a", b"lower", None, b"F", 32),
    (b"A", b"UPPER", None, b"F", 32),
)
"""Rows of the patient table: key, name, birth date, sex, access time."""


def options(request: pytest.FixtureRequest, kind: str, tmp_path: Path, name: str) -> ArchiveOptions:
    """An empty database of a kind."""
    if kind == SQLITE:
        return options_from(settings_for(tmp_path, database=f"{tmp_path}/{name}.db3"))
    servers: Databases = request.getfixturevalue("database_servers")
    server = servers.server(kind)
    servers.clear(kind)
    return options_from(settings_for(tmp_path, **settings_of(server)))


def tables_of(made: ArchiveOptions) -> Tables:
    return make_tables(kfactor(), made)


@contextmanager
def connected(to: ArchiveOptions) -> Iterator[Connection]:
    connection = driver_for(to).connect(create=True, writing=True)
    try:
        yield connection
    finally:
        connection.close()


def rows_for(tables: Tables) -> Iterator[tuple[Copied, tuple[Any, ...]]]:
    """Every row of the example, with its table."""
    by_name = {table.name: table for table in copied_tables(tables)}
    for patient_id, name, born, sex, access in AWKWARD:
        values = {"PatientID": patient_id, "PatientNam": name, "PatientBir": born, "PatientSex": sex}
        yield filled(by_name["DICOMPatients"], {**values, "AccessTime": access})
        yield filled(by_name["DICOMStudies"], {**values, "StudyInsta": b"1.2." + patient_id})
        image = {"SOPInstanc": b"1.2.3." + patient_id, "ObjectFile": b"p/\xe4 b.dcm", "qSpare": b"x", "qFlags": -7}
        yield filled(by_name["DICOMImages"], image)
        yield filled(by_name["DICOMWorkList"], {"PatientID": b"the same twice"})
        yield filled(by_name["UIDMODS"], {"MODTime": access, "OldUID": b"1.2", "Annotation": name})


def filled(table: Copied, values: dict[str, Any]) -> tuple[Copied, tuple[Any, ...]]:
    return table, tuple(values.get(name) for name in table.columns)


def fill(to: ArchiveOptions, mode: int = 0, more: Sequence[tuple[Copied, tuple[Any, ...]]] = ()) -> None:
    """Make the tables and put the example in."""
    tables = tables_of(to)
    driver = driver_for(to)
    with connected(to) as connection:
        create_tables(connection, tables, mode)
        queue.create(connection)
        session = driver.session(connection, ())
        session.begin(())
        for table, row in [*rows_for(tables), *more]:
            session.execute(table.insert, row)
        for number, due in ((1, 1700000000.1234567), (2, 1e-07)):
            queue.insert(session, number, "lane", {"label": "é", "size": number}, due)
        session.commit()


def content(of: ArchiveOptions) -> dict[str, list[str]]:
    """All rows of all tables, sorted."""
    found: dict[str, list[str]] = {}
    with connected(of) as connection:
        for table in copied_tables(tables_of(of)):
            if names(connection) >= {table.name.lower()}:
                found[table.name] = sorted(map(repr, connection.execute(table.select)))
    return found


def names(connection: Connection) -> set[str]:
    rows = connection.execute(connection.dialect.table_names).fetchall()
    return {bytes(name).decode().lower() for (name,) in rows}
