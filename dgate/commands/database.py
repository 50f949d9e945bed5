"""The index as commands read it: committed rows only, never a write, never without end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from dgate.commands.context import CommandError
from dgate.config.inifile import as_text
from dgate.index.index import FAULTS, connect

if TYPE_CHECKING:
    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.index.database.base import Connection, Cursor

QUERY_SECONDS = 10.0
MAX_OUTPUT = 32 * 1024 * 1024
"""What one command answers at most, in bytes of values."""

Rows = Iterator[list[str]]


@contextmanager
def read_only(options: ArchiveOptions, seconds: float = QUERY_SECONDS) -> Iterator[Connection]:
    """A connection that can only select, and only for so many seconds. Raises `DatabaseError`."""
    with closing(connect(options)) as connection:
        connection.limit(seconds, MAX_OUTPUT)
        yield connection


def select(
    options: ArchiveOptions, sql: str, parameters: Sequence[bytes] = (), *, limit: int | None = None
) -> list[list[str]]:
    """The rows of a query as text, NULL as nothing. Raises `CommandError`, `DatabaseError`."""
    with read_only(options) as connection:
        try:
            return list(_bounded(connection.stream(sql, parameters), limit))
        except UnicodeEncodeError as fault:
            raise CommandError("the SQL text is not UTF-8") from fault
        except FAULTS as fault:
            raise CommandError(f"SQL error: {fault}") from fault


def _bounded(cursor: Cursor, limit: int | None) -> Rows:
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
