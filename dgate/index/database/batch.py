"""How a group of objects is written on a server: what it may touch is read at once, what it changes is sent at once.

Between the two, rows are found and changed in memory, so that an object costs no way to the server and back, and taking
one back costs nothing. Nobody else of ours writes meanwhile: a transaction begins with a lock that all of us take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from dgate.index.database.dialect import ROLLBACK
from dgate.index.tables import Level
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.index.database.base import Connection, Entering, FoundRow, Parameters, TableStatements
    from dgate.index.rows import Value

Write = tuple[str, "Parameters"]
"""A statement of the house's SQL with its parameters."""
Wanted = tuple["TableStatements", Sequence[bytes]]
"""The rows of a table that have one of these keys."""


class GroupConnection(Protocol):
    """What a server's connection does beyond single statements."""

    def read_group(self, wanted: Sequence[Wanted]) -> list[list[FoundRow]]:
        """Begin a transaction that writes, and select. One way to the server and back."""

    def write_group(self, writes: Sequence[Write]) -> None:
        """Write and commit. Likewise. Raises as `Session.commit`."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What became of a row."""

    level: Level
    key: Value
    before: FoundRow | None
    now: FoundRow


class BatchSession:
    """See `Session`."""

    def __init__(self, connection: GroupConnection, statements: Sequence[TableStatements]) -> None:
        self._connection = connection
        self._statements = statements
        self._rows: list[dict[Value, FoundRow]] = []
        self._writes: list[Write] = []
        self._changes: list[_Change] = []
        self._marked = 0, 0

    def begin(self, entries: Sequence[Entering]) -> bool:
        """See `Session`. Every row a group can need is read, so nothing has to be remembered from the last one."""
        keys = [_keys(entries, level) for level in Level]
        self._rows = _by_key(keys, self._connection.read_group(self._wanted(keys)))
        self._writes, self._changes = [], []
        return False

    def _wanted(self, keys: Sequence[Sequence[bytes]]) -> list[Wanted]:
        return [(self._statements[level], keys[level]) for level in Level if keys[level]]

    def mark(self) -> None:
        """See `Session`."""
        self._marked = len(self._writes), len(self._changes)

    def find(self, level: Level, key: Value) -> FoundRow | None:
        """See `Session`."""
        return self._rows[level].get(key)

    def insert(self, level: Level, values: FoundRow) -> None:
        """See `Session`."""
        self._writes.append((self._statements[level].insert, values))
        self._change(level, values[0], values)

    def update(self, level: Level, values: FoundRow, key: Value) -> None:
        """See `Session`."""
        self._writes.append((self._statements[level].update, (*values, key)))
        self._change(level, key, values)

    def _change(self, level: Level, key: Value, values: FoundRow) -> None:
        rows = self._rows[level]
        self._changes.append(_Change(level, key, rows.get(key), values))
        rows[key] = values

    def execute(self, sql: str, parameters: Parameters) -> None:
        """See `Session`."""
        self._writes.append((sql, parameters))

    def keep(self) -> None:
        """See `Session`."""

    def drop(self) -> None:
        """See `Session`."""
        writes, changes = self._marked
        del self._writes[writes:]
        while len(self._changes) > changes:
            change = self._changes.pop()
            if change.before is None:
                del self._rows[change.level][change.key]
            else:
                self._rows[change.level][change.key] = change.before

    def commit(self) -> None:
        """See `Session`."""
        self._connection.write_group(self._writes)

    def was_committed(self, connection: Connection) -> bool:
        """See `Session`. One row that is as we made it and was not before is proof: all of it is there, or nothing."""
        first: dict[tuple[Level, Value], FoundRow | None] = {}
        for change in self._changes:
            first.setdefault((change.level, change.key), change.before)
        keys = [[key for level, key in first if level == wanted and key is not None] for wanted in Level]
        found = _by_key(keys, cast("GroupConnection", connection).read_group(self._wanted(keys)))
        connection.execute(ROLLBACK)
        return any(before != self._rows[level][key] == found[level].get(key) for (level, key), before in first.items())


def _keys(entries: Sequence[Entering], level: Level) -> list[bytes]:
    """The keys of a table that a group has, each once."""
    return list(dict.fromkeys(key for entry in entries if (key := entry.rows.levels[level][0]) is not None))


def _by_key(keys: Sequence[Sequence[bytes]], found: Sequence[Sequence[FoundRow]]) -> list[dict[Value, FoundRow]]:
    """The rows of each table, by their keys. Without primary keys the first of equal ones counts."""
    rest = iter(found)
    return [{row[0]: row for row in reversed(next(rest))} if wanted else {} for wanted in keys]
