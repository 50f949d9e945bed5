"""From one database into an empty other one, table by table; then every row is read back and compared.

Nobody else may write meanwhile: the old database is locked for as long as this lasts. The new one has a table of ours
from the first moment on, so that what a killed run has left is known for what it is, and goes when the next one begins.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from dgate.forward import table as queue
from dgate.index import checkpoint
from dgate.index.database.dialect import BEGIN, ROLLBACK
from dgate.index.database.faults import FAULTS
from dgate.index.index import driver_for
from dgate.index.schema import BARE, KEYS_AND_INDICES, create_tables
from dgate.moving.checksum import Checksum
from dgate.moving.tables import Copied, columns_of, copied_tables
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.index.database.base import Connection, Driver
    from dgate.index.tables import Tables

MARK = "dgateMoving"
"""The table in the new database while it is not whole yet."""
GROUP_ROWS = 500
GROUP_BYTES = 1 << 20
"""What is written at once: MariaDB takes a statement of 16 MB at most."""
TELL_EVERY = 5000

Say = Callable[[dict[str, object]], None]
Row = tuple[Any, ...]


class RefusedError(Exception):
    """It cannot be done, or has not been; the text says why. The old database is as it was, the new one empty."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A table that is the same in both."""

    table: str
    rows: int
    checksum: str


def move_index(old: ArchiveOptions, new: ArchiveOptions, tables: Tables, say: Say) -> list[Moved]:
    """Copy and compare. Raises `RefusedError`."""
    with _told("the new database"):
        driver = driver_for(new)
        target = driver.connect(create=True, writing=True)
    try:
        with _source(old) as source:
            _claim(target, source, copied_tables(tables))
            try:
                return _moved(source, target, driver, tables, say)
            except BaseException:
                target.close()
                _clear(driver, copied_tables(tables))
                raise
    finally:
        target.close()


@contextmanager
def _told(which: str) -> Iterator[None]:
    """Say of which database a failure is."""
    try:
        yield
    except (*FAULTS, OSError) as error:
        raise RefusedError(f"{which}: {str(error).rstrip('.')}") from error


@contextmanager
def _source(options: ArchiveOptions) -> Iterator[Connection | None]:
    """The old database; None for an SQLite file that no start has made yet."""
    if options.driver == "sqlite" and not os.path.exists(options.database):
        yield None
        return
    with _told("the old database"):
        source = driver_for(options).connect(writing=True)
    try:
        yield source
    finally:
        source.close()


def _claim(target: Connection, source: Connection | None, wanted: Sequence[Copied]) -> None:
    """Make the new database ours, unless there is something in it already."""
    with _told("the new database"):
        existing = checkpoint.names_of_tables(target)
        if MARK.lower() not in existing:
            for table in wanted:
                if table.name.lower() in existing and _has_rows(target, table.name):
                    raise RefusedError(f"the new database is not empty: there are rows in its table {table.name}")
            target.execute(f"CREATE TABLE {MARK} (Made int)")
    with _told("the old database"):
        if source is not None and MARK.lower() in checkpoint.names_of_tables(source):
            target.execute(f"DROP TABLE {MARK}")
            raise RefusedError("the old and the new database are the same one")


def _has_rows(connection: Connection, table: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None  # noqa: S608 - a name of ours


def _clear(driver: Driver, wanted: Sequence[Copied]) -> None:
    """Leave the new database as empty as it was; where even that fails the mark tells the next run."""
    with suppress(*FAULTS), _second(driver) as target:
        for name in [*(table.name for table in wanted), MARK]:
            target.execute(f"DROP TABLE IF EXISTS {name}")


def _moved(source: Connection | None, target: Connection, driver: Driver, tables: Tables, say: Say) -> list[Moved]:
    with _told("the old database"):
        present = _lock(source, tables)
        wanted = [table for table in copied_tables(tables) if source and table.name.lower() in present]
        mode = _mode(source, wanted)
    with _told("the new database"):
        _make(target, tables, wanted, mode)
    read = [_copy(source, target, driver, table, say) for table in wanted if source]
    with _told("the new database"), _second(driver) as again:
        for table, expected in zip(wanted, read, strict=True):
            _compare(again, table, expected, lambda: source and source.execute("SELECT 1").fetchone())
            say({"event": "compared", "table": table.name, "rows": expected.rows, "checksum": expected.text})
        if source:
            source.execute(ROLLBACK)
        target.execute(f"DROP TABLE {MARK}")
    return [Moved(table.name, found.rows, found.text) for table, found in zip(wanted, read, strict=True)]


def _lock(source: Connection | None, tables: Tables) -> set[str]:
    """Keep everybody else from writing; the tables there are. Raises `RefusedError` for half an index."""
    if source is None:
        return set()
    source.execute(BEGIN)
    present = checkpoint.names_of_tables(source)
    levels = [table.name for table in tables.levels]
    missing = [name for name in levels if name.lower() not in present]
    if missing and len(missing) < len(levels):
        raise RefusedError(f"the old database lacks the tables {', '.join(missing)}: regenerate it first, dgate -r")
    for table in copied_tables(tables):
        if table.name.lower() in present:
            _refuse_other_columns(source, table)
    return present


def _refuse_other_columns(source: Connection, table: Copied) -> None:
    """Nothing is left behind unsaid: a column that dicom.sql does not name would be."""
    found, named = columns_of(source, table.name), {name.lower() for name in table.columns}
    if found - named:
        extra = ", ".join(sorted(found - named))
        raise RefusedError(f"the old database's table {table.name} has columns that dicom.sql does not name: {extra}")
    if named - found:
        lacking = ", ".join(sorted(named - found))
        raise RefusedError(f"the old database's table {table.name} lacks the columns {lacking}: regenerate it first")


def _mode(source: Connection | None, wanted: Sequence[Copied]) -> int:
    """An index made without keys (`dgate -i1`) may hold a key twice, and can be held in such an index only."""
    for table in wanted:
        if source and table.key and table.name != queue.TABLE:
            counted = f"SELECT COUNT(*), COUNT(DISTINCT {table.key}) FROM {table.name}"  # noqa: S608 - names of ours
            rows, keys = source.execute(counted).fetchone()
            if rows != keys:
                return BARE
    return KEYS_AND_INDICES


def _make(target: Connection, tables: Tables, wanted: Sequence[Copied], mode: int) -> None:
    """All tables, new; those that are made when they are needed only where they were."""
    for table in copied_tables(tables):
        target.execute(f"DROP TABLE IF EXISTS {table.name}")
    create_tables(target, tables, mode)
    names = {table.name for table in wanted}
    if queue.TABLE in names:
        queue.create(target)
    if checkpoint.TABLE in names:
        checkpoint.begin(target)


def _copy(source: Connection, target: Connection, driver: Driver, table: Copied, say: Say) -> Checksum:
    """All rows of a table; what was read."""
    with _told("the old database"):
        (total,) = source.execute(f"SELECT COUNT(*) FROM {table.name}").fetchone()  # noqa: S608 - a name of ours
        rows = iter(source.stream(table.select))
    session, read, told = driver.session(target, ()), Checksum(table), 0
    say({"event": "copying", "table": table.name, "done": 0, "rows": total})
    while group := _group(rows):
        for row in group:
            read.add(row)
        with _told(f"the new database, table {table.name}"):
            session.begin(())
            for row in group:
                session.execute(table.insert, row)
            session.commit()
        if read.rows - told >= TELL_EVERY:
            told = read.rows
            say({"event": "copying", "table": table.name, "done": told, "rows": total})
    return read


def _group(rows: Iterator[Row]) -> list[Row]:
    """The next rows, as many as are written at once."""
    group: list[Row] = []
    size = 0
    with _told("the old database"):
        for row in rows:
            group.append(row)
            size += sum(len(value) for value in row if isinstance(value, bytes))
            if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
                break
    return group


@contextmanager
def _second(driver: Driver) -> Iterator[Connection]:
    """Another connection: what is compared has left the one that wrote it."""
    connection = driver.connect()
    try:
        yield connection
    finally:
        connection.close()


def _compare(target: Connection, table: Copied, expected: Checksum, still_there: Callable[[], object]) -> None:
    """Read everything back. `still_there` keeps the lock on the old one from running out meanwhile."""
    found = Checksum(table)
    for row in target.stream(table.select):
        found.add(row)
        if not found.rows % TELL_EVERY:
            still_there()
    still_there()
    if found.rows != expected.rows:
        raise RefusedError(f"{expected.rows} rows of {table.name} were read and {found.rows} are in the new database")
    if found != expected:
        raise RefusedError(f"the rows of {table.name} are not the same in the new database: their checksums differ")
