"""Which local process listens on a TCP port, in words; as far as the operating system lets us see it."""

from __future__ import annotations

import os
from pathlib import Path

from conquestctl.engine.pidfile import PROC

LISTEN = "0A"
"""State TCP_LISTEN in `/proc/net/tcp`, in hexadecimal."""


def port_holder(port: int) -> str:
    """Who listens on the port: `instance ct1 (process 4711)`, `process 815 (nginx)`; empty when it can't be seen.

    Another user's processes hide their files from us, and there may be no `/proc` at all.
    """
    inodes = _listening(port)
    for pid in _pids() if inodes else []:
        if _holds(pid, inodes):
            return _in_words(pid)
    return ""


def parse_listening(table: str, port: int) -> set[str]:
    """Inodes of the sockets that listen on the port, from the text of `/proc/net/tcp` or `tcp6`."""
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == LISTEN and fields[1].rpartition(":")[2] == f"{port:04X}":
            found.add(fields[9])
    return found


def _listening(port: int) -> set[str]:
    found: set[str] = set()
    for name in ("tcp", "tcp6"):
        try:
            found |= parse_listening((PROC / "net" / name).read_text(encoding="ascii"), port)
        except OSError:
            continue
    return found


def _pids() -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(PROC) if name.isdecimal())  # noqa: PTH208 -- names, not paths
    except OSError:
        return []


def _holds(pid: int, inodes: set[str]) -> bool:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    try:
        with os.scandir(PROC / str(pid) / "fd") as entries:
            return any(_target(entry.path) in wanted for entry in entries)
    except OSError:
        return False


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 -- a path object would be made for every file of every process
    except OSError:
        return ""


def _in_words(pid: int) -> str:
    folder = Path(_target(str(PROC / str(pid) / "cwd")))
    try:
        command = (PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
        arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    if b"dgate.start" in arguments and folder.name:
        return f"instance {folder.name} in {folder.parent} (process {pid})"
    return f"process {pid} ({command})"
