"""How far a regeneration has come, kept in the database itself so that it is never ahead of the rows.

An interrupted run is continued if what lies before its last committed file is as it was: the same settings, the same
number of object files, none of them changed since the run began, and the rows still there. Otherwise it starts over.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

TABLE = "dgateRegenerate"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything up to `path` of a device is entered. Files are in the order of `object_files`."""

    fingerprint: bytes
    started: float
    device: int
    path: bytes
    seen: int
    """Object files met so far."""
    last_row: int
    """Row number of the newest image: rows made anew by somebody else begin at 1 again."""


def is_there(connection: sqlite3.Connection) -> bool:
    """Whether a regeneration was begun and not finished."""
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(sql, (TABLE,)).fetchone() is not None


def begin(connection: sqlite3.Connection) -> None:
    """A regeneration is under way, nothing is entered yet."""
    end(connection)
    connection.execute(
        f"CREATE TABLE {TABLE} (Fingerprint blob, Started real, Device int, Path blob, Seen int, LastRow int)"
    )


def save(connection: sqlite3.Connection, point: Checkpoint) -> None:
    """Replace the last one."""
    values = (point.fingerprint, point.started, point.device, point.path, point.seen, point.last_row)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"DELETE FROM {TABLE}")  # noqa: S608 - a constant
    connection.execute(f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608 - a constant
    connection.execute("COMMIT")


def load(connection: sqlite3.Connection) -> Checkpoint | None:
    """The last one, if a regeneration was interrupted after its first portion."""
    if not is_there(connection):
        return None
    row = connection.execute(f"SELECT * FROM {TABLE}").fetchone()  # noqa: S608 - a constant
    return Checkpoint(*row) if row else None


def end(connection: sqlite3.Connection) -> None:
    """Forget the run."""
    connection.execute(f"DROP TABLE IF EXISTS {TABLE}")


def order(path: bytes) -> list[bytes]:
    """Sorts paths as `object_files` yields them."""
    return path.split(b"/")
