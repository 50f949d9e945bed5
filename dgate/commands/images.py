"""Which images a command speaks of: those of a patient, study or series, or the one in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.archive.delete import KEYS, Names
from dgate.archive.entry import Location
from dgate.archive.modify import Stored
from dgate.commands.arguments import as_bytes
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.commands.paths import image_in
from dgate.index.tables import Level

if TYPE_CHECKING:
    from dgate.commands.context import Context


def images_of(context: Context, level: Level, patient: str, uid: str) -> list[Stored]:
    """All images of a study or series; without a UID those of the patient. Raises `CommandError` for none."""
    found = find_images(context, level, patient, uid)
    if not found:
        raise CommandError("there is no such image")
    return found


def find_images(context: Context, level: Level, patient: str, uid: str) -> list[Stored]:
    """The same; there may be none. Raises `CommandError` where nothing is named."""
    keys = {"patient_id": patient.strip(), KEYS[level]: uid.strip()}
    named = {name: as_bytes(value) for name, value in keys.items() if value}
    if not named:
        raise CommandError("expected a patient, study or series")
    return _stored(context, named)


def image_of(context: Context, name: str) -> Stored:
    """The image that a file holds. Raises `CommandError` for a file without a row."""
    found = _stored(context, {"sop_uid": image_in(context, name)})
    if not found:
        raise CommandError(f"no image with the file {name.strip()}")
    return found[0]


def _stored(context: Context, keys: dict[str, bytes]) -> list[Stored]:
    sql, values = Names(context.tables).images(keys)
    return [
        Stored(as_bytes(uid), Location(as_bytes(device), as_bytes(path)))
        for uid, path, device in select(context.options, sql, values)
    ]
