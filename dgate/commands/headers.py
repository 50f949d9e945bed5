"""`dump_header:` and `count_frames:`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes, split
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.commands.dump import dump
from dgate.commands.paths import find_file
from dgate.config.dictionary import Dictionary, load_dictionary
from dgate.encoding.part10 import NotDicomError

if TYPE_CHECKING:
    from dgate.commands.context import Context

NUMBER_OF_FRAMES, SOP_UID, PATIENT_ID = 0x00280008, 0x00080018, 0x00100020


def count_frames_command(context: Context, arguments: str) -> str:
    """`patient ID:SOP instance UID`: the number of frames; 1 for an object that does not say."""
    patient, _, uid = arguments.rpartition(":")
    table = context.tables.levels[-1]
    frames, key = table.column(NUMBER_OF_FRAMES), table.key
    if frames is None:
        raise CommandError(f"dicom.sql has no NumberOfFrames in {table.name}")
    owner = f" AND {table.columns[-2].name} = CAST(? AS TEXT)" if patient else ""
    sql = f"SELECT {frames.name} FROM {table.name} WHERE {key.name} = CAST(? AS TEXT){owner}"  # noqa: S608 - names from dicom.sql
    found = select(context.options, sql, [as_bytes(uid.strip()), *([as_bytes(patient)] if patient else [])])
    if not found:
        raise CommandError("no such image")
    return found[0][0].strip() or "1"


def dump_header_command(context: Context, arguments: str) -> str:
    """`FILE[,]`: every attribute of a file, one per line. FILE may be relative to a device."""
    name = split(arguments, ",", 2)[0].strip()
    try:
        with open(find_file(context, name), "rb") as file:
            return dump(file, _dictionary(context))
    except NotDicomError as fault:
        raise CommandError(str(fault)) from fault


def _dictionary(context: Context) -> Dictionary:
    """An empty one where the file is missing: attributes then have no names."""
    path = context.settings.dictionary
    return load_dictionary(path) if os.path.exists(path) else Dictionary()
