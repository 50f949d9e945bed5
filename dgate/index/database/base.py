"""What the rest of the archive knows of a database: connections, their cursors, and the one who writes a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dgate.index.database.dialect import Dialect
    from dgate.index.rows import Rows, Value
    from dgate.index.tables import Level

Parameters = Sequence[bytes | str | float | None]
FoundRow = tuple[Any, ...]
"""Texts as the bytes that were stored, numbers as numbers."""


class Cursor(Protocol):
    """What a statement found or did."""

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""

    def close(self) -> None:
        """Have done with it, read to its end or not."""


class Connection(Protocol):
    """A connection; used by one thread at a time. Its statements raise `FAULTS`."""

    dialect: Dialect

    def execute(self, sql: str, parameters: Parameters = ..., /) -> Cursor:
        """Run one statement of the house's SQL; without parameters the text stays as it is, whoever wrote it."""

    def stream(self, sql: str, parameters: Parameters = ..., /) -> Cursor:
        """The same for a SELECT of any length: rows are fetched as they are taken."""

    def alive(self) -> bool:
        """Whether there still is somebody at the other end, as far as can be told for nothing."""

    def limit(self, seconds: float, size: int) -> None:
        """From now on select only, each statement for so long, a value so large."""

    def close(self) -> None:
        """End it; an open transaction is rolled back."""


class Driver(Protocol):
    """One kind of database."""

    dialect: Dialect

    def connect(self, *, create: bool = False, writing: bool = False) -> Connection:
        """A new connection; `create` makes a database file where there is none. Raises `DatabaseError`."""

    def identity(self) -> object:
        """Which database this is now; another value when it was replaced behind our back, None when it is gone."""

    def session(self, connection: Connection, statements: Sequence[TableStatements]) -> Session:
        """The way groups of objects are written on this connection."""

    def sync(self) -> None:
        """Put on stable storage what is committed. Raises OSError where that cannot be had."""


class TableStatements(Protocol):
    """The SQL of one table; see `dgate.index.database.statements`."""

    columns: tuple[str, ...]
    where: str
    select: str
    insert: str
    update: str


class Entering(Protocol):
    """An object that is to be entered."""

    rows: Rows


class Executing(Protocol):
    """Whatever takes statements."""

    def execute(self, sql: str, parameters: Parameters, /) -> object:
        """A statement of the house's SQL; what it finds or does is not told."""


class Session(Protocol):
    """The rows of one group of objects, in one transaction. An object's part of it can be taken back alone."""

    def begin(self, entries: Sequence[Entering]) -> bool:
        """Start a group; False if rows may be other ones than at the end of the last group."""

    def mark(self) -> None:
        """What follows belongs to the next object."""

    def find(self, level: Level, key: Value) -> FoundRow | None:
        """A row by its key, as this transaction sees it."""

    def insert(self, level: Level, values: FoundRow) -> None:
        """Add a row."""

    def update(self, level: Level, values: FoundRow, key: Value) -> None:
        """Replace a row."""

    def execute(self, sql: str, parameters: Parameters, /) -> object:
        """A statement of the house's SQL for another table; what it finds or does is not told."""

    def keep(self) -> None:
        """The object's part stays."""

    def drop(self) -> None:
        """The object's part never was."""

    def commit(self) -> None:
        """Raises `UnknownOutcomeError`, `ObjectFaultError` for one of the objects, other `FAULTS`."""

    def was_committed(self, connection: Connection) -> bool:
        """After an unknown outcome: look on another connection what became of the transaction.

        Waits until the server is done with it. Where nothing would tell, it did not change anything either: False.
        """
