"""Writing files so that a reader sees the old or the new one and never half of either."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conquestctl.errors import StorageError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space and try again."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and try again."),
    errno.EROFS: ("the file system is read-only", "Choose another folder with --root."),
    errno.EACCES: ("no right to do that", "Check the owner of the folder, or choose another one with --root."),
    errno.EPERM: ("no right to do that", "Check the owner of the folder, or choose another one with --root."),
}


SYNCS_AT_ONCE = 16


@contextmanager
def storage_errors(doing: str, instance: str | None = None) -> Iterator[None]:
    """Turn an `OSError` of the block into a `StorageError` that says what was being done, where, and why it failed."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), ""))
        place = f" ({error.filename})" if error.filename else ""
        raise StorageError(f"{doing}: {reason}{place}", hint=hint, instance=instance) from error


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and have it on the disk when this returns. Raises `OSError`."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` in place of a file, keeping its access rights and owner.

    A link stays one: the file it leads to is replaced. A new file belongs to the owner of its folder. Raises `OSError`;
    then the old file stands.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.new-{secrets.token_hex(4)}")
    try:
        write_synced(temporary, data)
        _take_after(path, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _take_after(old: Path, new: Path) -> None:
    try:
        status = old.stat()
        new.chmod(status.st_mode & 0o7777)
    except FileNotFoundError:
        status = new.parent.stat()
    if os.geteuid() == 0:
        os.chown(new, status.st_uid, status.st_gid)


def sync_folder(folder: Path) -> None:
    """Have the folder's list of names on the disk. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_trees(folders: Sequence[Path]) -> None:
    """Have folders and everything in them on the disk. Raises `OSError`.

    Many are waited for at once: the file system writes its journal for all who wait, and not once for each.
    """
    from concurrent.futures import ThreadPoolExecutor

    found = [(path, files) for folder in folders for path, _, files in os.walk(folder)]
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        list(pool.map(_sync_file, [os.path.join(path, name) for path, files in found for name in files]))  # noqa: PTH118 -- texts
        list(pool.map(sync_folder, [Path(path) for path, _ in found]))


def _sync_file(path: str) -> None:
    with open(path, "rb") as file:  # noqa: PTH123 -- a text from os.walk
        os.fsync(file.fileno())
