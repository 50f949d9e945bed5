"""PostgreSQL, spoken to through libpq as psycopg 3 wraps it: bytes in, bytes out, nothing converted on the way.

Values never become part of a statement. A group of objects costs two ways to the server and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.pq import ExecStatus

from dgate.index.database import anybyte
from dgate.index.database.batch import BatchSession
from dgate.index.database.dialect import BEGIN, COMMIT, POSTGRES, VALUE
from dgate.index.database.faults import DatabaseError, ObjectFaultError, StatementError, UnreachableError
from dgate.index.database.found import Found
from dgate.index.database.libpq import Wire
from dgate.index.database.servers import (
    CONNECT_SECONDS,
    LOCK_SECONDS,
    TRANSACTION_SECONDS,
    Translator,
    address,
    one_line,
    password,
)

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.index.database.base import Connection, FoundRow, Parameters, TableStatements
    from dgate.index.database.batch import GroupConnection, Wanted, Write

DEFAULT_PORT = 5432
WRITERS_LOCK = 0x6467617465
"""The number of the advisory lock that all who write take; each database has its own."""
_LOCK = b"SELECT pg_advisory_xact_lock(%d)" % WRITERS_LOCK

_INTEGERS = frozenset({20, 21, 23, 26})
_FLOATS = frozenset({700, 701, 1700})
_FIXED_WIDTH = 1042
"""Types by their number: int8, int2, int4, oid; float4, float8, numeric; char(n)."""
_PREPARE = (
    f"SET lock_timeout = '{LOCK_SECONDS}s'",
    f"SET idle_in_transaction_session_timeout = '{TRANSACTION_SECONDS}s'",
    "SET client_min_messages = error",
)
_NOT_DURABLE = "SELECT 1 FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off'"

_translator = Translator("${}".format)
_Read = Callable[[bytes | None], Any]


class PostgresDriver:
    """See `Driver`."""

    dialect = POSTGRES

    def __init__(self, options: ArchiveOptions) -> None:
        self._options = options

    def connect(self, *, create: bool = False, writing: bool = False) -> PostgresConnection:
        """See `Driver`. The database itself is made by whoever administers the server."""
        del create, writing
        options = self._options
        where = address(options.host, DEFAULT_PORT)
        try:
            owner = psycopg.connect(
                host=where.host,
                port=where.port,
                dbname=options.database,
                user=options.username,
                password=password(options),
                connect_timeout=CONNECT_SECONDS,
                application_name="dgate",
                keepalives_idle=30,
                keepalives_interval=5,
                keepalives_count=3,
                autocommit=True,
            )
        except psycopg.Error as error:
            name = f"{options.database} on {options.host}"
            raise UnreachableError(f"The database {name} cannot be opened: {_reason(error)}.") from error
        try:
            return _prepared(owner, options)
        except DatabaseError:
            owner.close()
            raise

    def identity(self) -> object:
        """See `Driver`. A server keeps its databases."""
        return ()

    def session(self, connection: Connection, statements: Sequence[TableStatements]) -> BatchSession:
        """See `Driver`."""
        return BatchSession(cast("GroupConnection", connection), statements)

    def sync(self) -> None:
        """See `Driver`. A commit is on stable storage when the server says so, unless it was told to say so sooner."""
        try:
            connection = self.connect()
            try:
                if connection.execute(_NOT_DURABLE).fetchone():
                    raise OSError("the database server does not wait for its disk")
            finally:
                connection.close()
        except DatabaseError as error:
            raise OSError(str(error)) from error


def _reason(error: psycopg.Error) -> str:
    """Of the addresses of a host that were tried, the last one's."""
    told = [line for line in str(error).splitlines() if "failed: " in line]
    return one_line(told[-1].strip(" -") if told else str(error))


def _prepared(owner: psycopg.Connection[Any], options: ArchiveOptions) -> PostgresConnection:
    """Set up what every connection has, and how bytes are kept in this database."""
    utf8 = owner.pgconn.parameter_status(b"server_encoding") == b"UTF8"
    latin1 = utf8 and options.latin1
    encoding = "LATIN1" if latin1 else "UTF8" if utf8 else "SQL_ASCII"
    connection = PostgresConnection(Wire(owner), escaped=utf8 and not latin1)
    for statement in (*_PREPARE, f"SET client_encoding = {encoding}"):
        connection.execute(statement)
    if options.startup:
        connection.execute(options.startup)
    return connection


class PostgresConnection:
    """See `Connection` and `GroupConnection`."""

    dialect = POSTGRES

    def __init__(self, wire: Wire, *, escaped: bool) -> None:
        """`escaped`: bytes that are not UTF-8 have to be."""
        self._wire = wire
        self._encode = anybyte.to_utf8 if escaped else anybyte.unchanged
        self._decode = anybyte.from_utf8 if escaped else anybyte.unchanged

    # -- one statement

    def execute(self, sql: str, parameters: Parameters = (), /) -> Found:
        """See `Connection`."""
        if sql == BEGIN:
            self.read_group(())
            return Found(iter(()))
        with self._wire.talking(committing=sql == COMMIT):
            result = self._wire.run(*self._written(sql, parameters))
        if sql == COMMIT and result.command_status != b"COMMIT":
            raise StatementError("the transaction was rolled back")
        return Found(iter(self._rows(result)), result.command_tuples or 0)

    def stream(self, sql: str, parameters: Parameters = (), /) -> Found:
        """See `Connection`. Until it is read to its end the connection is good for nothing else."""
        with self._wire.talking():
            first = self._wire.first_row(*self._written(sql, parameters))
        return Found(self._streamed(first), 0, self._abandon)

    def _streamed(self, result: PGresult) -> Iterator[FoundRow]:
        readers = self._readers(result)
        while result.status == ExecStatus.SINGLE_TUPLE:
            yield tuple([read(result.get_value(0, column)) for column, read in readers])
            with self._wire.talking():
                result = self._wire.next_row()

    def _abandon(self) -> None:
        if not self._wire.usable:
            self.close()

    # -- a group

    def read_group(self, wanted: Sequence[Wanted]) -> list[list[FoundRow]]:
        """See `GroupConnection`."""
        selects = [(_translator.text(_select_many(table)), keys) for table, keys in wanted]
        statements = [(text, [_array(map(self._encode, keys))]) for text, keys in selects]
        with self._wire.talking():
            for text, _ in selects:
                self._wire.prepare(text)
            results = self._wire.run_all([(b"BEGIN", None), (_LOCK, None), *statements])
        return [self._rows(result) for result in results[2:]]

    def write_group(self, writes: Sequence[Write]) -> None:
        """See `GroupConnection`."""
        statements = [self._written(sql, parameters) for sql, parameters in writes]
        with self._wire.talking():
            for text, _ in statements:
                self._wire.prepare(text)
        with self._wire.talking(committing=True):
            self._wire.run_all([*statements, (b"COMMIT", None)])

    # -- values

    def _written(self, sql: str, parameters: Parameters) -> tuple[bytes, list[bytes | None] | None]:
        """The statement as PostgreSQL takes it, and its values as text."""
        if not parameters:
            return sql.encode("utf-8", "surrogateescape"), None
        values = [value if value is None else self._value(value) for value in parameters]
        return _translator.text(sql), values

    def _value(self, value: bytes | str | float) -> bytes:
        """As text. Raises `ObjectFaultError` for a NUL, which ends a text here and would cut it short."""
        text = value if isinstance(value, bytes) else str(value).encode()
        if b"\0" in text:
            raise ObjectFaultError("a value holds a NUL character")
        return self._encode(text)

    def _rows(self, result: PGresult) -> list[FoundRow]:
        readers, value = self._readers(result), result.get_value
        return [tuple([read(value(row, column)) for column, read in readers]) for row in range(result.ntuples)]

    def _readers(self, result: PGresult) -> list[tuple[int, _Read]]:
        """How the values of each column are read."""
        return [(column, self._reader(result.ftype(column))) for column in range(result.nfields)]

    def _reader(self, kind: int) -> _Read:
        decode = self._decode
        if kind in _INTEGERS:
            return lambda value: None if value is None else int(value)
        if kind in _FLOATS:
            return lambda value: None if value is None else float(value)
        if kind == _FIXED_WIDTH:
            return lambda value: None if value is None else decode(value.rstrip(b" "))
        return lambda value: None if value is None else decode(value)

    # -- the connection

    def alive(self) -> bool:
        """See `Connection`."""
        return self._wire.is_open()

    def limit(self, seconds: float, size: int) -> None:
        """See `Connection`. What a value holds at most is up to the server; the answer as a whole is bounded."""
        del size
        self.execute("SET default_transaction_read_only = on")
        self.execute(f"SET statement_timeout = {int(seconds * 1000)}")

    def close(self) -> None:
        """See `Connection`."""
        self._wire.close()


def _select_many(table: TableStatements) -> str:
    return f"SELECT {', '.join(table.columns)} {table.where} = ANY ({VALUE})"


def _array(values: Iterator[bytes]) -> bytes:
    """An array of texts as PostgreSQL writes one."""
    quoted = (b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"' for value in values)
    return b"{" + b",".join(quoted) + b"}"
