"""The one way into the index: rows of many associations, committed in groups.

Whoever submits an entry while nobody writes becomes the writer for all entries that wait; those who come meanwhile form
the next group. So there is never more than one writer and one write transaction, commits are shared under load, and a
lone association pays for no thread switch. Nothing runs while nothing is stored.

Within a transaction an entry's rows are written and its file is put into place; the commit makes both count. If it
fails the file goes back, so that outside this module there is never one without the other.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from dgate.archive.entry import Also, Content, Entry, KeepKnown, Location, Outcome, Refused
from dgate.index import checkpoint
from dgate.index.database.dialect import BEGIN, COMMIT
from dgate.index.database.faults import FAULTS, OBJECT_FAULTS, DatabaseError, ObjectFaultError, UnknownOutcomeError
from dgate.index.database.statements import Statements
from dgate.index.index import driver_for
from dgate.index.rows import Row, Rows, Value, merge, shown
from dgate.index.tables import Level, Tables
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.index.database.base import Connection, Session
    from dgate.interfaces import Log

__all__ = ["Also", "Content", "Entry", "KeepKnown", "Location", "Outcome", "Refused", "Writer"]

T = TypeVar("T")
GROUP = 256
SEEN_LIMIT = 4096
SLOT = 32
"""AccessTime counts in steps of this many seconds."""


@dataclass(slots=True)
class _Unresolved:
    """A group of which only the server knows whether it was committed."""

    session: Session
    placed: list[Entry]
    committed: bool = False


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
        self._driver = driver_for(options)
        self._statements = [Statements(table, placed=level == Level.IMAGE) for level, table in enumerate(tables.levels)]
        self._waiting: deque[Entry] = deque()
        self._turn = threading.Lock()
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._identity: object = None
        self._unresolved: list[_Unresolved] = []
        self._seen: dict[tuple[Level, Value], tuple[Row, int]] = {}

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
        """Where an object lies according to the committed rows. Raises `DatabaseError`, `FAULTS`."""
        with self._turn:
            found = self._open().execute(self._statements[Level.IMAGE].select, (uid,)).fetchone()
        return Location(found[-1] or b"", found[-2] or b"") if found else None

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Change tables that are not the index in a transaction of their own; returns when it is committed.

        Raises `DatabaseError`, what SQLite raises, and what `work` does: nothing is changed then.
        """
        with self._turn:
            try:
                connection = self._open()
                connection.execute(BEGIN)
                result = work(connection)
                connection.execute(COMMIT)
            except BaseException:
                self._close()
                raise
        return result

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """The write connection for other work, while no store is between its rows and its file.

        What is not committed inside is rolled back. Raises `DatabaseError`, `FAULTS`.
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
        session = None
        try:
            session = self._begin(entries)
            for entry in entries:
                session.mark()
                self._enter(session, entry, placed)
            session.commit()
            committed = True
        except UnknownOutcomeError as error:
            self._say(error)
            committed = session is not None and self._ask(session, entries, placed)
            placed = []
        except ObjectFaultError as error:
            if len(entries) > 1:
                return self._run_each(entries, placed)
            self._say(error)
            self._give_up(placed)
            _forget(entries)
            return True
        except FAULTS as error:
            self._say(error)
            self._give_up(placed)
            _forget(entries)
        except BaseException:
            self._give_up(placed)
            _forget(entries)
            raise
        finally:
            self._fail_rest(entries)
        for entry in placed if committed else ():
            entry.content.settle()
        return committed

    def _begin(self, entries: list[Entry]) -> Session:
        """Start a group. Another process may have deleted or changed what we remember of the upper rows."""
        self._open()
        session = self._session
        if session is None:
            session = self._session = self._driver.session(self._open(), self._statements)
        if not session.begin(entries):
            self._seen.clear()
        return session

    def _say(self, error: Exception) -> None:
        reason = error.reason if isinstance(error, DatabaseError) else error
        self._log.console(f"***{self._driver.dialect.executes} error: {reason}")

    def _fail_rest(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.outcome is None:
                entry.outcome = Outcome.FAILED
                self._log.console(f"***Error saving to SQL: {shown(entry.label)}")

    def _give_up(self, placed: list[Entry]) -> None:
        """Take the whole group back, rows and files; the next group starts with a fresh connection."""
        self._close()
        for entry in reversed(placed):
            entry.content.undo()

    def _run_each(self, entries: list[Entry], placed: list[Entry]) -> bool:
        """One of a group is refused by the database, which does not say which: one after the other, then."""
        self._close()
        for entry in reversed(placed):
            entry.content.withdraw()
        for entry in entries:
            entry.outcome = None
        done = [self._run([entry]) for entry in entries]
        return all(done)

    def _ask(self, session: Session, entries: list[Entry], placed: list[Entry]) -> bool:
        """Whether a group was committed of which we were not told. As long as nobody can say, its files stay."""
        self._close()
        doubtful = _Unresolved(session, placed)
        self._unresolved.append(doubtful)
        try:
            self._open()
        except FAULTS as error:
            self._say(error)
        if not doubtful.committed:
            _forget(entries)
        return doubtful.committed

    def _enter(self, session: Session, entry: Entry, placed: list[Entry]) -> None:
        """One object's rows and file, or nothing of it."""
        try:
            self._write(session, entry, placed)
        except Refused as refusal:
            self._log.console(str(refusal))
            self._log.console(f"***Error saving to SQL: {shown(entry.label)}")
            entry.outcome = Outcome.REFUSED
        except KeepKnown:
            entry.outcome = Outcome.KEPT
        except OSError as error:
            self._log.console(f"***Error writing file {shown(entry.label)}: {error.strerror}")
            entry.outcome = Outcome.FAILED
        except OBJECT_FAULTS as error:
            self._say(error)
            if placed and placed[-1] is entry:
                placed.pop().content.undo()
            entry.outcome = Outcome.FAILED
        else:
            entry.outcome = Outcome.STORED
            session.keep()
            return
        session.drop()
        for level, row in enumerate(entry.rows.levels):
            self._seen.pop((Level(level), row[0]), None)

    def _write(self, session: Session, entry: Entry, placed: list[Entry]) -> None:
        slot = int(self._clock()) // SLOT * SLOT
        image = entry.rows.image
        found = session.find(Level.IMAGE, image[0])  # first, as the original: what is wrong is said of this table
        for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
            row = entry.rows.levels[level]
            if row[0] is not None and self._seen.get((level, row[0])) != (row, slot):
                self._upper_row(session, level, row, slot, entry.rows)
        known = None
        if found is not None:
            self._compare(Level.IMAGE, found[: len(image)], image, entry.rows)
            known = Location(found[-1] or b"", found[-2] or b"")
        where = entry.content.place(known)
        placed.append(entry)
        values = (*image, slot, where.path, where.device)
        if found is None:
            session.insert(Level.IMAGE, values)
        else:
            session.update(Level.IMAGE, values, image[0])
        if entry.also is not None:
            entry.also(session, where)

    def _upper_row(self, session: Session, level: Level, row: Row, slot: int, rows: Rows) -> None:
        found = session.find(level, row[0])
        if found is None:
            session.insert(level, (*row, slot))
        else:
            old: Row = found[:-1]
            new = merge(level, self._tables.levels[level], old, row)
            self._compare(level, old, new if level == Level.STUDY else row, rows)
            if new != old or found[-1] != slot:
                session.update(level, (*new, slot), row[0])
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

    def _open(self) -> Connection:
        """The write connection; a new one when the old one broke or the database was replaced. Raises `FAULTS`.

        What is known only to the server is asked first, so that no object is placed while a file of it is in doubt.
        """
        current = self._driver.identity()
        if self._connection is not None and (current != self._identity or not self._connection.alive()):
            self._close()
        if self._connection is None:
            connection = self._driver.connect(create=True, writing=True)
            self._connection = connection
            self._identity = self._driver.identity()
            self._resolve(connection)
            if not self._regenerating and checkpoint.is_there(connection):
                self._log.console("***The index is incomplete, a regeneration was interrupted: run dgate -r again")
        return self._connection

    def _resolve(self, connection: Connection) -> None:
        while self._unresolved:
            doubtful = self._unresolved[0]
            doubtful.committed = doubtful.session.was_committed(connection)
            del self._unresolved[0]
            for entry in reversed(doubtful.placed):
                if not doubtful.committed:
                    entry.content.undo()
                    continue
                entry.content.settle()
                if entry.outcome == Outcome.FAILED:
                    self._log.console(f"Entered after all: {shown(entry.label)}")

    def _close(self) -> None:
        """Closing rolls an open transaction back."""
        self._seen.clear()
        self._session = None
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*FAULTS):  # of a damaged database; nothing is lost by it
                connection.close()


def _forget(entries: list[Entry]) -> None:
    """Nothing of a group is there: neither what was stored, nor what was kept because another one was stored."""
    for entry in entries:
        if entry.outcome in (Outcome.STORED, Outcome.KEPT):
            entry.outcome = None


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
