"""Connections to the index database, whichever it is, and the bounded pool the queries read through."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from dgate.index.database.faults import FAULTS, DatabaseError

if TYPE_CHECKING:
    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.index.database.base import Connection, Driver

__all__ = ["FAULTS", "DatabaseError", "ReaderPool", "connect", "driver_for"]


def driver_for(options: ArchiveOptions) -> Driver:
    """The driver that the settings name. Raises `DatabaseError` where its package is not installed."""
    try:
        if options.driver == "postgres":
            from dgate.index.database.postgres import PostgresDriver

            return PostgresDriver(options)
        if options.driver == "mysql":
            from dgate.index.database.mysql import MySQLDriver

            return MySQLDriver(options)
    except ImportError as error:
        raise DatabaseError(f"The driver for {options.driver} is missing, a Python package: {error}.") from error
    from dgate.index.database.sqlite import SQLiteDriver

    return SQLiteDriver(options)


def connect(options: ArchiveOptions, *, create: bool = False, writing: bool = False) -> Connection:
    """Open the index database; text comes back as the bytes that are stored. Raises `DatabaseError`."""
    return driver_for(options).connect(create=create, writing=writing)


class ReaderPool:
    """Connections for queries. A few stay open for the next query; more are opened when needed and closed after."""

    def __init__(self, options: ArchiveOptions, keep: int = 4) -> None:
        self._driver = driver_for(options)
        self._keep = keep
        self._idle: deque[Connection] = deque()
        self._identity = self._driver.identity()

    def borrow(self) -> Connection:
        """A connection nobody else uses. Raises `DatabaseError`."""
        current = self._driver.identity()
        if current != self._identity:
            self.close()
            self._identity = current
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._driver.connect(create=True)
            if connection.alive():
                return connection
            connection.close()

    def give_back(self, connection: Connection) -> None:
        """Return a borrowed connection, with no statement open on it."""
        same = self._driver.identity() == self._identity
        if len(self._idle) < self._keep and same and connection.alive():
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()
