"""`quit:` and `safequit:`. The original's `quit:` cuts what is in flight; here both let it finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.commands.context import Context


def quit_command(context: Context, _arguments: str) -> str:
    """End the server; exit status 0."""
    context.log.console("Server stops: quit command")
    context.stop()
    return ""


safequit_command = quit_command
