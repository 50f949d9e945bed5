"""The image of the database container tests: PostgreSQL and MariaDB from Debian's packages, so nothing is pulled.

It is told what to be by the environment variables of the official images of both.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from tools import debian

IMAGE = "conquestctl-test/databases:trixie"
ENTRYPOINT = Path(__file__).with_name("database_entrypoint.sh")
_PACKAGES = "postgresql,mariadb-server,libnss-wrapper"
_BALLAST = ("var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*")
_DATA = ("var/lib/postgresql/*", "var/lib/mysql/*")
"""Clusters that the packages made while they were installed."""


def archive_path(cache: Path) -> Path:
    """Where the image is kept as a tar."""
    return cache / "databases-trixie.tar"


def ensure_archive(cache: Path) -> Path:
    """The image as a tar in the cache; made when it is not there. Raises `UnavailableError`."""
    archive = archive_path(cache)
    if not archive.exists():
        print("making the image of the databases with debootstrap", flush=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="databases-") as folder:
            _make(Path(folder), archive, cache / "debootstrap-databases.log")
    return archive


def _make(folder: Path, archive: Path, log: Path) -> None:
    mirror, suite = debian.archive(log)
    root = folder / "root"
    # In a mount namespace of its own: what debootstrap mounts is gone with it, even when it is killed.
    program = ["unshare", "--mount", debian.find("debootstrap") or "debootstrap"]
    debian.run_logged([*program, "--variant=minbase", f"--include={_PACKAGES}", suite, str(root), mirror], log)
    unfinished = archive.with_name(f".{archive.name}.{secrets.token_hex(4)}")
    left_out = [f"--exclude=./{pattern}" for pattern in (*_BALLAST, *_DATA)]
    try:
        debian.run_logged(["tar", "--numeric-owner", "-C", str(root), *left_out, "-cf", str(unfinished), "."], log)
        os.replace(unfinished, archive)  # noqa: PTH105 -- says what it is: complete or not there
    finally:
        unfinished.unlink(missing_ok=True)
