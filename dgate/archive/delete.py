"""Deleting a patient, study, series or image (conquest-server.md 7.5): rows from the bottom up, then files.

Works through the one writer, in portions, so that stores go on in between. Before the rows of a portion go, its files
are noted in the journals of their devices; what a crash leaves is finished at the next start (`recovery.py`). So there
is never a row without its file, and no file stays that a regeneration would bring back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dgate.archive.placing import lawful
from dgate.archive.spool import Spool
from dgate.index.database.dialect import BEGIN, COMMIT
from dgate.index.database.faults import UnknownOutcomeError
from dgate.index.rows import shown
from dgate.index.tables import Level, Tables
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.archive.stores import Stores
    from dgate.index.database.base import Connection

PORTION = 200
KEYS = ("patient_id", "study_uid", "series_uid", "sop_uid")
"""What may name an object, from the top. All that are given must match."""


class Deletable(Protocol):
    """What deleting needs of an archive."""

    @property
    def stores(self) -> Stores:
        """Devices, writer and log."""


@dataclass(frozen=True, slots=True)
class _Note:
    """A file that goes, noted in its device's journal."""

    home: Spool
    path: bytes
    token: bytes


class Names:
    """The tables and columns that link the levels."""

    def __init__(self, tables: Tables) -> None:
        self.tables = [table.name for table in tables.levels]
        self.keys = [table.key.name for table in tables.levels]
        self.links = [table.link.name for table in tables.levels]

    def chain(self, level: Level) -> str:
        """The rows of a level with those above them, as far as they exist."""
        text = self.tables[level]
        for below in range(level, 0, -1):
            above = below - 1
            text += (
                f" LEFT JOIN {self.tables[above]} ON {self.tables[below]}.{self.links[below]} = "
                f"{self.tables[above]}.{self.keys[above]}"
            )
        return text

    def conditions(self, level: Level, keys: Mapping[str, bytes]) -> tuple[str, list[bytes]]:
        """WHERE text and parameters for the keys down to a level."""
        parts, values = [], []
        for at, name in enumerate(KEYS[: level + 1]):
            if name in keys:
                # a study row knows its patient itself, whether the patient has a row or not
                column = (
                    f"{self.tables[at + 1]}.{self.links[at + 1]}"
                    if at < level
                    else f"{self.tables[at]}.{self.keys[at]}"
                )
                parts.append(f"{column} = CAST(? AS TEXT)")
                values.append(keys[name])
        return " AND ".join(parts), values

    def images(self, keys: Mapping[str, bytes]) -> tuple[str, list[bytes]]:
        """SELECT of UID, path and device of all images that the keys name, and its parameters."""
        where, values = self.conditions(Level.IMAGE, keys)
        table = self.tables[Level.IMAGE]
        columns = f"{table}.{self.keys[Level.IMAGE]}, {table}.ObjectFile, {table}.DeviceName"
        sql = f"SELECT {columns} FROM {self.chain(Level.IMAGE)} WHERE {where} ORDER BY {columns}"  # noqa: S608 - names from dicom.sql
        return sql, values

    def delete_childless(self, level: Level) -> str:
        """DELETE for one row, if no row below belongs to it; the parameters are its key, twice."""
        below = level + 1
        return (
            f"DELETE FROM {self.tables[level]} WHERE {self.keys[level]} = CAST(? AS TEXT) AND NOT EXISTS "  # noqa: S608
            f"(SELECT 1 FROM {self.tables[below]} WHERE {self.links[below]} = CAST(? AS TEXT))"
        )


def delete(
    archive: Deletable,
    level: Level,
    keys: Mapping[str, bytes],
    *,
    keep_files: bool = False,
    older_than: float | None = None,
    only_if: Callable[[], bool] = lambda: True,
) -> int:
    """Delete the patient, study, series or image that the keys name; returns how many images went.

    `keys` are of `KEYS`; without the level's own key nothing is deleted. With `keep_files` only the rows go; with
    `older_than`, a unix time, images stored since then stay. `only_if` is asked while nobody stores: whether to go on.
    Raises `FAULTS` of the index; what was deleted by then stays deleted.
    """
    wanted = {name: keys[name] for name in KEYS[: level + 1] if keys.get(name)}
    if KEYS[level] not in wanted:
        return 0
    stores = archive.stores
    names = Names(stores.tables)
    where, values = names.conditions(Level.IMAGE, wanted)
    if older_than is not None:
        where += f" AND COALESCE({names.tables[Level.IMAGE]}.AccessTime, 0) < {int(older_than)}"
    count = gone = _portion(stores, names, where, values, keep_files=keep_files, only_if=only_if)
    while gone == PORTION:
        gone = _portion(stores, names, where, values, keep_files=keep_files, only_if=only_if)
        count += gone
    _delete_childless(stores, names, level, wanted)
    return count


def _portion(
    stores: Stores, names: Names, where: str, values: list[bytes], *, keep_files: bool, only_if: Callable[[], bool]
) -> int:
    """Delete some of the images, rows and files; how many."""
    table, key, link = names.tables[Level.IMAGE], names.keys[Level.IMAGE], names.links[Level.IMAGE]
    select = (
        f"SELECT {table}.{key}, ObjectFile, DeviceName, {table}.{link} "  # noqa: S608 - names from dicom.sql
        f"FROM {names.chain(Level.IMAGE)} WHERE {where} LIMIT {PORTION}"
    )
    with stores.writer.exclusive() as connection:
        if not only_if():
            return 0
        connection.execute(BEGIN)
        rows = connection.execute(select, values).fetchall()
        notes: list[_Note] = []
        try:
            if not keep_files:
                notes.extend(_notes(stores, rows))
            for row in rows:
                connection.execute(f"DELETE FROM {table} WHERE {key} = CAST(? AS TEXT)", row[:1])  # noqa: S608
            for series in {row[3] for row in rows}:
                _delete_upwards(connection, names, series)
            connection.execute(COMMIT)
        except UnknownOutcomeError:  # the next start finds out: what has no row any more goes then
            raise
        except BaseException:
            for note in notes:
                note.home.settle(note.token)
            raise
        for note in notes:
            _remove(stores, note)
    return len(rows)


def _notes(stores: Stores, rows: Sequence[tuple[bytes, bytes | None, bytes | None, bytes | None]]) -> Iterator[_Note]:
    """Note the files that are ours to remove; those on a device we do not write to stay."""
    for uid, path, device, _ in rows:
        home = stores.devices.named(device or b"")
        if home is None or not lawful(path or b""):
            stores.log.console(f"***File stays, its device is not ours: {shown(device)}:{shown(path)}")
        else:
            for each in stores.devices.homes(home):
                yield _Note(each, path or b"", each.intend_deletion(uid, path or b""))


def _remove(stores: Stores, note: _Note) -> None:
    """The file, and folders that are empty now."""
    try:
        note.home.remove(note.path)
        note.home.prune(note.path)
    except OSError as error:
        stores.log.console(f"***File cannot be deleted: {shown(note.path)}: {error.strerror}")
    note.home.settle(note.token)


def _delete_upwards(connection: Connection, names: Names, key: bytes | None) -> None:
    """A series without images goes, then its study and its patient if they have nothing else."""
    for level in (Level.SERIES, Level.STUDY, Level.PATIENT):
        if key is None:
            return
        link = None
        if level != Level.PATIENT:
            sql = f"SELECT {names.links[level]} FROM {names.tables[level]} WHERE {names.keys[level]} = CAST(? AS TEXT)"  # noqa: S608
            row = connection.execute(sql, (key,)).fetchone()
            link = row[0] if row else None
        if not connection.execute(names.delete_childless(level), (key, key)).rowcount:
            return
        key = link


def _delete_childless(stores: Stores, names: Names, level: Level, keys: Mapping[str, bytes]) -> None:
    """Rows that never had an image, left by another program."""
    with stores.writer.exclusive() as connection:
        connection.execute(BEGIN)
        for at in range(Level.SERIES, level - 1, -1):
            where, values = names.conditions(Level(at), keys)
            table, key = names.tables[at], names.keys[at]
            found = connection.execute(f"SELECT {table}.{key} FROM {names.chain(Level(at))} WHERE {where}", values)  # noqa: S608
            for (value,) in found.fetchall():
                connection.execute(names.delete_childless(Level(at)), (value, value))
        connection.execute(COMMIT)
