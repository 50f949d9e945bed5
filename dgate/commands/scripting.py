"""`lua:`: code that an operator sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes
from dgate.commands.context import CommandError

if TYPE_CHECKING:
    from dgate.commands.context import Context


def lua_command(context: Context, arguments: str) -> bytes:
    """`CODE`: run Lua in the server; what it prints is in the log, what it returns is the answer."""
    if context.scripts is None:
        raise CommandError("there is no Lua here")
    return context.scripts.execute(as_bytes(arguments).decode("latin-1")).encode("latin-1", "replace")
