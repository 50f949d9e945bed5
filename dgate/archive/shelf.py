"""Devices that are only read: JUKEBOXn and CACHEn, archive media (conquest-server.md 2.2).

A medium may come and go while the server runs, so nothing of it is kept open, and nothing is ever made on it.
"""

from __future__ import annotations

import os

from dgate.archive.spool import open_folder

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Shelf:
    """The device `name` at `root`."""

    def __init__(self, name: bytes, root: bytes) -> None:
        self.name = name
        self.root = root

    def open(self, path: bytes) -> int:
        """A descriptor to read the file at this path. Links are not followed. Raises OSError."""
        folder, _, base = path.rpartition(b"/")
        root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            within = open_folder(root, folder)
        finally:
            os.close(root)
        try:
            return os.open(base, _FILE, dir_fd=within)
        finally:
            os.close(within)
