"""What keeps a server from starting because it would lose data, found before it takes any."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dgate.config.faults import Fault

if TYPE_CHECKING:
    from dgate.config.settings import Settings


def faults(settings: Settings) -> list[Fault]:
    """A database that has nowhere to be, and an archive without a single device that can be written. All fatal."""
    return [*_database(settings), *_devices(settings)]


def _database(settings: Settings) -> Iterator[Fault]:
    folder = os.path.dirname(settings.database) or "."
    if settings.driver == "sqlite" and not os.path.isdir(folder):
        message = f"{settings.database}: the folder {folder} does not exist; expected a file name in an existing folder"
        yield _fault(settings, "SQLServer", message)


def _devices(settings: Settings) -> Iterator[Fault]:
    """Each device, if none is good. One that is good keeps the others from being fatal: it takes what comes."""
    folders = settings.mag_devices
    if not any(_is_writable(folder) for folder in folders):
        for position, folder in enumerate(folders):
            yield _fault(settings, f"MAGDevice{position}", f"{folder} is not a folder that we can write to")


def words_of_the_original(settings: Settings, fatal: Sequence[Fault]) -> Iterator[str]:
    """What the original says of the same faults (conquest-server.md 12, 1)."""
    keys = {fault.key for fault in fatal}
    if "SQLServer" in keys:
        database = settings.database
        yield f"*** cannot connect to sqlite database {database}"
        yield f"***Unable to open database {database} as user {settings.username} on {settings.sql_host}"
    for key in sorted(keys - {"SQLServer"}):
        yield f"*** Not enough rights to write in MAG{key.removeprefix('MAGDevice')}"


def leave_access_test(settings: Settings) -> None:
    """The empty file that the original leaves below MAGDevice0 at each start, to see whether it may write there."""
    folder = os.path.join(settings.mag_devices[0], "printer_files") if settings.mag_devices else ""
    with contextlib.suppress(OSError):  # a device that cannot be written is told of when it is opened
        os.makedirs(folder, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(os.path.join(folder, "accesstest.log"), flags, 0o644))


def _is_writable(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _fault(settings: Settings, key: str, message: str) -> Fault:
    return Fault(settings.path, settings.ini.line_of(key), key, message, fatal=True)
