"""The folders whose files are taken in: `incoming` below MAGDevice0, and WatchFolder (conquest-server.md 7.6).

Once a second one small thread looks at them; while a folder does not exist that is one system call. A file goes in when
two looks in a row saw it unchanged and nobody has it open for writing; its rows are committed before it is removed.

Where the original tries a bad file for 150 seconds, with the whole folder waiting, and then deletes it, others go on
here, and in the end the file is moved to `.failed` in the watched folder: it may be the only copy. A file that is held
up by a full disk or a locked database stays and is tried again for as long as that lasts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dgate.archive.dropped import Taking, Verdict, take
from dgate.archive.filename import variant
from dgate.index.rows import shown
from dgate.record import dataclass

if TYPE_CHECKING:
    from typing import Self

    from dgate.config.archiveoptions import ArchiveOptions

LOOK_EVERY = 1.0
PAUSES = (5, 10, 20, 40, 75)
"""Seconds between tries of a file that is no object; after the last one it is moved aside. 150 in all."""
HELD_UP_PAUSE = 10
FAILED_FOLDER = b".failed"
INCOMING = b"incoming"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

Signature = tuple[int, int, int]


@dataclass(slots=True)
class _Seen:
    """What is known of a file that lies there."""

    signature: Signature
    tries: int = 0
    due: float = 0.0


class Watch:
    """Takes in what is dropped. As a context it does so once a second in a thread of its own; `look` is one look."""

    def __init__(self, archive: Taking, clock: Callable[[], float] = time.monotonic, every: float = LOOK_EVERY) -> None:
        self._archive = archive
        self._log = archive.stores.log
        self._clock = clock
        self._every = every
        self._folders = list(_folders(archive.stores.options, self._log.console))
        self._announced: set[bytes] = set()
        self._seen: dict[bytes, _Seen] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="incoming", daemon=True)

    def __enter__(self) -> Self:
        """Announce the folders that exist, then look at them from time to time."""
        for folder in self._folders:
            if os.path.isdir(folder):
                self._announce(folder)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the file in hand and stop."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self.look()

    def look(self) -> None:
        """Look at every folder once. Never raises for what lies there."""
        present: dict[bytes, _Seen] = {}
        for folder in self._folders:
            if os.path.isdir(folder):
                self._announce(folder)
                for path, status in _files(folder):
                    if self._stopped.is_set():
                        return
                    known = self._consider(folder, path, status)
                    if known is not None:
                        present[path] = known
        self._seen = present

    def _announce(self, folder: bytes) -> None:
        if folder not in self._announced:
            self._announced.add(folder)
            self._log.console(f"Monitoring for files in: {shown(folder)}")

    def _consider(self, root: bytes, path: bytes, status: os.stat_result) -> _Seen | None:
        """One file; what to remember of it if it stays."""
        name = os.path.basename(path)
        if name.startswith(b"._"):  # what a Macintosh leaves beside a file
            self._remove(root, path)
            return None
        if name.lower().endswith(b".partial"):
            return None
        signature = (status.st_size, status.st_mtime_ns, status.st_ino)
        known = self._seen.get(path)
        if known is None or known.signature != signature:
            return _Seen(signature)
        if self._clock() < known.due:
            return known
        return self._try(root, path, known)

    def _try(self, root: bytes, path: bytes, known: _Seen) -> _Seen | None:
        verdict = self._take(root, path, known.signature)
        if verdict == Verdict.ADDED:
            self._log.console(f"Added file: {shown(path)}")
            self._remove(root, path)
            known.due = float("inf")  # should it still be there, once is enough
            return known
        if verdict == Verdict.BUSY:
            return known
        if verdict == Verdict.HELD_UP:
            known.due = self._clock() + HELD_UP_PAUSE
            return known
        if known.tries >= len(PAUSES):
            self._move_aside(root, path)
            return None
        known.due = self._clock() + PAUSES[known.tries]
        known.tries += 1
        return known

    def _take(self, root: bytes, path: bytes, signature: Signature) -> Verdict:
        try:
            with _folder_of(root, path) as folder:
                fd = os.open(os.path.basename(path), _FILE, dir_fd=folder)
        except FileNotFoundError:
            return Verdict.BUSY  # somebody has it, then
        except OSError as error:
            self._log.console(f"***Cannot open {shown(path)}: {error.strerror}")
            return Verdict.HELD_UP
        try:
            status = os.fstat(fd)
            if (status.st_size, status.st_mtime_ns, status.st_ino) != signature:
                return Verdict.BUSY
            return take(self._archive.stores, fd, sync=True, dropped=True)
        finally:
            os.close(fd)

    def _remove(self, root: bytes, path: bytes) -> None:
        """Remove a file and the folders it leaves empty."""
        try:
            with _folder_of(root, path) as folder:
                os.unlink(os.path.basename(path), dir_fd=folder)
            while len(path := os.path.dirname(path)) > len(root):
                with _folder_of(root, path) as folder:
                    os.rmdir(os.path.basename(path), dir_fd=folder)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                self._log.console(f"***Cannot remove {shown(path)}: {error.strerror}")

    def _move_aside(self, root: bytes, path: bytes) -> None:
        target = root + FAILED_FOLDER + b"/" + os.path.basename(path)
        number = 0
        free = target
        while os.path.lexists(free):
            number += 1
            free = variant(target, number)
        try:
            os.makedirs(root + FAILED_FOLDER, exist_ok=True)
            with _folder_of(root, path) as folder:
                os.rename(os.path.basename(path), free, src_dir_fd=folder)
        except OSError as error:
            self._log.console(f"***Cannot move {shown(path)} aside: {error.strerror}")
            return
        self._log.console(f"***Cannot add {shown(path)}: moved to {shown(free)}")


def _folders(options: ArchiveOptions, say: Callable[[str], None]) -> Iterator[bytes]:
    """The folders to watch, each with a `/` at its end. One that holds a device, or lies in one, would eat it up."""
    if options.devices:
        yield options.devices[0] + INCOMING + b"/"
    watched = options.watch_folder
    if not watched:
        return
    real = os.path.realpath(watched) + b"/"
    for device in (*options.devices, *options.mirrors):
        inside = os.path.realpath(device) + b"/"
        if inside.startswith(real) or real.startswith(inside):
            say(f"***WatchFolder {shown(watched)} is not watched: it and the device {shown(device)} lie in one another")
            return
    yield watched if watched.endswith(b"/") else watched + b"/"


@contextlib.contextmanager
def _folder_of(root: bytes, path: bytes) -> Iterator[int]:
    """The folder of a file, opened so that no link below the root is followed, whatever happened since we saw it."""
    fd = os.open(root, _DIRECTORY)
    try:
        for part in path[len(root) :].split(b"/")[:-1]:
            above, fd = fd, os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            os.close(above)
        yield fd
    finally:
        os.close(fd)


def _files(root: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """The regular files below a folder. Links are not followed, what was moved aside is left alone."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue  # vanished, or not for us to read
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                if folder != root or entry.name != FAILED_FOLDER:
                    folders.append(entry.path + b"/")
            elif entry.is_file(follow_symlinks=False):
                status = _status(entry)
                if status is not None:
                    yield entry.path, status


def _status(entry: os.DirEntry[bytes]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None
