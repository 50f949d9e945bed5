"""Connections to the index database, and the bounded pool the queries read through.

SQLite runs in WAL mode: queries never wait for stores. `synchronous=NORMAL` makes a commit safe against the death of
the process at any moment; after a loss of power the last commits may be gone, but the database is whole. (The original
runs with OFF.) `SQLiteStartup = PRAGMA synchronous = FULL` asks for more: each commit is synced, and each file before.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.archive.options import ArchiveOptions

BUSY_SECONDS = 5.0
"""How long a store waits for another process that holds the database locked, before it fails."""


class DatabaseError(Exception):
    """The index cannot be used; the text says which and why."""


def connect(options: ArchiveOptions, *, create: bool = False) -> sqlite3.Connection:
    """Open the index database; text comes back as the bytes that are stored. Raises `DatabaseError`."""
    mode = "rwc" if create else "rw"
    try:
        connection = sqlite3.connect(
            f"file:{_quoted(options.database)}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise DatabaseError(f"The database {options.database} cannot be opened: {error}.") from error
    try:
        connection.text_factory = bytes
        _prepare(connection, options)
    except sqlite3.Error as error:
        connection.close()
        raise DatabaseError(f"The database {options.database} cannot be used: {error}.") from error
    return connection


def _prepare(connection: sqlite3.Connection, options: ArchiveOptions) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if options.startup:
        connection.execute(options.startup)
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


def _quoted(path: str) -> str:
    """A path inside a `file:` URI."""
    return os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def identity(path: str) -> tuple[int, int] | None:
    """Which file a path names now; None if there is none. A database replaced behind our back shows here."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class ReaderPool:
    """Connections for queries. A few stay open for the next query; more are opened when needed and closed after."""

    def __init__(self, options: ArchiveOptions, keep: int = 4) -> None:
        self._options = options
        self._keep = keep
        self._idle: deque[sqlite3.Connection] = deque()
        self._identity = identity(options.database)

    def borrow(self) -> sqlite3.Connection:
        """A connection nobody else uses. Raises `DatabaseError`."""
        current = identity(self._options.database)
        if current != self._identity:
            self.close()
            self._identity = current
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._options)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Return a borrowed connection, with no statement open on it."""
        if len(self._idle) < self._keep and identity(self._options.database) == self._identity:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()
