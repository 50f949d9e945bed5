"""One device folder: where objects are received, and how they get to their place.

Objects are received in `DEVICE/.spool/` and renamed from there into place, so that a patient folder never shows a
half-written file, and what a crash leaves is found by listing one folder. (A rename between two folders of one device
was measured to cost the same as within one.) Names end in `.tmp` or `.log`: such files are skipped by a regeneration,
the original's too.

`.spool/placed.log` is a journal: before an object is renamed into place its SOP instance UID and path are appended, and
once more when its rows are committed. An object that was placed but not committed when the process died is found by
it at the next start and entered (`recovery.py`): it is complete, and entering it can never lose anything.

Every folder below the device is opened one component at a time without following symbolic links, and kept open by a
small cache, so a link that somebody plants leads nowhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import re
import threading
from collections import OrderedDict

from dgate.record import dataclass

FOLDER = b".spool"
JOURNAL = b"placed.log"
TEMPORARY, OLD = b".tmp", b".old.tmp"
PLACED, OBSOLETE, DELETED, SETTLED = b"P", b"O", b"D", b"S"
JOURNAL_LIMIT = 256 * 1024
CACHED_FOLDERS = 32

_ESCAPE = {b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n"}
"""UIDs come from strangers, and none of them may end its field or line in the journal."""
_MEANING = {escape: byte for byte, escape in _ESCAPE.items()}
_UNSAFE, _ESCAPED = re.compile(rb"[\\\t\n]"), re.compile(rb"\\[\\tn]")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe that somebody plants must not make us wait for a writer."""


@dataclass(frozen=True, slots=True)
class Intention:
    """A line of the journal: a file that was to appear at `path`, or to go from there."""

    kind: bytes
    uid: bytes
    aside: bytes
    path: bytes


class Spool:
    """The device `name` (MAG0 ...) at `root`. Raises OSError from every method where the file system does."""

    def __init__(self, name: bytes, root: bytes) -> None:
        self.name = name
        self.root = root
        self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with contextlib.suppress(FileExistsError):
            os.mkdir(FOLDER, dir_fd=self._root_fd)
        self._fd = os.open(FOLDER, _DIRECTORY, dir_fd=self._root_fd)
        self._token = os.urandom(6).hex().encode()
        self._serial = itertools.count()
        self._folders: OrderedDict[bytes, int] = OrderedDict()
        self._lock = threading.Lock()
        self._unsettled = 0
        self._journal_size = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._journal = os.open(JOURNAL, flags, 0o644, dir_fd=self._fd)

    def close(self) -> None:
        """Give back every descriptor; a journal without open intentions is emptied."""
        with contextlib.suppress(OSError):
            if self._unsettled == 0 and self.lock_alone():
                self.empty_journal()
        for fd in (*self._folders.values(), self._journal, self._fd, self._root_fd):
            os.close(fd)
        self._folders.clear()

    # -- receiving

    def create(self) -> tuple[bytes, int]:
        """A new temporary file: its name in the spool and a descriptor to write to."""
        name = b"%s-%d%s" % (self._token, next(self._serial), TEMPORARY)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return name, os.open(name, flags, 0o644, dir_fd=self._fd)

    def discard(self, name: bytes) -> None:
        """Remove a temporary file; one that is gone already is fine."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    # -- placing

    def intend(self, uid: bytes, path: bytes, aside: bytes = b"") -> bytes:
        """Note that this object is about to appear at this path, the old file there being kept as `aside`.

        Returns the token that `settle` takes.
        """
        return self._note(PLACED, uid, aside, path)

    def intend_removal(self, uid: bytes, path: bytes) -> bytes:
        """Note that the file at this path goes as soon as the object's row names another one."""
        return self._note(OBSOLETE, uid, b"", path)

    def intend_deletion(self, uid: bytes, path: bytes) -> bytes:
        """Note that the file at this path goes as soon as the object has no row any more."""
        return self._note(DELETED, uid, b"", path)

    def _note(self, kind: bytes, uid: bytes, aside: bytes, path: bytes) -> bytes:
        token = b"%s-%d" % (self._token, next(self._serial))
        line = _line(kind, token, uid, aside, path)
        with self._lock:
            if os.write(self._journal, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._unsettled += 1
            self._journal_size += len(line)
        return token

    def settle(self, token: bytes) -> None:
        """A noted intention is committed or undone. A long journal is emptied when nothing is open."""
        with self._lock:
            self._unsettled -= 1
            os.write(self._journal, _line(SETTLED, token))
            if self._unsettled == 0 and self._journal_size > JOURNAL_LIMIT:
                if self.lock_alone():  # or another process has open intentions in it
                    self.empty_journal()
                self.share()

    def put(self, name: bytes, path: bytes) -> None:
        """Move a temporary file into place, making folders; replaces what is there, a symbolic link itself included."""
        folder, _, base = path.rpartition(b"/")
        with self._lock:
            try:
                os.rename(name, base, src_dir_fd=self._fd, dst_dir_fd=self._folder(folder, make=True))
            except FileNotFoundError:  # the cached folder was deleted behind our back
                self._forget(folder)
                os.rename(name, base, src_dir_fd=self._fd, dst_dir_fd=self._folder(folder, make=True))

    def set_aside(self, path: bytes) -> bytes:
        """Keep the file at this path under a second name in the spool, so that it can be brought back."""
        folder, _, base = path.rpartition(b"/")
        name = b"%s-%d%s" % (self._token, next(self._serial), OLD)
        with self._lock:
            source = self._folder(folder, make=False)
            try:
                os.link(base, name, src_dir_fd=source, dst_dir_fd=self._fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                    raise
                os.rename(base, name, src_dir_fd=source, dst_dir_fd=self._fd)  # a file system without hard links
        return name

    def exists(self, path: bytes) -> bool:
        """Whether anything but a symbolic link lies at this path."""
        try:
            return self.status(path) is not None
        except OSError:
            return False

    def status(self, path: bytes) -> os.stat_result | None:
        """The regular file at this path, None if there is none. Links are not followed."""
        folder, _, base = path.rpartition(b"/")
        try:
            with self._lock:
                found = os.stat(base, dir_fd=self._folder(folder, make=False), follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found if (found.st_mode & 0o170000) == 0o100000 else None

    def open(self, path: bytes) -> int:
        """A descriptor to read the file at this path, or in the spool if the path has no folder and is a temporary."""
        folder, _, base = path.rpartition(b"/")
        with self._lock:
            at = self._fd if path.endswith(TEMPORARY) and not folder else self._folder(folder, make=False)
            return os.open(base, _FILE, dir_fd=at)

    def remove(self, path: bytes) -> None:
        """Remove the file at this path; one that is gone already is fine."""
        folder, _, base = path.rpartition(b"/")
        with self._lock, contextlib.suppress(FileNotFoundError):
            os.unlink(base, dir_fd=self._folder(folder, make=False))

    def prune(self, path: bytes) -> None:
        """Remove the folders that held this file and are empty now, but for the uppermost one."""
        folder = path.rpartition(b"/")[0]
        while b"/" in folder:
            above, _, name = folder.rpartition(b"/")
            with self._lock:
                self._forget(folder)
                try:
                    os.rmdir(name, dir_fd=self._folder(above, make=False))
                except OSError:
                    return  # not empty, or gone
            folder = above

    def _folder(self, path: bytes, *, make: bool) -> int:
        """The descriptor of a folder below the device; valid while the lock is held."""
        fd = self._folders.get(path)
        if fd is not None:
            self._folders.move_to_end(path)
            return fd
        fd = open_folder(self._root_fd, path, make=make)
        self._folders[path] = fd
        if len(self._folders) > CACHED_FOLDERS:
            os.close(self._folders.popitem(last=False)[1])
        return fd

    def _forget(self, folder: bytes) -> None:
        fd = self._folders.pop(folder, None)
        if fd is not None:
            os.close(fd)

    # -- after a crash

    def lock_alone(self) -> bool:
        """True if no other process works on this device now, and none can until `share` or the end."""
        return self._lock_folder(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def lock_shared(self) -> bool:
        """Work here beside others; False while one of them is alone."""
        return self._lock_folder(fcntl.LOCK_SH | fcntl.LOCK_NB)

    def share(self) -> None:
        """Let others in, or wait until they let us in."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def _lock_folder(self, how: int) -> bool:
        try:
            fcntl.flock(self._fd, how)
        except BlockingIOError:
            return False
        return True

    def leftovers(self) -> list[bytes]:
        """Temporary files in the spool."""
        return [name for name in map(os.fsencode, os.listdir(self._fd)) if name.endswith(TEMPORARY)]

    def intentions(self) -> list[Intention]:
        """What the last run noted and did not settle. A line cut by the crash is left out."""
        content = os.pread(self._journal, os.fstat(self._journal).st_size, 0)
        found: dict[bytes, Intention] = {}
        for line in content.split(b"\n")[:-1]:
            kind, *fields = [_ESCAPED.sub(lambda match: _MEANING[match[0]], field) for field in line.split(b"\t")]
            if kind == SETTLED and len(fields) == 2:
                found.pop(fields[0], None)
            elif len(fields) == 5:
                found[fields[0]] = Intention(kind, *fields[1:4])
        return list(found.values())

    def empty_journal(self) -> None:
        """All noted intentions have been looked at."""
        os.ftruncate(self._journal, 0)
        self._journal_size = 0

    def keep_journal(self) -> None:
        """Something in it must wait for the next start."""
        self._unsettled += 1


def _line(*fields: bytes) -> bytes:
    """A line of the journal. Each field is ended by a tab, so one that a full disk cut short lacks a field.

    It begins with a line end too, which keeps it apart from such a one before it.
    """
    return b"\n" + b"".join([_UNSAFE.sub(lambda match: _ESCAPE[match[0]], field) + b"\t" for field in fields]) + b"\n"


def open_folder(root: int, path: bytes, *, make: bool = False) -> int:
    """Open a folder below an open one, component by component. A symbolic link on the way is an OSError."""
    fd = os.dup(root)
    for component in path.split(b"/") if path else ():
        parent = fd
        try:
            fd = _enter(component, parent, make=make)
        finally:
            os.close(parent)
    return fd


def _enter(component: bytes, parent: int, *, make: bool) -> int:
    """Open one folder component, made if asked for. A symbolic link in its place is an OSError."""
    if component in (b"", b".", b".."):
        raise OSError(errno.EINVAL, "not a folder name", component)
    try:
        return os.open(component, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(component, dir_fd=parent)
    return os.open(component, _DIRECTORY, dir_fd=parent)
