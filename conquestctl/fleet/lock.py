"""Locks between processes: one per fleet for its folder, one per user for handing out ports.

`flock` is let go by the operating system when its holder ends, however it ends, so no lock is ever left over.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conquestctl.errors import ConflictError
from conquestctl.fleet.known import state_folder
from conquestctl.fleet.storage import storage_errors

LOCK_FILE = ".lock"
TIMEOUT = 30.0

Say = Callable[[str], None]


def silent(_message: str) -> None:
    """Say nothing: for callers that do not mind waiting."""


@contextmanager
def fleet_lock(root: Path, *, say: Say = silent, timeout: float = TIMEOUT) -> Iterator[None]:
    """Hold the fleet's lock: whoever changes folders, ports or names of this fleet has it.

    Says so once if it has to wait. Raises `ConflictError` after `timeout` seconds, `StorageError` if the folder does
    not let us. Not to be taken twice by one process.
    """
    with _held(root / LOCK_FILE, f"the fleet in {root}", say, timeout):
        yield


@contextmanager
def allocation_lock(environ: Mapping[str, str], *, say: Say = silent, timeout: float = TIMEOUT) -> Iterator[Path]:
    """Hold this user's lock on handing out ports and subnets; taken before a fleet's own. Gives the state folder.

    Raises like `fleet_lock`.
    """
    with storage_errors("cannot make the folder for the lock on ports"):
        folder = state_folder(environ)
    with _held(folder / "lock", "the ports of this machine", say, timeout):
        yield folder


@contextmanager
def _held(path: Path, what: str, say: Say, timeout: float) -> Iterator[None]:
    with storage_errors(f"cannot lock {what}"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        _acquire(descriptor, what, say, time.monotonic() + timeout)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, what: str, say: Say, deadline: float) -> None:
    """Ask again with growing pauses: a blocking `flock` has no deadline."""
    pause = 0.005
    while not _taken(descriptor):
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        who = f"another conquestctl (process {holder})" if holder else "another conquestctl"
        if time.monotonic() > deadline:
            raise ConflictError(f"{who} keeps {what} locked", hint="Wait until it has ended, then try again.")
        if pause == 0.005:
            say(f"waiting: {who} is changing {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
