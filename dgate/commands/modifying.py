"""`modifypatid:`. The commands that run a script on objects (`modifystudy:` and its like) need the converters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.archive.delete import delete
from dgate.archive.dropped import add_file
from dgate.commands.arguments import as_bytes, split
from dgate.commands.context import CommandError
from dgate.commands.files import ADDED, FAILED
from dgate.commands.paths import find_file, image_in
from dgate.commands.uids import change_uid
from dgate.index.tables import Level

if TYPE_CHECKING:
    from dgate.commands.context import Context


def modifypatid_command(context: Context, arguments: str) -> str:
    """`ID,FILE`: give an archived image to another patient, with new UIDs. The old one goes last."""
    patient, name = (part.strip() for part in split(arguments, ",", 2))
    if not patient or not name:
        raise CommandError("expected ID,FILE")
    old = image_in(context, name)
    if not add_file(context.archive, find_file(context, name), as_bytes(patient), lambda uid: change_uid(context, uid)):
        return FAILED
    delete(context.archive, Level.IMAGE, {"sop_uid": old})
    return ADDED
