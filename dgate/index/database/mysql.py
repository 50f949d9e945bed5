"""MariaDB, through PyMySQL.

Its protocol for statements with values is not to be had from PyMySQL, so values are written as string constants here:
in a character set of one byte, where a quote is a quote, under a mode of the server that is set before anything else.
A group of objects costs two ways to the server and back.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor, SSCursor

from dgate.index.database.batch import BatchSession
from dgate.index.database.dialect import BEGIN, COMMIT, MYSQL, ROLLBACK
from dgate.index.database.faults import (
    DatabaseError,
    ObjectFaultError,
    StatementError,
    UnknownOutcomeError,
    UnreachableError,
)
from dgate.index.database.found import Found
from dgate.index.database.servers import (
    CONNECT_SECONDS,
    LOCK_SECONDS,
    STATEMENT_SECONDS,
    TRANSACTION_SECONDS,
    Translator,
    address,
    one_line,
    password,
)
from dgate.index.database.statements import ACCESS_TIME

if TYPE_CHECKING:
    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.index.database.base import Connection, FoundRow, Parameters, TableStatements
    from dgate.index.database.batch import GroupConnection, Wanted, Write
    from dgate.index.database.servers import Address

DEFAULT_PORT = 3306
_LOST = frozenset({0, 1053, 1080, 1152, 1153, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2014, 2055, 4031})
"""Error numbers after which there is no connection: shut down, killed, broken, aborted, timed out."""
_LOCK_NAME = "MD5(CONCAT('dgate.', DATABASE()))"
_TAKE_LOCK = f"SELECT GET_LOCK({_LOCK_NAME}, {LOCK_SECONDS})".encode()
_GIVE_LOCK = f"DO RELEASE_LOCK({_LOCK_NAME})".encode()
_PREPARE = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    f"SET SESSION idle_transaction_timeout = {TRANSACTION_SECONDS}",
)
_MARK = "\0"
"""Where a value goes in a translated statement; a text without values is never translated."""

_translator = Translator(lambda _: _MARK)


class MySQLDriver:
    """See `Driver`."""

    dialect = MYSQL

    def __init__(self, options: ArchiveOptions) -> None:
        self._options = options

    def connect(self, *, create: bool = False, writing: bool = False) -> MySQLConnection:
        """See `Driver`. Only who writes can send several statements at once: no stranger's text is among them."""
        del create
        options = self._options
        where = address(options.host, DEFAULT_PORT)
        secret = password(options)
        name = f"{options.database} on {options.host}"
        try:
            wire = _wire(where)
            raw: Any = pymysql.connect(
                user=options.username,
                password=secret,
                database=options.database,
                charset="latin1",
                use_unicode=False,
                autocommit=True,
                sql_mode="STRICT_ALL_TABLES",
                connect_timeout=CONNECT_SECONDS,
                read_timeout=STATEMENT_SECONDS,
                write_timeout=STATEMENT_SECONDS,
                client_flag=CLIENT.MULTI_STATEMENTS if writing else 0,
                defer_connect=True,
            )
            raw.connect(wire)
            # A server that offers TLS has put another socket in the place of ours, which is of no use any more.
            connection = MySQLConnection(raw, raw._sock)  # noqa: SLF001 -- PyMySQL tells it in no other way
            for statement in (*_PREPARE, options.startup):
                if statement:
                    connection.execute(statement)
        except (OSError, pymysql.Error) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else _message(error)
            raise UnreachableError(f"The database {name} cannot be opened: {reason}.") from error
        return connection

    def identity(self) -> object:
        """See `Driver`. A server keeps its databases."""
        return ()

    def session(self, connection: Connection, statements: Sequence[TableStatements]) -> BatchSession:
        """See `Driver`."""
        return BatchSession(cast("GroupConnection", connection), statements)

    def sync(self) -> None:
        """See `Driver`. A commit is on stable storage when the server says so, unless it was told to say so sooner."""
        connection = self.connect()
        try:
            (setting,) = connection.execute("SELECT @@innodb_flush_log_at_trx_commit").fetchone() or (0,)
        except DatabaseError as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        if setting != 1:
            raise OSError("the server does not wait for the disk")


def _wire(where: Address) -> socket.socket:
    """A connected socket that notices when the other side has gone."""
    if where.is_local:
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(CONNECT_SECONDS)
        wire.connect(where.host)
        return wire
    wire = socket.create_connection((where.host, where.port), CONNECT_SECONDS)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
        wire.setsockopt(socket.IPPROTO_TCP, option, value)
    return wire


class MySQLConnection:
    """See `Connection` and `GroupConnection`."""

    dialect = MYSQL

    def __init__(self, raw: Any, wire: socket.socket) -> None:
        """`raw` is PyMySQL's, whose types say nothing of statements that are bytes."""
        self._raw = raw
        self._usable = True
        self._poll = select.poll()
        self._poll.register(wire, select.POLLIN)

    # -- one statement

    def execute(self, sql: str, parameters: Parameters = (), /) -> Found:
        """See `Connection`."""
        if sql == BEGIN:
            self.read_group(())
            return Found(iter(()))
        with _Talking(self, committing=sql == COMMIT):
            cursor = self._raw.cursor(Cursor)
            count = cursor.execute(_written(sql, parameters))
            found = Found(iter(cursor.fetchall() if cursor.description else ()), count)
        if sql in (COMMIT, ROLLBACK):
            self._run_all([_GIVE_LOCK])
        return found

    def stream(self, sql: str, parameters: Parameters = (), /) -> Found:
        """See `Connection`. Until it is read to its end the connection is good for nothing else."""
        with _Talking(self):
            cursor = self._raw.cursor(SSCursor)
            cursor.execute(_written(sql, parameters))
        return Found(self._streamed(cursor), 0, self._abandon)

    def _streamed(self, cursor: Any) -> Iterator[FoundRow]:
        self._usable = False
        while True:
            with _Talking(self):
                row = cursor.fetchone()
            if row is None:
                break
            yield row
        self._usable = True

    def _abandon(self) -> None:
        if not self._usable:
            self.close()

    # -- a group

    def read_group(self, wanted: Sequence[Wanted]) -> list[list[FoundRow]]:
        """See `GroupConnection`."""
        return _read(wanted, self._run_all(_reading(wanted)))

    def write_group(self, writes: Sequence[Write]) -> None:
        """See `GroupConnection`."""
        self._run_all([*_inserts_joined(writes), COMMIT.encode(), _GIVE_LOCK], committing=True)

    def _run_all(self, texts: Sequence[bytes], *, committing: bool = False) -> list[Any]:
        """One way to the server and back for several statements; the rows of each."""
        with _Talking(self, committing=committing):
            cursor = self._raw.cursor(Cursor)
            cursor.execute(b"; ".join(texts))
            found = [cursor.fetchall() if cursor.description else ()]
            while cursor.nextset():
                found.append(cursor.fetchall() if cursor.description else ())
        return found

    # -- the connection

    def alive(self) -> bool:
        """See `Connection`. A server that ends a connection closes it, and nobody speaks unasked."""
        return self._usable and self._raw.open and not self._poll.poll(0)

    def limit(self, seconds: float, size: int) -> None:
        """See `Connection`. What a value holds at most is up to the server; the answer as a whole is bounded."""
        del size
        self.execute("SET SESSION TRANSACTION READ ONLY")
        self.execute(f"SET SESSION max_statement_time = {seconds:.3f}")

    def lose(self) -> None:
        """Nothing more is to be expected of it."""
        self._usable = False

    def close(self) -> None:
        """See `Connection`. Without a farewell where the answer to something is still on its way."""
        usable, self._usable = self._usable, False
        try:
            if usable and self._raw.open:
                self._raw.close()
            else:
                self._raw._force_close()  # noqa: SLF001 - `close` would send a farewell and wait
        except (OSError, pymysql.Error):
            self._raw._force_close()  # noqa: SLF001


class _Talking:
    """While this lasts, PyMySQL's errors become ours."""

    def __init__(self, connection: MySQLConnection, *, committing: bool = False) -> None:
        self._connection = connection
        self._committing = committing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, OSError | pymysql.Error):
            return
        if isinstance(error, OSError) or _number(error) in _LOST:
            self._connection.lose()
            lost = UnknownOutcomeError if self._committing else UnreachableError
            raise lost(_message(error)) from error
        kind = ObjectFaultError if isinstance(error, pymysql.DataError | pymysql.IntegrityError) else StatementError
        raise kind(_message(error)) from error


def _reading(wanted: Sequence[Wanted]) -> list[bytes]:
    """A transaction begins and selects, all tables in one: PyMySQL spends more on a result than on its rows."""
    selects = [
        b"%s IN (%s)" % (_select_many(number, table.columns, table.where), b", ".join(map(_constant, keys)))
        for number, (table, keys) in enumerate(wanted)
    ]
    return [_TAKE_LOCK, b"BEGIN", *([b" UNION ALL ".join(selects)] if selects else [])]


@cache
def _select_many(number: int, names: tuple[str, ...], where: str) -> bytes:
    """SELECT of rows as one text each, which begins with a number: describing a column costs more than its value."""
    columns = ", ".join(
        f"IFNULL({name}, '-')" if name == ACCESS_TIME else f"IFNULL(HEX(CONVERT({name} USING latin1)), '-')"
        for name in names
    )
    return f"SELECT CONCAT_WS(' ', {number}, {columns}) {where}".encode()


def _read(wanted: Sequence[Wanted], found: Sequence[Any]) -> list[list[FoundRow]]:
    """The rows of each table. Raises `StatementError` where somebody else has the lock."""
    if not found or found[0] != ((1,),):
        raise StatementError("another process holds the database locked")
    rows: list[list[FoundRow]] = [[] for _ in wanted]
    for (text,) in found[2] if wanted else ():
        number, *parts = text.decode("ascii").split(" ")
        table, _ = wanted[int(number)]
        rows[int(number)].append(_row(parts, table.columns.index(ACCESS_TIME)))
    return rows


def _inserts_joined(writes: Sequence[Write]) -> Iterator[bytes]:
    """The statements with their values in them; rows for one table are added by one statement."""
    for sql, group in groupby(writes, key=lambda write: write[0]):
        texts = [_written(sql, parameters) for _, parameters in group]
        if sql.startswith("INSERT INTO") and len(texts) > 1:
            head = sql.partition(" VALUES ")[0].encode() + b" VALUES "
            yield head + b", ".join(text[len(head) :] for text in texts)
        else:
            yield from texts


def _row(parts: Sequence[str], number: int) -> FoundRow:
    """A row from its texts; `number` is the position of the one number in it."""
    row: list[bytes | int | None] = [None if part == "-" else bytes.fromhex(part) for part in parts[:number]]
    row.append(None if parts[number] == "-" else int(parts[number]))
    row += [None if part == "-" else bytes.fromhex(part) for part in parts[number + 1 :]]
    return tuple(row)


def _number(error: pymysql.Error) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _message(error: BaseException) -> str:
    """Without the number in front."""
    return one_line(str(error.args[-1] if error.args else "")) if not isinstance(error, OSError) else str(error)


def _written(sql: str, parameters: Parameters) -> bytes:
    """The statement with its values in it."""
    if not parameters:
        return sql.encode("utf-8", "surrogateescape")
    first, *parts = _translator.text(sql).split(_MARK.encode())
    return first + b"".join(_constant(value) + part for value, part in zip(parameters, parts, strict=True))


def _constant(value: bytes | str | float | None) -> bytes:
    """A value as SQL."""
    if value is None:
        return b"NULL"
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"'" + value.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0") + b"'"
    return repr(value).encode()
