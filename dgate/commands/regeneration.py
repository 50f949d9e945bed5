"""`regen:` and its like: files of the devices are entered into the index while the server runs.

Stores go on meanwhile. (`dgate -r` does the same without a server, with all cores, and goes on after an interruption.)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.archive.placing import lawful
from dgate.archive.regenerate import enter_files, enter_folder
from dgate.commands.arguments import as_bytes, split
from dgate.commands.context import CommandError
from dgate.commands.paths import find_file
from dgate.index.schema import initialise

if TYPE_CHECKING:
    from dgate.commands.context import Context

MODES = ("", "0", "1", "2")


def regen_command(context: Context, arguments: str) -> str:
    """Make the tables anew and enter all files of JUKEBOX, MIRROR and MAG devices; the later of two files wins."""
    initializetables_command(context, arguments)
    for home in context.archive.stores.devices.walked:
        _enter(context, home.name.decode(), b"")
    return ""


def regendevice_command(context: Context, arguments: str) -> str:
    """`DEVICE`: enter all files of a device."""
    _enter(context, arguments, b"")
    return ""


def regendir_command(context: Context, arguments: str) -> str:
    """`DEVICE,DIR`: enter all files below a folder of a device."""
    device, folder = split(arguments, ",", 2)
    path = as_bytes(folder.strip().strip("/"))
    if not lawful(path):
        raise CommandError(f"not a folder below a device: {folder.strip()!r}")
    _enter(context, device, path)
    return ""


def regenfile_command(context: Context, arguments: str) -> str:
    """`FILE`: enter one file where it lies, below a device."""
    name = os.path.realpath(find_file(context, arguments.strip()))
    for home in context.archive.stores.devices.readable:
        path = os.path.relpath(name, os.path.realpath(home.root))
        if lawful(path):
            if not enter_files(context.archive, home, [path]):
                raise CommandError(f"the file could not be entered: {arguments.strip()}")
            return ""
    raise CommandError(f"the file lies on no device: {arguments.strip()}")


def initializetables_command(context: Context, arguments: str) -> str:
    """`[1|2]`: make the tables anew, empty; 1 without keys and indices, 2 the worklist only. The files stay."""
    mode = arguments.strip()
    if mode not in MODES:
        raise CommandError(f"expected nothing, 1 or 2, not {mode[:8]!r}")
    initialise(context.settings, context.kfactor, context.log, int(mode or 0))
    return ""


def _enter(context: Context, device: str, folder: bytes) -> None:
    name = device.strip().upper()
    try:
        count = enter_folder(context.archive, as_bytes(name), folder)
    except LookupError as fault:
        raise CommandError(f"there is no device {name[:32]!r}") from fault
    context.log.console(f"Regen of {name} ended, {count} files entered")
