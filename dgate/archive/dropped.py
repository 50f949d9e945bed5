"""A file that somebody put beside the archive and wants in: stored like a received object (conquest-server.md 7.6)."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from dgate.archive.incoming import SUCCESS, IncomingObject, begin
from dgate.encoding.part10 import NotDicomError, read_meta
from dgate.index.rows import shown
from dgate.interfaces import StoreRequest
from dgate.record import replace

if TYPE_CHECKING:
    from dgate.archive.stores import Stores
    from dgate.interfaces import Session

CHUNK = 256 * 1024


class Taking(Protocol):
    """What adding a file needs of an archive."""

    @property
    def stores(self) -> Stores:
        """What all incoming objects share."""


class Verdict(Enum):
    """What became of a file."""

    ADDED = "added"
    BUSY = "still being written"
    HELD_UP = "not now, by no fault of the file's"
    REFUSED = "no object, or one that contradicts known ones"


def add_file(archive: Taking, path: str | bytes) -> bool:
    """Store the object in a file, which stays as it is; False, with lines in the log, if that was not possible.

    A symbolic link is followed: whoever asks has named the file.
    """
    name, log = os.fsencode(path), archive.stores.log
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        log.console(f"***Cannot open {shown(name)}: {error.strerror}")
        return False
    try:
        verdict = take(archive.stores, fd)
    finally:
        os.close(fd)
    if verdict != Verdict.ADDED:
        log.console(f"***Cannot add {shown(name)}: {verdict.value}")
        return False
    log.console(f"Added file: {shown(name)}")
    return True


def take(
    stores: Stores,
    fd: int,
    *,
    sync: bool = False,
    dropped: bool = False,
    session: Session | None = None,
) -> Verdict:
    """Store the object in an open file, unless somebody writes to it. Never raises for a bad file.

    With `sync` the copy is on disk before this returns: for who removes the file then. Converters may be for objects
    from the network alone; then they leave a `dropped` one as it is. `session` is what they remember.
    """
    if dropped and stores.converters is not None and not stores.converters.for_dropped:
        stores = replace(stores, converters=None)
    try:
        before = os.fstat(fd)
        if is_written_to(fd):
            return Verdict.BUSY
        code = stores.options.dropped_compression
        incoming = begin(stores, _request(fd, stores.options.ae_title, session), code, sync=sync)
    except NotDicomError as error:
        stores.log.console(f"***Object cannot be parsed: {error}")
        return Verdict.REFUSED
    except OSError as error:
        stores.log.console(f"***File cannot be read: {error.strerror}")
        return Verdict.HELD_UP
    return _store(incoming, fd, before)


def is_written_to(fd: int) -> bool:
    """Whether a process has the file open for writing. False where the system cannot tell.

    A read lease is only granted on a file without writers. It is given back at once; who opens the file meanwhile
    makes the system send a signal, which is set to one that does nothing.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # not our own file, or a file system without leases
    return False


def _request(fd: int, ae_title: str, session: Session | None) -> StoreRequest:
    """Position the file at its data set; it comes from ourselves. Raises `NotDicomError`, OSError."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise NotDicomError("it is no regular file")
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        meta = read_meta(file)
    os.lseek(fd, meta.offset, os.SEEK_SET)
    return StoreRequest(meta.sop_class, meta.sop_instance, meta.transfer_syntax, ae_title, ae_title, session)


def _store(incoming: IncomingObject, fd: int, before: os.stat_result) -> Verdict:
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    try:
        while size := os.readv(fd, [buffer]):
            incoming.write([view[:size]])
        after = os.fstat(fd)
    except OSError:
        incoming.abort()
        return Verdict.HELD_UP
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        incoming.abort()
        return Verdict.BUSY
    if incoming.finish() == SUCCESS:
        return Verdict.ADDED
    return Verdict.HELD_UP if incoming.our_fault else Verdict.REFUSED
