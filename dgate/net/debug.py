"""What DebugLevel 1 and more put into the log for each command (conquest-server.md 2.2)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.net.dimse import Command

MAX_SHOWN = 64
SERVER_COMMANDS = 0x9999
"""The group of the command channel: what is in it is not shown, only that it is there."""


def command_dump(command: Command) -> Iterator[str]:
    """A line per element of a command set, and one with the memory in use."""
    yield "Command set:"
    for tag, value in command.elements.items():
        shown = "" if tag >> 16 == SERVER_COMMANDS else _shown(value)
        yield f"  {tag >> 16:04x},{tag & 0xFFFF:04x} {len(value):5} {shown}".rstrip()
    yield f"Memory in use: {_resident_kilobytes()} KB"


def _shown(value: bytes) -> str:
    """Numbers have two bytes in a command set (PS3.7 annex E), everything else is text."""
    if len(value) == 2:
        return f"{int.from_bytes(value, 'little'):04x}"
    return f'"{value[:MAX_SHOWN].decode("latin-1")}"'


def _resident_kilobytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except OSError:
        return 0  # no proc file system here
