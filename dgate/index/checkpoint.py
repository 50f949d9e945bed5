"""How far a regeneration has come, kept in the database itself so that it is never ahead of the rows.

An interrupted run is continued if what lies before its last committed file is as it was: the same settings, the same
number of object files, none of them changed since the run began, and the rows still there. Otherwise it starts over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.index.database.dialect import BEGIN, COMMIT, VALUE
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.index.database.base import Connection

TABLE = "dgateRegenerate"
COLUMNS = ("Fingerprint", "Started", "Device", "Path", "Seen", "LastRow")
NUMBERS = frozenset({"Started", "Device", "Seen", "LastRow"})
"""Those of the columns that hold no text."""


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
    """How new the table of images is (`Dialect.newness`): lower if somebody else made it anew."""


def is_there(connection: Connection) -> bool:
    """Whether a regeneration was begun and not finished."""
    return TABLE.lower() in names_of_tables(connection)


def names_of_tables(connection: Connection) -> set[str]:
    """The tables there are, in lower case: PostgreSQL knows no other."""
    rows = connection.execute(connection.dialect.table_names).fetchall()
    return {bytes(name).decode("utf-8", "replace").lower() for (name,) in rows}


def begin(connection: Connection) -> None:
    """A regeneration is under way, nothing is entered yet."""
    end(connection)
    connection.execute(
        f"CREATE TABLE {TABLE} (Fingerprint varchar(64), Started double precision, Device int, Path text, Seen int, "
        f"LastRow bigint){connection.dialect.of_table}"
    )


def save(connection: Connection, point: Checkpoint) -> None:
    """Replace the last one."""
    values = (point.fingerprint, point.started, point.device, point.path, point.seen, point.last_row)
    connection.execute(BEGIN)
    connection.execute(f"DELETE FROM {TABLE}")  # noqa: S608 - a constant
    connection.execute(f"INSERT INTO {TABLE} VALUES ({VALUE}, ?, ?, {VALUE}, ?, ?)", values)  # noqa: S608 - a constant
    connection.execute(COMMIT)


def load(connection: Connection) -> Checkpoint | None:
    """The last one, if a regeneration was interrupted after its first portion."""
    if not is_there(connection):
        return None
    row = connection.execute(f"SELECT * FROM {TABLE}").fetchone()  # noqa: S608 - a constant
    return Checkpoint(*row) if row else None


def end(connection: Connection) -> None:
    """Forget the run."""
    connection.execute(f"DROP TABLE IF EXISTS {TABLE}")


def order(path: bytes) -> list[bytes]:
    """Sorts paths as `object_files` yields them."""
    return path.split(b"/")
