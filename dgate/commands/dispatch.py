"""From a command's text to its output, and who may send one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.config.inifile import as_text
from dgate.record import replace

if TYPE_CHECKING:
    from dgate.commands.context import Context, Scripts

LOOPBACK = ("127.", "::ffff:127.")
LOOPBACK_6 = "::1"
MAX_NAME = 32


def is_loopback(address: str) -> bool:
    """Whether a peer sits in our own network namespace. What comes in through a published port of a container does not.

    The kernel drops packets with such a source address that arrive from outside.
    """
    return address.startswith(LOOPBACK) or address == LOOPBACK_6


class ServerCommands:
    """Implements `Commands` of dgate.interfaces."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def script_with(self, scripts: Scripts) -> None:
        """Let this run Lua for commands. To be called before there are any."""
        self._context = replace(self._context, scripts=scripts)

    def accepts(self, address: str) -> bool:
        """See `Commands`."""
        return is_loopback(address) or self._context.settings.server_commands_from == "any"

    def run(self, text: bytes, upload: bytes | None) -> bytes:
        """See `Commands`. An unknown command is only logged; a fault is logged and answered with its text."""
        from dgate.commands.context import CommandError
        from dgate.commands.registry import lookup
        from dgate.index.index import FAULTS

        name, _, arguments = text.partition(b":")
        word = name.strip().lower()[:MAX_NAME].decode("latin-1")
        function = lookup(word)
        if function is None:
            self._context.log.console(f'Unknown server command "{word}" ignored')
            return b""
        try:
            output = function(replace(self._context, upload=upload), _readable(arguments))
        except (CommandError, OSError, *FAULTS) as fault:
            self._context.log.console(f"***Server command {word}: {fault}")
            output = f"***{word}: {fault}\n"
        return output if isinstance(output, bytes) else output.encode("utf-8", "surrogateescape")


def _readable(arguments: bytes) -> str:
    """Raises `CommandError` for a NUL, which no file name, host or line of a file can hold."""
    from dgate.commands.context import CommandError

    if b"\0" in arguments:
        raise CommandError("a NUL character cannot be part of a command")
    return as_text(arguments)
