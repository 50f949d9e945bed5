"""`lua:`, `luastart:` and `globallua:`: code that an operator sends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes
from dgate.commands.context import CommandError

if TYPE_CHECKING:
    from dgate.commands.context import Context, Scripts

AT_ONCE = 8
"""Scripts that may run without anybody who waits for them."""
_room = threading.BoundedSemaphore(AT_ONCE)


def lua_command(context: Context, arguments: str) -> bytes:
    """`CODE`: run Lua in the server; what it prints is in the log, what it returns is the answer."""
    return _scripts(context).execute(_code(arguments)).encode("latin-1", "replace")


def globallua_command(context: Context, arguments: str) -> bytes:
    """`CODE`: the same in one state for all such commands: what one sets, the next one finds."""
    return _scripts(context).execute(_code(arguments), shared=True).encode("latin-1", "replace")


def luastart_command(context: Context, arguments: str) -> str:
    """`CODE`: run Lua, and do not wait for it."""
    scripts, code = _scripts(context), _code(arguments)
    if not _room.acquire(blocking=False):
        raise CommandError(f"{AT_ONCE} such scripts are running already")

    def run() -> None:
        try:
            scripts.execute(code)
        finally:
            _room.release()

    threading.Thread(target=run, name="luastart", daemon=True).start()
    return ""


def _scripts(context: Context) -> Scripts:
    if context.scripts is None:
        raise CommandError("there is no Lua here")
    return context.scripts


def _code(arguments: str) -> str:
    """One character for each byte."""
    return as_bytes(arguments).decode("latin-1")
