"""What lines look up in the instance's own database: records, and UIDs that stand for others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.commands.database import read_only
from dgate.config.archiveoptions import options_from
from dgate.index.database.dialect import BEGIN, COMMIT
from dgate.index.index import FAULTS, ReaderPool
from dgate.index.uidmods import COLUMNS
from dgate.rules.interfaces import Index

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.settings import Settings
    from dgate.dataset.model import DataSet
    from dgate.index.database.base import Connection, FoundRow

AT_ONCE = 200


def index_of(archive: DiskArchive, settings: Settings) -> Index:
    """Rows from the instance, new UIDs into the trial. Other objects cannot be looked into."""
    return Index(archive.stores.tables, ReaderPool(options_from(settings)), archive.stores.writer, lambda _uid: None)


def uids_of(data: DataSet) -> list[bytes]:
    """Every UID in an object, at any depth."""
    found = {held.raw(tag) or b"" for held, tag in data.walk(strict=False) if held.vr(tag) == b"UI"}
    return sorted(uid for value in found for uid in value.rstrip(b"\0 ").split(b"\\") if uid)


def bring_known_uids(archive: DiskArchive, settings: Settings, uids: list[bytes]) -> str:
    """Let the trial know what the instance has replaced these UIDs by, or made them for.

    Why its database cannot be asked; nothing if it can, or if there is none yet.
    """
    if settings.driver == "sqlite" and not os.path.exists(settings.database):
        return ""
    try:
        with read_only(options_from(settings)) as connection:
            rows = [row for at in range(0, len(uids), AT_ONCE) for row in _known(connection, uids[at : at + AT_ONCE])]
    except FAULTS as fault:
        return str(fault)
    if not rows:
        return ""
    marks = "?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT)"
    with archive.stores.writer.exclusive() as connection:
        connection.execute(BEGIN)
        for row in rows:
            connection.execute(f"INSERT INTO UIDMODS ({COLUMNS}) VALUES ({marks})", row)  # noqa: S608 - constants
        connection.execute(COMMIT)
    return ""


def _known(connection: Connection, uids: list[bytes]) -> list[FoundRow]:
    marks = ", ".join(["CAST(? AS TEXT)"] * len(uids))
    sql = f"SELECT {COLUMNS} FROM UIDMODS WHERE OldUID IN ({marks}) OR NewUID IN ({marks})"  # noqa: S608 - constants
    return connection.execute(sql, [*uids, *uids]).fetchall()
