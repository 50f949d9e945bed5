"""Run a command, then name every process, mount and network interface that it left: `leftovers.py -- COMMAND...`.

Exit status of the command, or 1 when something is left. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

MARK = "CONQUESTCTL_RUN"
"""Inherited by whatever the command starts, so that its processes can be told from everybody else's."""
PROC = Path("/proc")
EXEC_SECONDS = 0.2
HOST_NETWORK = "/netns/default"
"""Docker's own hold on the machine's network, from the first container in that network until the engine ends."""


def main(arguments: Sequence[str]) -> int:
    """Run and look."""
    if arguments[:1] != ["--"] or not arguments[1:]:
        print("usage: leftovers.py -- COMMAND...", file=sys.stderr)
        return 2
    mark = f"{MARK}={secrets.token_hex(8)}"
    before = present(mark)
    done = subprocess.run(arguments[1:], env={**os.environ, MARK: mark.partition("=")[2]}, check=False)
    left = sorted(present(mark) - before)
    if left:
        print("left behind:", *left, sep="\n  ", file=sys.stderr)
    return done.returncode or int(bool(left))


def present(mark: str) -> set[str]:
    """The mounts and network interfaces there are now, and the processes that are ours."""
    mounts = (PROC / "self" / "mountinfo").read_text(encoding="utf-8").splitlines()
    places = {f"mount {place}" for line in mounts if not (place := line.split()[4]).endswith(HOST_NETWORK)}
    places |= {f"network interface {path.name}" for path in Path("/sys/class/net").iterdir()}
    return places | set(processes(mark, Path.cwd()))


def processes(mark: str, folder: Path) -> Iterator[str]:
    """Processes that carry the mark, or that run a program of this folder with an environment of their own."""
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environ = _environ(entry).split(b"\0")
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if os.fsencode(mark) in environ or any(word.startswith(os.fsencode(folder) + b"/") for word in words):
            yield f"process {entry.name}: {b' '.join(words).decode(errors='replace').strip()}"


def _environ(entry: Path) -> bytes:
    """A process's environment; for the moment in which it takes on another program it seems to have none."""
    until = time.monotonic() + EXEC_SECONDS
    while not (found := (entry / "environ").read_bytes()) and time.monotonic() < until:
        os.readlink(entry / "exe")  # noqa: PTH115 -- fails for the kernel's own and for the dead, who have none for good
        time.sleep(0.002)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
