"""`genuid:`, `changeuid:`, `changeuidback:` with the table UIDMODS; `checksum:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.index.uidmods import GENERATED, MAX_UID, NoRoomError, open_uidmods, uid_below

if TYPE_CHECKING:
    from dgate.commands.context import Context

KIND = b"command"


def genuid_command(context: Context, _arguments: str) -> str:
    """A new UID."""
    try:
        return uid_below(context.settings.uid_prefix, GENERATED)
    except NoRoomError as fault:
        raise CommandError(str(fault)) from fault


def changeuid_command(context: Context, arguments: str) -> str:
    """`UID`: what this UID is to be replaced by; the same answer for the same UID, for ever."""
    try:
        with open_uidmods(context.archive.stores.writer, context.settings.uid_prefix) as table:
            return table.replacement(_uid(arguments), kind=KIND).decode()
    except NoRoomError as fault:
        raise CommandError(str(fault)) from fault


def changeuidback_command(context: Context, arguments: str) -> str:
    """`UID`: which UID was replaced by this one; nothing for an unknown one."""
    sql = "SELECT OldUID FROM UIDMODS WHERE NewUID = CAST(? AS TEXT)"
    found = select(context.options, sql, (_uid(arguments),), limit=1)
    return found[0][0] if found else ""


def checksum_command(_context: Context, arguments: str) -> str:
    """`text`: CRC-32 as Conquest computes it: the usual polynomial, but starting at 0 and without final inversion."""
    from zlib import crc32

    return str(crc32(as_bytes(arguments), 0xFFFFFFFF) ^ 0xFFFFFFFF)


def _uid(text: str) -> bytes:
    """Raises `CommandError` for what cannot be a UID."""
    uid = text.strip()
    if not 0 < len(uid) <= MAX_UID or not all(character in "0123456789." for character in uid):
        raise CommandError(f"not a UID: {uid[:MAX_UID]!r}")
    return uid.encode()
