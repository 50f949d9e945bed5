"""`genuid:`, `changeuid:`, `changeuidback:` with the table UIDMODS; `checksum:`."""

from __future__ import annotations

import itertools
import secrets
import time
from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.index.database.dialect import BEGIN, COMMIT

if TYPE_CHECKING:
    from dgate.commands.context import Context
    from dgate.index.database.base import Connection

GENERATED, CHANGED = 6, 7
"""Arc behind UIDPrefix."""
MAX_UID = 64
_NO_STAGE = "(Stage IS NULL OR Stage = '')"
"""Scripts keep apart what they change in several stages; commands know only one."""

_serial = itertools.count(secrets.randbelow(1_000_000) * 1_000_000)
"""The last number of a UID. It begins anywhere, because instances with one UIDPrefix may ask within the same second."""


def genuid_command(context: Context, _arguments: str) -> str:
    """A new UID."""
    return uid_below(context.settings.uid_prefix, GENERATED)


def changeuid_command(context: Context, arguments: str) -> str:
    """`UID`: what this UID is to be replaced by; the same answer for the same UID, for ever."""
    return change_uid(context, _uid(arguments)).decode()


def changeuidback_command(context: Context, arguments: str) -> str:
    """`UID`: which UID was replaced by this one; nothing for an unknown one."""
    sql = "SELECT OldUID FROM UIDMODS WHERE NewUID = CAST(? AS TEXT)"
    found = select(context.options, sql, (_uid(arguments),), limit=1)
    return found[0][0] if found else ""


def checksum_command(_context: Context, arguments: str) -> str:
    """`text`: CRC-32 as Conquest computes it: the usual polynomial, but starting at 0 and without final inversion."""
    from zlib import crc32

    return str(crc32(as_bytes(arguments), 0xFFFFFFFF) ^ 0xFFFFFFFF)


def change_uid(context: Context, old: bytes) -> bytes:
    """The UID that stands for another one from now on. Raises `CommandError`, `FAULTS` of the index."""
    new = uid_below(context.settings.uid_prefix, CHANGED).encode()
    with context.archive.stores.writer.exclusive() as connection:
        return _changed(connection, old, new)


def uid_below(prefix: str, arc: int) -> str:
    """A UID that nobody has, below UIDPrefix. Raises `CommandError` when there is no room for one."""
    uid = f"{prefix}.{arc}.{int(time.time())}.{next(_serial)}"
    if len(uid) > MAX_UID:
        raise CommandError(f"UIDPrefix is too long: the UID would have {len(uid)} characters")
    return uid


def _changed(connection: Connection, old: bytes, new: bytes) -> bytes:
    """The known replacement, or the new one, entered. One transaction, so that two at once get the same answer."""
    connection.execute(BEGIN)
    sql = f"SELECT NewUID FROM UIDMODS WHERE OldUID = CAST(? AS TEXT) AND {_NO_STAGE}"  # noqa: S608 - constants
    known = connection.execute(sql, (old,)).fetchone()
    if known is None:
        columns, values = "MODTime, OldUID, MODType, NewUID, Stage, Annotation", (int(time.time()), old, new)
        sql = f"INSERT INTO UIDMODS ({columns}) VALUES (?, CAST(? AS TEXT), 'command', CAST(? AS TEXT), '', '')"  # noqa: S608 - constants
        connection.execute(sql, values)
    connection.execute(COMMIT)
    return new if known is None else bytes(known[0])


def _uid(text: str) -> bytes:
    """Raises `CommandError` for what cannot be a UID."""
    uid = text.strip()
    if not 0 < len(uid) <= MAX_UID or not all(character in "0123456789." for character in uid):
        raise CommandError(f"not a UID: {uid[:MAX_UID]!r}")
    return uid.encode()
