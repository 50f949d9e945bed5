"""Which device takes the next object (conquest-server.md 7.4): the first with room, in order.

MIRRORn holds a copy of what is on MAGn, and takes objects itself when no MAG device has room.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from dgate.archive.spool import Spool

MAG, MIRROR = b"MAG", b"MIRROR"
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


class Devices:
    """The writable devices in order, mirrors last. Thread-safe: the worst of a race is one look too many."""

    def __init__(
        self,
        spools: Sequence[Spool],
        threshold: int,
        *,
        mirrors: Sequence[Spool] = (),
        ignore_threshold: bool = False,
        free: FreeSpace = free_megabytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.magnetic = tuple(spools)
        self.mirrors = tuple(mirrors)
        self.spools = self.magnetic + self.mirrors
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

    def named(self, name: bytes) -> Spool | None:
        """The device a row names; `MAG0.Archival` and the like are not ours to write."""
        return next((spool for spool in self.spools if spool.name == name), None)
