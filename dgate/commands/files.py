"""Files into the archive: `addimagefile:`, `addlocalfile:`, `loadanddeletedir:`."""

from __future__ import annotations

import contextlib
import os
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dgate.archive.dropped import add_file
from dgate.archive.modify import add_changed
from dgate.commands.arguments import as_bytes
from dgate.commands.context import DONE, FAILED, CommandError
from dgate.commands.modifying import rules_of, to_patient
from dgate.commands.paths import devices

if TYPE_CHECKING:
    from dgate.commands.context import Context


def addimagefile_command(context: Context, arguments: str) -> str:
    """`FILE[,ID]`: store a file of the server's host; with an ID as another patient's, with new UIDs."""
    name, patient = _name_and_id(arguments)
    return DONE if _add(context, as_bytes(name), patient) else FAILED


def addlocalfile_command(context: Context, arguments: str) -> str:
    """`FILE[,ID]`: the same with a file of the client's host, which came along."""
    if context.upload is None:
        raise CommandError("expected a file with the command")
    _, _, patient = arguments.partition(",")
    with TemporaryDirectory(dir=context.settings.temp_dir or None, prefix="dgate-") as folder:
        path = os.path.join(folder, "upload")
        with open(path, "wb") as file:
            file.write(context.upload)
        return DONE if _add(context, as_bytes(path), patient) else FAILED


def loadanddeletedir_command(context: Context, arguments: str) -> str:
    """`DIR[,ID]`: store all files of a folder and below, and delete those that were stored, and empty folders.

    A file that cannot be stored stays. (The original deletes it.)
    """
    name, patient = _name_and_id(arguments)
    root = os.path.realpath(as_bytes(name))
    if not os.path.isdir(root):
        raise CommandError(f"no such folder: {name}")
    _keep_off_the_archive(context, root)
    kept = 0
    for folder, _, files in os.walk(root, topdown=False):
        for path in (os.path.join(folder, file) for file in sorted(files)):
            if _add(context, path, patient):
                os.unlink(path)
            else:
                kept += 1
        with contextlib.suppress(OSError):  # something is left in it
            os.rmdir(folder)
    if kept:
        raise CommandError(f"{kept} files could not be stored and stay")
    return ""


def _add(context: Context, path: bytes, patient: str) -> bool:
    if not patient.strip():
        return add_file(context.archive, path)
    change = to_patient(context, as_bytes(patient.strip()).decode("latin-1"))
    return add_changed(context.archive, rules_of(context), path, change)


def _name_and_id(arguments: str) -> tuple[str, str]:
    """A path may contain commas; an ID may not."""
    if "," not in arguments or os.path.exists(as_bytes(arguments)):
        return arguments.strip(), ""
    name, _, patient = arguments.rpartition(",")
    return name.strip(), patient


def _keep_off_the_archive(context: Context, root: bytes) -> None:
    """Archived files are their own copies: loading and deleting them would lose them. Raises `CommandError`."""
    for name, device in devices(context):
        place = os.path.realpath(as_bytes(device))
        if os.path.commonpath((root, place)) in (root, place):
            raise CommandError(f"the folder is part of the archive ({name})")
