"""UIDs of our own, and the table UIDMODS: which UID stands for which other one (conquest-server.md 2.2, 5.2, 11.2).

What replaces what is kept there, so the same question gets the same answer, across restarts too.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from dgate.index.database.dialect import BEGIN, COMMIT

if TYPE_CHECKING:
    from dgate.index.database.base import Connection

GENERATED, CHANGED = 6, 7
"""Arc behind UIDPrefix."""
MAX_UID = 64
COLUMNS = "MODTime, OldUID, MODType, NewUID, Stage, Annotation"

_STAGE = "COALESCE(Stage, '') = CAST(? AS TEXT)"
_serial = itertools.count(secrets.randbelow(1_000_000) * 1_000_000)
"""The last number of a UID. It begins anywhere, because instances with one UIDPrefix may ask within the same second."""


class NoRoomError(ValueError):
    """UIDPrefix is so long that a UID below it would have more than 64 characters."""


def uid_below(prefix: str, arc: int) -> str:
    """A UID that nobody has, below UIDPrefix. Raises `NoRoomError`."""
    uid = f"{prefix}.{arc}.{int(time.time())}.{next(_serial)}"
    if len(uid) > MAX_UID:
        raise NoRoomError(f"UIDPrefix is too long: the UID would have {len(uid)} characters")
    return uid


class Exclusive(Protocol):
    """The one who writes to the index."""

    def exclusive(self) -> AbstractContextManager[Connection]:
        """His connection for other work."""


class UIDMods:
    """The table within one transaction, so that two who ask at once get the same answer.

    Stages keep apart what is changed in several steps; the empty one is that of server commands.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix

    def replacement(self, old: bytes, stage: bytes = b"", *, kind: bytes) -> bytes:
        """What stands for a UID from now on; `kind` says who asked first. Raises `NoRoomError`, `FAULTS`."""
        sql = f"SELECT NewUID FROM UIDMODS WHERE OldUID = CAST(? AS TEXT) AND {_STAGE}"  # noqa: S608 - constants
        known = self._connection.execute(sql, (old, stage)).fetchone()
        if known is not None:
            return bytes(known[0])
        made = uid_below(self._prefix, CHANGED).encode()
        self._enter(old, made, stage, kind)
        return made

    def original(self, new: bytes, stage: bytes | None = b"") -> bytes | None:
        """The UID that another one stands for; None for any stage."""
        condition, keys = ("", (new,)) if stage is None else (f" AND {_STAGE}", (new, stage))
        sql = f"SELECT OldUID FROM UIDMODS WHERE NewUID = CAST(? AS TEXT){condition}"  # noqa: S608 - constants
        known = self._connection.execute(sql, keys).fetchone()
        return None if known is None else bytes(known[0])

    def is_known(self, old: bytes, stage: bytes) -> bool:
        """Whether a UID has been replaced."""
        sql = f"SELECT 1 FROM UIDMODS WHERE OldUID = CAST(? AS TEXT) AND {_STAGE}"  # noqa: S608 - constants
        return self._connection.execute(sql, (old, stage)).fetchone() is not None

    def choose(self, old: bytes, new: bytes, stage: bytes, *, kind: bytes) -> None:
        """Let this UID stand for that one, whatever did before."""
        sql = f"DELETE FROM UIDMODS WHERE OldUID = CAST(? AS TEXT) AND {_STAGE}"  # noqa: S608 - constants
        self._connection.execute(sql, (old, stage))
        self._enter(old, new, stage, kind)

    def _enter(self, old: bytes, new: bytes, stage: bytes, kind: bytes) -> None:
        marks = f"?, {', '.join(['CAST(? AS TEXT)'] * 4)}, ''"
        sql = f"INSERT INTO UIDMODS ({COLUMNS}) VALUES ({marks})"  # noqa: S608 - constants
        self._connection.execute(sql, (int(time.time()), old, kind, new, stage))


@contextmanager
def open_uidmods(writer: Exclusive, prefix: str) -> Iterator[UIDMods]:
    """The table in a transaction that is committed at the end; `prefix` is UIDPrefix. Raises `FAULTS`."""
    with writer.exclusive() as connection:
        connection.execute(BEGIN)
        yield UIDMods(connection, prefix)
        connection.execute(COMMIT)
