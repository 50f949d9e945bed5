"""What `dgate -d`, `-m`, `-k`, `-o` and `-t` show: the configuration as the server understands it (11.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.config.amap import AcrNemaMap
    from dgate.config.kfactor import Column, KFactor
    from dgate.config.settings import Settings

AMAP_ROW = "{:<16}  {:<29}  {:<9}  {:<14}"
CLEAR_TEST = "DROP TABLE IF EXISTS DGATETest"
READ_TEST = "SELECT PatientID FROM DGATETest WHERE AccessTime = 1"
DATABASE_TEST = (
    ("Creating test table", "CREATE TABLE DGATETest (PatientID varchar(64), AccessTime int)"),
    ("Adding a record", "INSERT INTO DGATETest VALUES ('dgate test', 1)"),
    ("Reading the record", READ_TEST),
    ("Dropping test table", "DROP TABLE DGATETest"),
)


def free_space(settings: Settings) -> Iterator[str]:
    """A line per device that can be written."""
    import os

    from dgate.archive.devices import free_megabytes

    for kind, folders in (("MAG", settings.mag_devices), ("MIRROR", settings.mirror_devices)):
        for position, folder in enumerate(folders):
            try:
                free = free_megabytes(os.fsencode(folder))
            except OSError as error:
                yield f"***{kind}{position}: {folder}: {error.strerror}"
            else:
                yield f"FreeStore Left {free} on {folder}"


def ae_titles(amap: AcrNemaMap) -> Iterator[str]:
    """A line per entry of acrnema.map, in columns."""
    for node in amap.nodes:
        yield AMAP_ROW.format(node.ae, node.host, node.port, node.compression)


def database_columns(kfactor: KFactor) -> Iterator[str]:
    """dicom.sql as it was understood, in its own notation: read again, the lines give the same columns."""
    for name in ("patient", "study", "series", "image", "worklist"):
        yield f"*{name.capitalize()}*" if name != "worklist" else "*WorkList*"
        yield "{"
        yield from _rows(getattr(kfactor, name))
        yield "}"


def _rows(columns: tuple[Column, ...]) -> Iterator[str]:
    sequence: tuple[int, int] | None = None
    for column in columns:
        if column.sequence != sequence:
            yield from _markers(sequence, column.sequence)
            sequence = column.sequence
        hl7 = f', "{column.hl7}"' if column.hl7 else ""
        tag = f"0x{column.group:04x}, 0x{column.element:04x}"
        yield f'  {{ {tag}, "{column.name}", {column.length}, {column.sql_type}, DT_{column.dt}{hl7} }},'
    yield from _markers(sequence, None)


def _markers(closed: tuple[int, int] | None, opened: tuple[int, int] | None) -> Iterator[str]:
    """The lines between columns of different sequences."""
    for tag, kind in ((closed, "END"), (opened, "START")):
        if tag is not None:
            yield f'  {{ 0x{tag[0]:04x}, 0x{tag[1]:04x}, "Sequence", 0, SQL_C_CHAR, DT_{kind}SEQUENCE }},'


def test_database(settings: Settings) -> Iterator[str]:
    """Create, fill, read and drop a scratch table. Raises `DatabaseError`."""
    from dgate.config.archiveoptions import options_from
    from dgate.index.index import FAULTS, DatabaseError, connect

    connection = connect(options_from(settings), writing=True)
    try:
        connection.execute(CLEAR_TEST)  # one that was interrupted
        for label, statement in DATABASE_TEST:
            yield label
            if not connection.execute(statement).fetchall() and statement is READ_TEST:
                raise DatabaseError(f"{settings.database}: a record that was written cannot be read")
    except FAULTS as error:
        raise DatabaseError(f"{settings.database}: {error}") from error
    finally:
        connection.close()
