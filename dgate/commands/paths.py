"""Where the files are that commands speak of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.index.tables import Level

if TYPE_CHECKING:
    from dgate.commands.context import Context

KINDS = ("MAG", "MIRROR", "CACHE", "JUKEBOX")
ARCHIVAL = b".Archival"
"""Ends the device name of an object that is about to be archived."""


def devices(context: Context) -> list[tuple[str, str]]:
    """Name and folder of every configured device."""
    settings = context.settings
    roots = (settings.mag_devices, settings.mirror_devices, settings.cache_devices, settings.jukebox_devices)
    return [
        (f"{kind}{position}", root)
        for kind, folders in zip(KINDS, roots, strict=True)
        for position, root in enumerate(folders)
    ]


def full_path(context: Context, device: str, path: str) -> str:
    """The full name of an object's file; `MAG0.Archival` and the like count as `MAG0`."""
    roots = dict(devices(context))
    return roots.get(device.partition(".")[0].upper(), "") + path


def find_file(context: Context, name: str) -> bytes:
    """The file a command names: as it is, else below one of the devices. Raises `CommandError`."""
    places = [name] if os.path.isabs(name) else [name, *(root + name for _, root in devices(context))]
    for place in map(as_bytes, places):
        if b"\0" not in place and os.path.isfile(place):
            return place
    raise CommandError(f"no such file: {name}")


def image_in(context: Context, name: str) -> bytes:
    """The SOP instance UID of the row that names this file. Raises `CommandError` for a file without a row."""
    wanted = os.path.realpath(find_file(context, name.strip()))
    table = context.tables.levels[Level.IMAGE]
    condition = "ObjectFile = CAST(? AS TEXT) AND DeviceName IN (CAST(? AS TEXT), CAST(? AS TEXT))"
    sql = f"SELECT {table.key.name} FROM {table.name} WHERE {condition}"  # noqa: S608 - names from dicom.sql
    for device, root in devices(context):
        path = os.path.relpath(wanted, os.path.realpath(as_bytes(root)))
        found = (
            []
            if path.startswith(b"..")
            else select(context.options, sql, (path, device.encode(), device.encode() + ARCHIVAL))
        )
        if found:
            return as_bytes(found[0][0])
    raise CommandError(f"no image with the file {name.strip()}")
