"""The base image of the container tests: a minimal Debian with python3, made by debootstrap, so nothing is pulled.

What the image needs beyond that is in it too, so that its build needs no network.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tools import debian

IMAGE = "conquestctl-test/base:trixie"
_PACKAGES = "python3,ca-certificates"
"""With these the build of our image needs no network."""
REQUIREMENTS = Path(__file__).parents[1] / "image" / "requirements.txt"
_BALLAST = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log")


def ensure_archive(cache: Path) -> Path:
    """The base image as a tar in the cache; made when it is not there. Raises `UnavailableError`."""
    archive = cache / f"base-trixie-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]}.tar"
    if not archive.exists():
        print("making the base image with debootstrap", flush=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="base-") as folder:
            _make(Path(folder), archive, cache / "debootstrap.log")
    return archive


def import_archive(docker_host: str, archive: Path) -> None:
    """Give the tar to the engine under the name `IMAGE`."""
    import docker

    client = docker.APIClient(base_url=docker_host, version="auto", timeout=300)
    repository, _, tag = IMAGE.rpartition(":")
    try:
        client.import_image_from_file(str(archive), repository=repository, tag=tag)
    finally:
        client.close()


def _make(folder: Path, archive: Path, log: Path) -> None:
    mirror, suite = debian.archive(log)
    root = folder / "root"
    # In a mount namespace of its own: what debootstrap mounts is gone with it, even when it is killed.
    program = ["unshare", "--mount", debian.find("debootstrap") or "debootstrap"]
    options = ["--variant=minbase", f"--include={_PACKAGES}"]
    debian.run_logged([*program, *options, suite, str(root), mirror], log)
    _install_requirements(root, log)
    for name in _BALLAST:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True)
    unfinished = archive.with_name(f".{archive.name}.{secrets.token_hex(4)}")
    try:
        debian.run_logged(["tar", "--numeric-owner", "-C", str(root), "-cf", str(unfinished), "."], log)
        os.replace(unfinished, archive)  # noqa: PTH105 -- says what it is: complete or not there
    finally:
        unfinished.unlink(missing_ok=True)


def _install_requirements(root: Path, log: Path) -> None:
    """Put the packages where the image's own Python looks for them; without them it has no Lua and one database."""
    python = next(path.name for path in sorted((root / "usr/lib").glob("python3.*")))
    target = root / "usr/local/lib" / python / "dist-packages"
    machine = platform.machine()
    platforms = [f"--platform=manylinux{tag}_{machine}" for tag in ("2014", "_2_17", "_2_28")]
    version = ["--python-version", python.removeprefix("python"), "--implementation", "cp", *platforms]
    options = ["--quiet", "--only-binary", ":all:", "--no-compile", "--target", str(target), "-r", str(REQUIREMENTS)]
    try:
        debian.run_logged([sys.executable, "-m", "pip", "install", *version, *options], log)
    except debian.UnavailableError as error:
        print(f"the base image has no Lua and one database only: {error}", flush=True)
