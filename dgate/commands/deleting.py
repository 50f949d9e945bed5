"""`deletepatient:` and its like (conquest-server.md 7.5), `makespace:`."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from dgate.archive.clean import RECENT, oldest_statement
from dgate.archive.delete import delete
from dgate.archive.devices import free_megabytes
from dgate.commands.arguments import as_bytes, number
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.commands.paths import image_in
from dgate.index.tables import Level

if TYPE_CHECKING:
    from dgate.commands.context import Context

STUDY_DATE = 0x00080020
_KEYS = {Level.STUDY: "study_uid", Level.SERIES: "series_uid", Level.IMAGE: "sop_uid"}
_DATES = re.compile(r"(\d{8})(?:-(\d{8}))?\Z")


def deletepatient_command(context: Context, arguments: str) -> str:
    """`ID`: delete a patient, rows and files."""
    return _delete(context, Level.PATIENT, {"patient_id": as_bytes(arguments.strip())})


def deletestudy_command(context: Context, arguments: str) -> str:
    """`ID:study UID`; without an ID the study of any patient."""
    return _below_patient(context, Level.STUDY, arguments)


def deleteseries_command(context: Context, arguments: str) -> str:
    """`ID:series UID`."""
    return _below_patient(context, Level.SERIES, arguments)


def deleteimage_command(context: Context, arguments: str) -> str:
    """`ID:SOP instance UID`."""
    return _below_patient(context, Level.IMAGE, arguments)


def deletestudies_command(context: Context, arguments: str) -> str:
    """`date` or `date-date`, each of 8 digits: delete all studies of these days."""
    dates = _DATES.match(arguments.strip())
    if dates is None:
        raise CommandError("expected yyyymmdd or yyyymmdd-yyyymmdd")
    table = context.tables.levels[Level.STUDY]
    date = table.column(STUDY_DATE)
    if date is None:
        raise CommandError(f"dicom.sql has no StudyDate in {table.name}")
    sql = f"SELECT {table.key.name} FROM {table.name} WHERE {date.name} BETWEEN CAST(? AS TEXT) AND CAST(? AS TEXT)"  # noqa: S608 - names from dicom.sql
    bounds = (dates[1].encode(), (dates[2] or dates[1]).encode())
    for (uid,) in select(context.options, sql, bounds):
        _delete(context, Level.STUDY, {"study_uid": as_bytes(uid)})
    return ""


def deleteimagefile_command(context: Context, arguments: str) -> str:
    """`FILE`: delete the image that this file holds, row and file. FILE may be relative to a device."""
    return _delete(context, Level.IMAGE, {"sop_uid": image_in(context, arguments)})


def deleteimagefromdb_command(context: Context, arguments: str) -> str:
    """`FILE`: delete the image's row; the file stays."""
    return _delete(context, Level.IMAGE, {"sop_uid": image_in(context, arguments)}, keep_files=True)


def makespace_command(context: Context, arguments: str) -> str:
    """`MB`: delete the oldest patients (LRUSort) of the emptiest MAG device until it has so much free space.

    A patient to whom something was stored in the last minutes stays.
    """
    wanted, stores = number(arguments, "the space"), context.archive.stores
    home = max(stores.devices.magnetic, key=lambda device: free_megabytes(device.root), default=None)
    if home is None or wanted > _size(home.root):
        raise CommandError("no MAG device is as large as that")
    sql = oldest_statement(context.tables, context.settings.lru_sort)
    while free_megabytes(home.root) < wanted:
        limit = time.time() - RECENT
        with stores.writer.exclusive() as connection:
            found = connection.execute(sql, (limit, home.name)).fetchone()
        if found is None or not delete(context.archive, Level.PATIENT, {"patient_id": found[0]}, older_than=limit):
            raise CommandError("there is no old patient left to delete")
        context.log.console("Deleted the oldest patient")
    return ""


def _size(root: bytes) -> int:
    """All of a device's file system, in MB."""
    status = os.statvfs(root)
    return status.f_blocks * status.f_frsize // (1024 * 1024)


def _below_patient(context: Context, level: Level, arguments: str) -> str:
    patient, _, uid = arguments.rpartition(":")
    keys = {_KEYS[level]: as_bytes(uid.strip())}
    return _delete(context, level, {"patient_id": as_bytes(patient), **keys} if patient else keys)


def _delete(context: Context, level: Level, keys: dict[str, bytes], *, keep_files: bool = False) -> str:
    """Delete and say so in the log. Raises `CommandError` where nothing is named."""
    if not all(keys.values()):
        raise CommandError("expected what is to be deleted")
    count = delete(context.archive, level, keys, keep_files=keep_files)
    context.log.console(f"Deleted {level.name.lower()}: {count} images{', their files stay' if keep_files else ''}")
    return ""
