"""SQLite: one file, and statements that run as they are written.

It runs in WAL mode: queries never wait for stores. `synchronous=NORMAL` makes a commit safe against the death of
the process at any moment; after a loss of power the last commits may be gone, but the database is whole. (The original
runs with OFF.) `SQLiteStartup = PRAGMA synchronous = FULL` asks for more: each commit is synced, and each file before.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from dgate.index.database.dialect import SQLITE
from dgate.index.database.faults import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.index.database.base import Connection, Entering, FoundRow, Parameters, TableStatements
    from dgate.index.rows import Value
    from dgate.index.tables import Level

BUSY_SECONDS = 5.0
"""How long a store waits for another process that holds the database locked, before it fails."""
LOOK_EVERY = 10_000
"""Steps of SQLite's machine between two looks at the clock: a fraction of a millisecond."""

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})


class SQLiteConnection(sqlite3.Connection):
    """SQLite's own connection, which is all that the archive asks for; see `Connection`."""

    dialect = SQLITE
    stream = sqlite3.Connection.execute

    def alive(self) -> bool:
        """See `Connection`. Whether the file is the same one is asked elsewhere."""
        return True

    def limit(self, seconds: float, size: int) -> None:
        """See `Connection`."""
        self.execute("PRAGMA query_only = ON")
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, size)
        self.set_authorizer(_only_select)
        until = time.monotonic() + seconds
        self.set_progress_handler(lambda: time.monotonic() > until, LOOK_EVERY)


class SQLiteDriver:
    """See `Driver`."""

    dialect = SQLITE

    def __init__(self, options: ArchiveOptions) -> None:
        self._options = options

    def connect(self, *, create: bool = False, writing: bool = False) -> SQLiteConnection:
        """See `Driver`. Whoever reads may write."""
        del writing
        path = self._options.database
        try:
            connection = sqlite3.connect(
                f"file:{_quoted(path)}?mode={'rwc' if create else 'rw'}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                factory=SQLiteConnection,
            )
        except sqlite3.Error as error:
            raise DatabaseError(f"The database {path} cannot be opened: {_reason(path, error)}.", str(error)) from error
        try:
            connection.text_factory = bytes
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise DatabaseError(f"The database {path} cannot be used: {_reason(path, error)}.", str(error)) from error
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if self._options.startup:
            connection.execute(self._options.startup)
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()

    def identity(self) -> tuple[int, int] | None:
        """See `Driver`: which file the path names now."""
        try:
            status = os.stat(self._options.database)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def session(self, connection: Connection, statements: Sequence[TableStatements]) -> SQLiteSession:
        """See `Driver`."""
        return SQLiteSession(connection, statements)

    def sync(self) -> None:
        """See `Driver`. A commit survives our death; that it survives a loss of power takes this."""
        _sync(self._options.database)
        with suppress(FileNotFoundError):  # nothing has been written since the last checkpoint
            _sync(f"{self._options.database}-wal")


class SQLiteSession:
    """See `Session`. Each statement runs at once: SQLite is a function call away."""

    def __init__(self, connection: Connection, statements: Sequence[TableStatements]) -> None:
        self._execute = connection.execute
        self._statements = statements
        self._many = False
        self._version = -1

    def begin(self, entries: Sequence[Entering]) -> bool:
        """See `Session`. Alone, an object has the transaction itself: a savepoint would be two statements more."""
        self._many = len(entries) > 1
        self._execute("BEGIN IMMEDIATE")
        version = self._execute("PRAGMA data_version").fetchone()[0]
        same = bool(version == self._version)
        self._version = version
        return same

    def mark(self) -> None:
        """See `Session`."""
        if self._many:
            self._execute("SAVEPOINT object")

    def find(self, level: Level, key: Value) -> FoundRow | None:
        """See `Session`."""
        found: FoundRow | None = self._execute(self._statements[level].select, (key,)).fetchone()
        return found

    def insert(self, level: Level, values: FoundRow) -> None:
        """See `Session`."""
        self._execute(self._statements[level].insert, values)

    def update(self, level: Level, values: FoundRow, key: Value) -> None:
        """See `Session`."""
        self._execute(self._statements[level].update, (*values, key))

    def execute(self, sql: str, parameters: Parameters) -> None:
        """See `Session`."""
        self._execute(sql, parameters)

    def keep(self) -> None:
        """See `Session`."""
        if self._many:
            self._execute("RELEASE object")

    def drop(self) -> None:
        """See `Session`."""
        for statement in ("ROLLBACK TO object", "RELEASE object") if self._many else ("ROLLBACK", "BEGIN"):
            self._execute(statement)

    def commit(self) -> None:
        """See `Session`."""
        self._execute("COMMIT")

    def was_committed(self, connection: Connection) -> bool:
        """See `Session`. A COMMIT that raised has not committed."""
        del connection
        return False


def _reason(path: str, error: sqlite3.Error) -> str:
    """Whose file or folder it is, where we may not write there; else SQLite's own words, which never say that."""
    for place in (path, os.path.dirname(path) or "."):
        if os.path.exists(place) and not os.access(place, os.W_OK, effective_ids=True):
            owner = os.stat(place).st_uid
            return f"{place} belongs to user {owner}, and user {os.geteuid()} may not write there"
    return str(error)


def _only_select(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _quoted(path: str) -> str:
    """A path inside a `file:` URI."""
    return os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
