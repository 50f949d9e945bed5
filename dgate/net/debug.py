"""What DebugLevel puts into the log for each command (conquest-server.md 2.2, which does not give the lines' text).

1 and more: the command set and the memory in use; 2 and more: what a query or retrieval asks for; 4: the answers too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.net.dimse import Command
    from dgate.net.operation import Link

COMMANDS, QUERIES, EVERYTHING = 1, 2, 4
"""The levels at which more is shown."""
MAX_SHOWN = 64
SERVER_COMMANDS = 0x9999
"""The group of the command channel: what is in it is not shown, only that it is there."""


def command_dump(command: Command) -> Iterator[str]:
    """A line per element of a command set, and one with the memory in use."""
    yield "Command set:"
    for tag, value in command.elements.items():
        yield _line(tag, value)
    yield f"Memory in use: {_resident_kilobytes()} KB"


def show_query(link: Link, data: bytes, transfer_syntax: str) -> None:
    """Show what a query or retrieval asks for, if that is wanted."""
    if link.node.config.settings.debug_level >= QUERIES:
        for line in object_dump("Query object:", data, transfer_syntax):
            link.node.log.debug(line)


def reply_dump(command: bytes, data_set: bytes | None, transfer_syntax: str) -> Iterator[str]:
    """A line per element of an answer of ours."""
    from dgate.net.dimse import parse_command

    yield "Response command set:"
    for tag, value in parse_command(command).elements.items():
        yield _line(tag, value)
    if data_set is not None:
        yield from object_dump("Response object:", data_set, transfer_syntax)


def object_dump(title: str, data: bytes, transfer_syntax: str) -> Iterator[str]:
    """A line per top-level element of a data set, as far as it can be read; of a sequence only that it is there."""
    from dgate.encoding.elements import encoding_of, read_all

    yield title
    walker = read_all(data, encoding_of(transfer_syntax))
    for tag in walker.spans:
        yield _line(tag, walker.values.get(tag, b""))
    if walker.fault:
        yield f"  *{walker.fault}"


def _line(tag: int, value: bytes) -> str:
    shown = "" if tag >> 16 == SERVER_COMMANDS else _shown(value)
    return f"  {tag >> 16:04x},{tag & 0xFFFF:04x} {len(value):5} {shown}".rstrip()


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
