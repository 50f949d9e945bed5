"""The index as commands read it: committed rows only, never a write, never without end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from dgate.archive.index import connect
from dgate.commands.context import CommandError
from dgate.config.inifile import as_text

if TYPE_CHECKING:
    from dgate.archive.options import ArchiveOptions

QUERY_SECONDS = 10.0
LOOK_EVERY = 10_000
"""Steps of SQLite's machine between two looks at the clock: a fraction of a millisecond."""
MAX_OUTPUT = 32 * 1024 * 1024
"""What one command answers at most, in bytes of values."""

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})

Rows = Iterator[list[str]]


@contextmanager
def read_only(options: ArchiveOptions, seconds: float = QUERY_SECONDS) -> Iterator[sqlite3.Connection]:
    """A connection that can only select, and only for so many seconds. Raises `DatabaseError`."""
    with closing(connect(options)) as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_OUTPUT)
        connection.set_authorizer(_only_select)
        until = monotonic() + seconds
        connection.set_progress_handler(lambda: monotonic() > until, LOOK_EVERY)
        yield connection


def select(
    options: ArchiveOptions, sql: str, parameters: Sequence[bytes] = (), *, limit: int | None = None
) -> list[list[str]]:
    """The rows of a query as text, NULL as nothing. Raises `CommandError`, `DatabaseError`."""
    with read_only(options) as connection:
        try:
            return list(_bounded(connection.execute(sql, parameters), limit))
        except UnicodeEncodeError as fault:
            raise CommandError("the SQL text is not UTF-8") from fault
        except (sqlite3.Error, sqlite3.Warning) as fault:
            raise CommandError(f"SQL error: {fault}") from fault


def _bounded(cursor: sqlite3.Cursor, limit: int | None) -> Rows:
    size = 0
    for count, row in enumerate(cursor):
        if limit is not None and count >= limit:
            return
        texts = [_text(value) for value in row]
        size += sum(map(len, texts))
        if size > MAX_OUTPUT:
            raise CommandError(f"the answer is longer than {MAX_OUTPUT} bytes; ask for less")
        yield texts


def _text(value: bytes | float | None) -> str:
    if value is None:
        return ""
    return as_text(value) if isinstance(value, bytes) else str(value)


def _only_select(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
