"""Programs from Debian's packages, for a machine that has none of what the container tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")
POLICY = Path("/usr/sbin/policy-rc.d")
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where daemons are; the PATH of `su` and of some schedulers leaves them out."""
_DEFAULT_SUITE = "trixie"
_TARGET = "$(REPO_URI) $(ORIGIN) $(CODENAME)"


class UnavailableError(Exception):
    """There is no private engine to be had here; the message says why in half a sentence."""


def release() -> Mapping[str, str]:
    """What `/etc/os-release` says; empty where there is none."""
    try:
        lines = OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


def is_debian(about: Mapping[str, str]) -> bool:
    """Debian itself or something made from it."""
    return "debian" in {about.get("ID", ""), *about.get("ID_LIKE", "").split()}


def find(program: str) -> str | None:
    """Path of a program, daemons included."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}")


def require(packages: Mapping[str, str], log: Path) -> None:
    """Install the package of every program (program -> package) that is missing. Raises `UnavailableError`."""
    missing = sorted({package for program, package in packages.items() if not find(program)})
    if not missing:
        return
    print(f"installing {' '.join(missing)}", flush=True)
    update(log)
    with _no_service_starts():
        _apt(["install", "--yes", "--no-install-recommends", *missing], log)


def update(log: Path) -> None:
    """Refresh the package lists. Raises `UnavailableError`."""
    _apt(["update"], log)


def archive(log: Path) -> tuple[str, str]:
    """The mirror that this machine's own apt uses for its distribution, and the suite to take from it.

    Raises `UnavailableError` when apt knows of none that debootstrap can use.
    """
    about = release()
    found = _mirror(about)
    if not found:
        update(log)
        found = _mirror(about)
    if not found:
        raise UnavailableError("apt on this machine knows no mirror to make a base image from")
    return found, _DEFAULT_SUITE if about.get("ID") == "debian" else about.get("VERSION_CODENAME", "")


def run_logged(command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
    """Run a chatty program with its output in a file. Raises `UnavailableError` with the last of it."""
    with log.open("ab") as file:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environ, check=False
        )
    if done.returncode:
        raise UnavailableError(f"{command[0]} failed with status {done.returncode}:\n{tail(log, 15)}")


def tail(log: Path, lines: int) -> str:
    """The last lines of a file, indented; empty when there is no file."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def _mirror(about: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", _TARGET, "Identifier: Packages"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    own = [line.split() for line in done.stdout.splitlines()]
    wanted = [about.get("ID", ""), about.get("VERSION_CODENAME", "")]
    fit = [entry[0] for entry in own if len(entry) == 3 and [entry[1].lower(), entry[2]] == wanted]
    return next((uri for uri in fit if uri.partition(":")[0] in {"http", "https", "file"}), "")


def _apt(words: Sequence[str], log: Path) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    run_logged(["apt-get", "--quiet", *words], log, {**os.environ, **quiet})


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Packages may start their services at once; Debian's policy layer forbids it for as long as this lasts."""
    if os.path.lexists(POLICY):
        yield  # somebody has a policy already and it is theirs to keep
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
