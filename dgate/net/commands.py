"""Server commands inside a C-ECHO (conquest-server.md 11.2): extra elements of group 9999 in the command set.

A request has the text of the command, a text for the log and possibly a file; the response has the output. Group 0000's
length element does not count them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dgate.net import dimse

if TYPE_CHECKING:
    from dgate.net.dimse import Command
    from dgate.net.operation import Link

LOG_TEXT, COMMAND_TEXT, OUTPUT = 0x99990300, 0x99990400, 0x99990401
UPLOAD, PADDED = 0x99990402, 0x99990404
MAX_LOG_TEXT = 200

_ELEMENT = struct.Struct("<HHI")


def serve(link: Link, command: Command) -> bytes:
    """Run the command that came with a C-ECHO; the command set of the response.

    A peer that may not send commands gets the plain response of a command that does not exist: it learns nothing.
    """
    node, text = link.node, command_text(command)
    if node.commands is None or not node.commands.accepts(link.address):
        name = text.partition(b":")[0][:32].decode("latin-1")
        node.log.console(f'***Server command "{name}" refused from {link.address}')
        return dimse.response(command, dimse.SUCCESS)
    node.log.console(command.elements.get(LOG_TEXT, b"Server command")[:MAX_LOG_TEXT].decode("latin-1").rstrip(" \0"))
    output = node.commands.run(text, upload(command))
    return dimse.response(command, dimse.SUCCESS) + (padded(OUTPUT, output) if output else b"")


def command_text(command: Command) -> bytes:
    """The command without the blank or NUL that makes its length even."""
    return command.elements.get(COMMAND_TEXT, b"").rstrip(b" \0")


def upload(command: Command) -> bytes | None:
    """The file that came along, None if there is none."""
    return unpadded(command, UPLOAD)


def output_of(command: Command) -> bytes | None:
    """What a response says, None if it is a plain one."""
    return unpadded(command, OUTPUT)


def unpadded(command: Command, tag: int) -> bytes | None:
    """The value of an element without the pad byte that (9999,0404) speaks of."""
    value = command.elements.get(tag)
    odd = value and any(command.elements.get(PADDED, b""))
    return value[:-1] if value and odd else value


def padded(tag: int, value: bytes) -> bytes:
    """An element of any length, followed by (9999,0404) where it had to be padded."""
    odd = [(PADDED, dimse.ushort(1))] if len(value) & 1 else []
    return elements([(tag, value), *odd])


def elements(pairs: Iterable[tuple[int, bytes]]) -> bytes:
    """Elements as a command set holds them; odd values get a NUL."""
    return b"".join(
        _ELEMENT.pack(tag >> 16, tag & 0xFFFF, len(value) + (len(value) & 1)) + value + bytes(len(value) & 1)
        for tag, value in pairs
    )
