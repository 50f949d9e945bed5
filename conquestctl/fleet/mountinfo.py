"""Which file system a folder lies on, from the text of `/proc/self/mountinfo` (proc(5)). Pure but for one reader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

MOUNTINFO = Path("/proc/self/mountinfo")

_ESCAPE = re.compile(r"\\([0-7]{3})")

NETWORKED = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "gfs2", "ocfs2", "davfs"),
        *("vboxsf", "vmhgfs", "prl_fs", "virtiofs", "drvfs", "fuse.vmhgfs-fuse"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs", "fuse.davfs2", "fuse.grpcfuse"),
    ]
)
"""File systems of another machine, or of the host of a virtual one: SQLite cannot trust their locks."""

IN_MEMORY = frozenset(["tmpfs", "ramfs"])


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table."""

    point: str
    kind: str
    """`ext4`, `nfs4`, `fuse.sshfs`, ..."""
    source: str


def parse_mountinfo(text: str) -> list[Mount]:
    """Return the mounts in their order. A line that does not look like one says nothing about us and is left out."""
    return [mount for line in text.split("\n") if (mount := _parse_line(line)) is not None]


def _parse_line(line: str) -> Mount | None:
    """The fields before the lone dash vary in number; the mount point is the fifth, the type comes after the dash."""
    before, dash, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    if not dash or len(fields) < 6 or len(rest) < 2:
        return None
    return Mount(_unescaped(fields[4]), rest[0], _unescaped(rest[1]))


def _unescaped(text: str) -> str:
    """Blank, tab, newline and backslash come as octal numbers, byte by byte."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def mount_of(path: PurePath, mounts: Sequence[Mount]) -> Mount | None:
    """Return the mount a resolved path lies on: the deepest above it; of two on one point the later hides the other."""
    above = [mount for mount in mounts if path.is_relative_to(mount.point)]
    return max(reversed(above), key=lambda mount: len(PurePath(mount.point).parts), default=None)


def read_mounts(path: Path = MOUNTINFO) -> list[Mount]:
    """Return what is mounted here; nothing on systems that do not say it this way."""
    try:
        return parse_mountinfo(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return []
