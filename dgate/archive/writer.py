"""The one way into the index: rows of many associations, committed in groups.

Whoever submits an entry while nobody writes becomes the writer for all entries that wait; those who come meanwhile form
the next group. So there is never more than one writer and one write transaction, commits are shared under load, and a
lone association pays for no thread switch. Nothing runs while nothing is stored.

Within a transaction an entry's rows are written and its file is put into place; the commit makes both count. If it
fails the file goes back, so that outside this module there is never one without the other.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from dgate.archive import checkpoint
from dgate.archive.index import DatabaseError, connect, identity
from dgate.archive.rows import Row, Rows, Value, merge
from dgate.archive.tables import Level, Table, Tables

if TYPE_CHECKING:
    from dgate.archive.options import ArchiveOptions
    from dgate.interfaces import Log

GROUP = 256
SEEN_LIMIT = 4096
SLOT = 32
"""AccessTime counts in steps of this many seconds."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where an object's file lies: device name, path below its folder."""

    device: bytes
    path: bytes


class Content(Protocol):
    """The file that belongs to an entry."""

    def place(self, known: Location | None) -> Location:
        """Put it where it belongs; `known` is where an object with this UID lies now. Raises OSError, `KeepKnown`."""

    def undo(self) -> None:
        """The rows did not make it: as before `place`."""

    def settle(self) -> None:
        """Rows and file are both there for good."""


class KeepKnown(Exception):  # noqa: N818 - an outcome, not an error
    """The known object stays, the new one is dropped, and that is a success (IgnoreRewrite)."""


class Refused(Exception):  # noqa: N818 - an outcome, not an error
    """The rows contradict known ones; the text is the log line."""


class Outcome(Enum):
    """What became of an entry."""

    STORED = "stored"
    KEPT = "kept"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(slots=True)
class Entry:
    """An object to be entered. `label` names it in log lines."""

    rows: Rows
    content: Content
    label: bytes
    outcome: Outcome | None = None


def shown(value: Value) -> str:
    """A stored value in a log line: one line, whatever a peer sent."""
    text = (value or b"").decode("latin-1")
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)


class _Statements:
    """The SQL of one table, made once. CAST keeps received bytes as text without changing them."""

    def __init__(self, table: Table, *, placed: bool) -> None:
        names = [column.name for column in table.columns]
        more = ["AccessTime", "ObjectFile", "DeviceName"] if placed else ["AccessTime"]
        marks = ["CAST(? AS TEXT)"] * len(names) + ["?", *["CAST(? AS TEXT)"] * (len(more) - 1)]
        pairs = ", ".join(f"{name} = {mark}" for name, mark in zip(names + more, marks, strict=True))
        key = f"{names[0]} = CAST(? AS TEXT)"
        self.select = f"SELECT {', '.join(names + more)} FROM {table.name} WHERE {key}"  # noqa: S608
        self.insert = f"INSERT INTO {table.name} ({', '.join(names + more)}) VALUES ({', '.join(marks)})"  # noqa: S608
        self.update = f"UPDATE {table.name} SET {pairs} WHERE {key}"  # noqa: S608 - names from dicom.sql, checked there


@dataclass(frozen=True, slots=True)
class _Ends:
    """The statements after an object's rows: where they are kept, and where they are taken back."""

    kept: tuple[str, ...]
    dropped: tuple[str, ...]


ONE_OF_MANY = _Ends(("RELEASE object",), ("ROLLBACK TO object", "RELEASE object"))
ALONE = _Ends((), ("ROLLBACK", "BEGIN"))
"""The transaction itself is the object's: a savepoint inside it would be two statements for nothing."""


class Writer:
    """Owns the write connection. Thread-safe."""

    def __init__(
        self,
        options: ArchiveOptions,
        tables: Tables,
        log: Log,
        clock: Callable[[], float] = time.time,
        *,
        regenerating: bool = False,
    ) -> None:
        """`regenerating`: an index that is not complete yet is what this writer is for."""
        self._options = options
        self._tables = tables
        self._log = log
        self._clock = clock
        self._regenerating = regenerating
        self._statements = [
            _Statements(table, placed=level == Level.IMAGE) for level, table in enumerate(tables.levels)
        ]
        self._waiting: deque[Entry] = deque()
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._seen: dict[tuple[Level, Value], tuple[Row, int]] = {}
        self._version = 0

    @property
    def waiting(self) -> int:
        """How many objects wait to be entered."""
        return len(self._waiting)

    def submit(self, entry: Entry) -> Outcome:
        """Enter one object; returns when it is committed or given up. Never raises for bad rows or a bad database."""
        self._waiting.append(entry)
        with self._turn:
            while entry.outcome is None:
                self._run([self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))])
        return entry.outcome

    def submit_all(self, entries: Sequence[Entry]) -> bool:
        """Enter many objects in one transaction; see each one's outcome. False if it could not be committed."""
        with self._turn:
            return self._run(list(entries))

    def location(self, uid: bytes) -> Location | None:
        """Where an object lies according to the committed rows. Raises `DatabaseError`, sqlite3.Error."""
        with self._turn:
            found = self._open().execute(self._statements[Level.IMAGE].select, (uid,)).fetchone()
        return Location(found[-1] or b"", found[-2] or b"") if found else None

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The write connection for other work, while no store is between its rows and its file.

        What is not committed inside is rolled back. Raises `DatabaseError`, sqlite3.Error.
        """
        with self._turn:
            connection = self._open()
            self._seen.clear()
            try:
                yield connection
            except BaseException:
                self._close()
                raise

    def close(self) -> None:
        """Wait for the current group and close the connection."""
        with self._turn:
            self._close()

    # -- one group

    def _run(self, entries: list[Entry]) -> bool:
        committed = False
        placed: list[Entry] = []
        try:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            self._forget_if_changed(connection)
            if len(entries) == 1:
                self._enter(connection, entries[0], placed, ALONE)
            else:
                for entry in entries:
                    connection.execute("SAVEPOINT object")
                    self._enter(connection, entry, placed, ONE_OF_MANY)
            connection.execute("COMMIT")
            committed = True
        except (sqlite3.Error, DatabaseError) as error:
            self._log.console(f"***SQLITEExec error: {error}")
            self._give_up(placed)
        except BaseException:
            self._give_up(placed)
            raise
        finally:
            for entry in entries:
                if entry.outcome is None:
                    entry.outcome = Outcome.FAILED
                    self._log.console(f"***Error saving to SQL: {shown(entry.label)}")
        for entry in placed:
            if entry.outcome == Outcome.STORED:
                entry.content.settle()
        return committed

    def _forget_if_changed(self, connection: sqlite3.Connection) -> None:
        """Another process may have deleted or changed what we remember of the upper rows."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._seen.clear()
            self._version = version

    def _give_up(self, placed: list[Entry]) -> None:
        """Take the whole group back, rows and files; the next group starts with a fresh connection."""
        self._seen.clear()
        self._close()
        for entry in reversed(placed):
            entry.outcome = None
            entry.content.undo()

    def _enter(self, connection: sqlite3.Connection, entry: Entry, placed: list[Entry], ends: _Ends) -> None:
        """One object's rows and file, or nothing of it."""
        try:
            self._write(connection, entry, placed)
        except Refused as refusal:
            self._log.console(str(refusal))
            self._log.console(f"***Error saving to SQL: {shown(entry.label)}")
            entry.outcome = Outcome.REFUSED
        except KeepKnown:
            entry.outcome = Outcome.KEPT
        except OSError as error:
            self._log.console(f"***Error writing file {shown(entry.label)}: {error.strerror}")
            entry.outcome = Outcome.FAILED
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:  # this object's fault, not the database's
            self._log.console(f"***SQLITEExec error: {error}")
            if placed and placed[-1] is entry:
                placed.pop().content.undo()
            entry.outcome = Outcome.FAILED
        else:
            entry.outcome = Outcome.STORED
            for statement in ends.kept:
                connection.execute(statement)
            return
        for statement in ends.dropped:
            connection.execute(statement)
        for level, row in enumerate(entry.rows.levels):
            self._seen.pop((Level(level), row[0]), None)

    def _write(self, connection: sqlite3.Connection, entry: Entry, placed: list[Entry]) -> None:
        slot = int(self._clock()) // SLOT * SLOT
        for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
            row = entry.rows.levels[level]
            if row[0] is not None and self._seen.get((level, row[0])) != (row, slot):
                self._upper_row(connection, level, row, slot, entry.rows)
        image = entry.rows.image
        statements = self._statements[Level.IMAGE]
        found = connection.execute(statements.select, (image[0],)).fetchone()
        known = None
        if found is not None:
            self._compare(Level.IMAGE, found[: len(image)], image, entry.rows)
            known = Location(found[-1] or b"", found[-2] or b"")
        where = entry.content.place(known)
        placed.append(entry)
        values = (*image, slot, where.path, where.device)
        if found is None:
            connection.execute(statements.insert, values)
        else:
            connection.execute(statements.update, (*values, image[0]))

    def _upper_row(self, connection: sqlite3.Connection, level: Level, row: Row, slot: int, rows: Rows) -> None:
        statements = self._statements[level]
        found = connection.execute(statements.select, (row[0],)).fetchone()
        if found is None:
            connection.execute(statements.insert, (*row, slot))
        else:
            old: Row = found[:-1]
            new = merge(level, self._tables.levels[level], old, row)
            self._compare(level, old, new if level == Level.STUDY else row, rows)
            if new != old or found[-1] != slot:
                connection.execute(statements.update, (*new, slot, row[0]))
        if len(self._seen) >= SEEN_LIMIT:
            self._seen.clear()
        self._seen[level, row[0]] = (row, slot)

    def _compare(self, level: Level, old: Row, new: Row, rows: Rows) -> None:
        """Report what differs. Raises `Refused` where the object would move to another patient, study or series.

        That goes for a known SOP instance UID with a new series as well, whether patient and study are new or not. (The
        original acknowledges the former and then cannot give it back.) The sender learns that the object is not kept,
        and the known one stays retrievable.
        """
        table = self._tables.levels[level]
        where = _where(level, self._tables, rows)
        if level != Level.PATIENT and old[-1] != new[-1]:
            text = f"inconsistent link {table.link.name} into {table.name}: {where}"
            raise Refused(f"***Refused to enter {text}, Old='{shown(old[-1])}', Refused='{shown(new[-1])}'")
        for column, before, after in zip(table.columns, old, new, strict=True):
            if before == after or before is None or after is None:
                continue
            values = f"Old='{shown(before)}', New='{shown(after)}'"
            line = f"Inconsistent {column.name} in {table.name}: {where}, {values}"
            if level == Level.STUDY and column.tag == _BIRTH_DATE:
                self._log.console("***" + line)
            else:
                self._log.trouble(line)

    # -- the connection

    def _open(self) -> sqlite3.Connection:
        """The write connection; a new one when the database file was replaced. Raises `DatabaseError`."""
        current = identity(self._options.database)
        if self._connection is not None and current != self._identity:
            self._close()
        if self._connection is None:
            self._connection = connect(self._options)
            self._identity = identity(self._options.database)
            self._seen.clear()
            if not self._regenerating and checkpoint.is_there(self._connection):
                self._log.console("***The index is incomplete, a regeneration was interrupted: run dgate -r again")
        return self._connection

    def _close(self) -> None:
        """Closing rolls an open transaction back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):  # of a damaged database; nothing is lost by it
                connection.close()


_BIRTH_DATE = 0x00100030


def _where(level: Level, tables: Tables, rows: Rows) -> str:
    """Which row a log line is about, in the original's words."""
    patient_id = rows.levels[Level.STUDY][-1]
    patient = f"{tables.levels[Level.PATIENT].key.name} = '{shown(patient_id)}'"
    if level == Level.PATIENT:
        return patient
    table, row = tables.levels[level], rows.levels[level]
    key = f"{patient} {table.key.name} = '{shown(row[0])}'"
    if level == Level.IMAGE:
        return f"{key} AND {table.columns[-2].name} = '{shown(row[-2])}'"
    return key
