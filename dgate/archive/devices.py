"""Which device takes the next object (conquest-server.md 7.4): the first with room, in order.

MIRRORn holds a copy of what is on MAGn, and takes objects itself when no MAG device has room. CACHEn and JUKEBOXn are
only read.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dgate.archive.shelf import Shelf
from dgate.archive.spool import Spool

if TYPE_CHECKING:
    from dgate.config.archiveoptions import ArchiveOptions

MAG, MIRROR, CACHE, JUKEBOX = b"MAG", b"MIRROR", b"CACHE", b"JUKEBOX"
PRETENDED_FREE = 10000
LOOK_EVERY = 1.0
"""Seconds for which a look at the free space is good; at full speed a device fills by 2 GB in that time at most."""

FreeSpace = Callable[[bytes], int]


class NoDeviceError(OSError):
    """No device has more free space than its threshold, or none can be written; the text is the log line."""


def free_megabytes(root: bytes) -> int:
    """Free space for unprivileged users, in MB."""
    status = os.statvfs(root)
    return status.f_bavail * status.f_frsize // (1024 * 1024)


def not_enough_rights(name: bytes) -> str:
    """What the log says of a device that is gone or cannot be written."""
    return f"*** Not enough rights to write in {name.decode()}"


def shelves_of(options: ArchiveOptions) -> list[Shelf]:
    """The devices that are only read, those of archive media first."""
    kinds = ((JUKEBOX, options.jukeboxes), (CACHE, options.caches))
    return [Shelf(b"%s%d" % (kind, number), root) for kind, roots in kinds for number, root in enumerate(roots)]


class Devices:
    """The writable devices in order, mirrors last. Thread-safe: the worst of a race is one look too many."""

    def __init__(
        self,
        spools: Sequence[Spool],
        threshold: int,
        *,
        mirrors: Sequence[Spool] = (),
        shelves: Sequence[Shelf] = (),
        ignore_threshold: bool = False,
        free: FreeSpace = free_megabytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.magnetic = tuple(spools)
        self.mirrors = tuple(mirrors)
        self.spools = self.magnetic + self.mirrors
        self.shelves = tuple(shelves)
        media = [shelf for shelf in shelves if shelf.name.startswith(JUKEBOX)]
        self.walked: tuple[Spool | Shelf, ...] = (*media, *mirrors, *spools)
        """What a regeneration walks, in this order; of two files the later one wins."""
        self.readable: tuple[Spool | Shelf, ...] = (*spools, *mirrors, *shelves)
        self.set_threshold(threshold, ignore=ignore_threshold)
        self._free = free
        self._clock = clock
        self._seen: dict[bytes, tuple[float, int]] = {}

    def set_threshold(self, threshold: int, *, ignore: bool) -> None:
        """How many MB a device must have more than; `ignore` pretends that there are plenty."""
        self._threshold = threshold
        self._ignore = ignore

    def choose(self) -> tuple[Spool, int]:
        """The device for the next object and its free MB. Raises `NoDeviceError`."""
        for spool in self.spools:
            free = self.free(spool)
            if free > self._threshold:
                return spool, free
        refusing = next((spool for spool in self.magnetic if not os.access(spool.root, os.W_OK | os.X_OK)), None)
        if refusing is not None or not self.magnetic:
            raise NoDeviceError(not_enough_rights(refusing.name if refusing is not None else MAG + b"0"))
        raise NoDeviceError("*** Out of disk space")

    def free(self, spool: Spool, *, fresh: bool = False) -> int:
        """Free MB on one device, looked up now or within the last second; 0 if it cannot be asked."""
        if self._ignore:
            return PRETENDED_FREE
        now = self._clock()
        when, free = self._seen.get(spool.name, (-LOOK_EVERY, 0))
        if fresh or now - when >= LOOK_EVERY:
            try:
                free = self._free(spool.root)
            except OSError:
                free = 0
            self._seen[spool.name] = (now, free)
        return free

    def mirror_of(self, spool: Spool) -> Spool | None:
        """The device that copies this one; a mirror has none."""
        number = spool.name.removeprefix(MAG)
        return None if number == spool.name else self.named(MIRROR + number)

    def homes(self, spool: Spool) -> list[Spool]:
        """The device and its mirror: where a file of it lies."""
        mirror = self.mirror_of(spool)
        return [spool] if mirror is None else [spool, mirror]

    def holders(self, name: bytes) -> Sequence[Spool | Shelf]:
        """Where a file can be read whose row names this device; what is not there may be on the next one.

        `MAG0.Archival` is MAG0, and what stands behind the dot in the name of another device does not count either.
        """
        known = name.partition(b".")[0]
        spool = self.named(known)
        return [shelf for shelf in self.shelves if shelf.name == known] if spool is None else self.homes(spool)

    def open_file(self, name: bytes, path: bytes) -> tuple[int, str]:
        """A descriptor to read a file that a row names, and its full name. Raises OSError, the full name in it."""
        fault = OSError(errno.ENODEV, f"{os.fsdecode(name)} is no device of this server", os.fsdecode(path))
        for number, holder in enumerate(self.holders(name)):
            full = os.fsdecode(os.path.join(holder.root, path))
            try:
                descriptor = holder.open(path)
            except OSError as error:
                found = OSError(error.errno, error.strerror, full)
            else:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return descriptor, full
                os.close(descriptor)
                found = OSError(errno.EINVAL, "not a file", full)
            fault = fault if number else found
        raise fault

    def named(self, name: bytes) -> Spool | None:
        """The device a row names; `MAG0.Archival` and the like are not ours to write."""
        return next((spool for spool in self.spools if spool.name == name), None)
