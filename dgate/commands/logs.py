"""Where log lines go while the server runs: `log_on:`, `debuglog_on:`, `debuglevel:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.commands.arguments import number
from dgate.commands.context import CommandError
from dgate.config.reader import resolve

if TYPE_CHECKING:
    from dgate.commands.context import Context

LOOPBACK = "127.0.0.1"
MAX_LEVEL = 4


def log_on_command(context: Context, arguments: str) -> str:
    """`FILE` or `port`: normal lines go there too, to a UDP port of the operator's console if it is a number.

    With a log file the server keeps house: see `dgate.housekeeping`.
    """
    target = arguments.strip()
    if target.isascii() and target.isdigit() and 0 < int(target[:6]) < 65536:
        context.log.add_console(LOOPBACK, int(target), context.settings.pacs_name)
        return ""
    answer = _file(context, target, debug=False)
    context.keep_house()
    return answer


def debuglog_on_command(context: Context, arguments: str) -> str:
    """`FILE`: all lines go there too."""
    return _file(context, arguments.strip(), debug=True)


def debuglevel_command(context: Context, arguments: str) -> str:
    """`n`: how much of each command is shown in debug lines, 0 to 4. Without a number: the level as it is."""
    if not arguments.strip():
        return str(context.settings.debug_level)
    context.config.use_debug_level(min(number(arguments, "the level"), MAX_LEVEL))
    return ""


def _file(context: Context, name: str, *, debug: bool) -> str:
    if not name:
        raise CommandError("expected a file name")
    context.log.add_file(resolve(context.settings.base_dir, name), debug=debug, stamped=True)
    return ""
