"""Putting a received object's file where it belongs, in a way that can be taken back until its rows are committed.

Rules of conquest-server.md 5.4: a known object keeps its old name as long as the extension stays the same. So a
compressed object takes the place of a `.v2` file under a new name, where the original acknowledges it and keeps the old
one (7.3). A name that belongs to a different object is never taken over, whatever the syntax makes of the attributes.
"""

from __future__ import annotations

import contextlib
import itertools
import os

from dgate.archive.devices import Devices
from dgate.archive.filename import variant
from dgate.archive.spool import Spool
from dgate.archive.writer import KeepKnown, Location, Refused
from dgate.config.archiveoptions import ArchiveOptions
from dgate.encoding.part10 import NotDicomError, read_meta
from dgate.record import dataclass


@dataclass(frozen=True, slots=True)
class Original:
    """The stored object that a changed one was made of: it may be stored anew, or deleted, meanwhile."""

    uid: bytes
    location: Location
    status: os.stat_result
    """Of its file when it was read."""

    def is_there(self, devices: Devices) -> bool:
        """Whether its file still is the one that was read. On a device that is only read nothing changes."""
        home = devices.named(self.location.device.partition(b".")[0])
        if home is None:
            return True
        try:
            now = home.status(self.location.path)
        except OSError:
            return False
        return now is not None and _identity(now) == _identity(self.status)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Placement:
    """The way of one file from the spool to its place; implements `Content` of the writer."""

    virtual = False

    def __init__(
        self,
        options: ArchiveOptions,
        devices: Devices,
        spool: Spool,
        temporary: bytes,
        path: bytes,
        uid: bytes,
        original: Original | None = None,
    ) -> None:
        self._options = options
        self._devices = devices
        self._spool = spool
        self.temporary = temporary
        self._uid = uid
        self._original = original
        self._aside = b""
        self._token = b""
        self._obsolete: tuple[Spool, bytes, bytes] | None = None
        self.path = path
        self.rewritten = False

    def place(self, known: Location | None) -> Location:
        """See `Content`; on any OSError everything is as before. Raises `Refused` where the original has changed."""
        original = self._original
        if original is not None and original.uid == self._uid and known != original.location:
            raise Refused("***Not changed: the object was stored elsewhere or deleted meanwhile")
        if original is not None and original.uid == self._uid and not original.is_there(self._devices):
            raise Refused("***Not changed: the object was stored anew meanwhile")
        if known is not None:
            self._consider(known)
        try:
            self._make_room()
            self._token = self._spool.intend(self._uid, self.path, self._aside)
            self._spool.put(self.temporary, self.path)
        except OSError:
            self._restore()
            raise
        return Location(self._spool.name, self.path)

    def undo(self) -> None:
        """See `Content`. What cannot be undone is left to the recovery at the next start."""
        with contextlib.suppress(OSError):
            if not self._aside:
                self._spool.remove(self.path)
            self._restore()

    def withdraw(self) -> None:
        """See `Content`: the file goes back to the spool, under another name."""
        with contextlib.suppress(OSError):
            self.temporary = self._spool.set_aside(self.path)
        self.undo()
        self._aside = self._token = b""
        self._obsolete = None

    def settle(self) -> None:
        """See `Content`."""
        with contextlib.suppress(OSError):
            if self._aside:
                self._spool.discard(self._aside)
            if self._obsolete is not None:
                home, path, token = self._obsolete
                for each in self._devices.homes(home):
                    each.remove(path)
                home.settle(token)
            self._spool.settle(self._token)

    def _consider(self, known: Location) -> None:
        """The object is known: keep it, take over its name, or let its file go."""
        home = self._devices.named(known.device)
        if home is None or not lawful(known.path) or not home.exists(known.path):
            return
        if self._options.ignore_rewrite:
            self.path = known.path
            raise KeepKnown
        self.rewritten = True
        same = home is self._spool and _extension(known.path) == _extension(self.path)
        if same and not self._options.rename_on_rewrite:
            self.path = known.path
        elif home is not self._spool or known.path != self.path:
            self._obsolete = home, known.path, home.intend_removal(self._uid, known.path)

    def _make_room(self) -> None:
        """Whatever lies at the path is set aside if it is this object, else another path is taken."""
        first = self.path
        for attempt in itertools.count(1):
            if not self._spool.exists(self.path):
                return
            if self._is_this_object():
                self._aside = self._spool.set_aside(self.path)
                return
            self.path = variant(first, attempt)

    def _is_this_object(self) -> bool:
        if self.rewritten and self._obsolete is None:
            return True  # its row says so
        try:
            with os.fdopen(self._spool.open(self.path), "rb") as file:
                return read_meta(file).sop_instance.encode("latin-1") == self._uid
        except (NotDicomError, OSError):
            return False

    def _restore(self) -> None:
        """Back to what was before `place`."""
        with contextlib.suppress(OSError):
            if self._aside:
                self._spool.put(self._aside, self.path)
                self._spool.discard(self._aside)  # a rename onto a link of itself leaves both names
        if self._token:
            self._spool.settle(self._token)
        if self._obsolete is not None:
            self._obsolete[0].settle(self._obsolete[2])


class VirtualPlacement(Placement):
    """Of an object that is only entered (compression code `v0`): nothing is put anywhere.

    A known object keeps its file and its row names it still.
    """

    virtual = True

    def place(self, known: Location | None) -> Location:
        """See `Content`."""
        if known is not None:
            self.path = known.path
        return known or Location(self._spool.name, self.path)

    def undo(self) -> None:
        """Nothing was done."""

    def withdraw(self) -> None:
        """Nothing was done."""

    def settle(self) -> None:
        """Nothing was done."""


def _extension(path: bytes) -> bytes:
    return os.path.splitext(path)[1].lower()


def lawful(path: bytes) -> bool:
    """Tell whether a path from a row, which another program may have written, is one below the device."""
    return bool(path) and not any(part in (b"", b".", b"..") for part in path.split(b"/"))
