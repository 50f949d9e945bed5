"""ZipTime: an instance's logs go into a zip file with its configuration, and begin anew (conquest-server.md 11.3).

The original has 7za do this and then deletes the logs. Here a log is moved aside first, so that no line is lost
between packing and deleting, and deleted when the zip file is on disk; what a crash leaves is packed the next time.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dgate.log import CHECK_SECONDS

if TYPE_CHECKING:
    from dgate.interfaces import Log

LOGS, STATUS_LOG = "logs", "serverstatus.log"
LOG = ".log"
CONFIGURATION = (".ini", ".sql", ".map", ".lst")
MORNING = 8
"""Before this hour a zip file has the date of yesterday."""
_ASIDE = ".packing"


def pack_logs(folder: str, now: datetime, log: Log, wait: Callable[[float], bool]) -> None:
    """Pack, if there are `logs/` and `serverstatus.log`. Never raises; what goes wrong is in the log.

    `wait` lets time pass in which those who write notice that a log was moved away; if it returns True the server ends
    and the packing has to wait for the next time.
    """
    logs = os.path.join(folder, LOGS)
    if not os.path.isdir(logs) or not os.path.isfile(os.path.join(folder, STATUS_LOG)):
        return
    try:
        aside = os.path.join(logs, _ASIDE)
        os.makedirs(aside, exist_ok=True)
        for name in _names(folder, (LOG,)):
            os.rename(os.path.join(folder, name), _free_name(aside, name))
        if wait(2 * CHECK_SECONDS):
            return
        packed = _names(aside, (LOG,))
        target = _free_name(logs, zip_name(now))
        configuration = [os.path.join(folder, name) for name in _names(folder, CONFIGURATION)]
        _write(target, [*(os.path.join(aside, name) for name in packed), *configuration])
        for name in packed:
            os.unlink(os.path.join(aside, name))
        os.rmdir(aside)
    except OSError as error:
        log.console(f"***Logs cannot be packed: {error.filename or logs}: {error.strerror or error}")
    else:
        log.console(f"Packed {len(packed)} logs: {target}")


def zip_name(now: datetime) -> str:
    """`logs_YYYYMMDD.zip`."""
    day = now - timedelta(days=1) if now.hour < MORNING else now
    return f"logs_{day:%Y%m%d}.zip"


def _names(folder: str, endings: tuple[str, ...]) -> list[str]:
    """The regular files with one of these endings; links are left alone."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.name.endswith(endings) and e.is_file(follow_symlinks=False))


def _free_name(folder: str, name: str) -> str:
    """A path in the folder that is not taken: `a.log`, `a_1.log`, ..."""
    stem, ending = os.path.splitext(name)
    return next(path for path in _candidates(folder, stem, ending) if not os.path.lexists(path))


def _candidates(folder: str, stem: str, ending: str) -> Iterator[str]:
    yield os.path.join(folder, stem + ending)
    number = 1
    while True:
        yield os.path.join(folder, f"{stem}_{number}{ending}")
        number += 1


def _write(target: str, files: list[str]) -> None:
    """The zip file, on disk as a whole; for its owner alone, as dicom.ini may hold a password. Raises OSError."""
    temporary = f"{target}.tmp"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
                for path in files:
                    archive.write(path, os.path.basename(path))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
