"""dgatesop.lst by position: `get_sop:`, `get_transfer:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.commands.arguments import formatted, index, split
from dgate.config.inifile import as_text

if TYPE_CHECKING:
    from dgate.commands.context import Context

_SOP, _TRANSFER = ("sop", "abstract"), ("transfer",)


def get_sop_command(context: Context, arguments: str) -> str:
    """`i[,format]`: UID and name of a SOP class; nothing beyond the last one."""
    return _entry(context, arguments, _SOP)


def get_transfer_command(context: Context, arguments: str) -> str:
    """`i[,format]`: UID and name of a transfer syntax."""
    return _entry(context, arguments, _TRANSFER)


def _entry(context: Context, arguments: str, kinds: tuple[str, ...]) -> str:
    position, pattern = split(arguments, ",", 2)
    with open(context.settings.sop_class_list, "rb") as file:
        found = entries(file.read(), kinds)
    at = index(position)
    return formatted(pattern or "%s %s", found[at]) if at < len(found) else ""


def entries(data: bytes, kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """UID and name of each line of these kinds, in file order."""
    lines = (as_text(line).split() for line in data.split(b"\n") if not line.startswith(b"#"))
    return [(words[1], words[0]) for words in lines if len(words) >= 3 and words[2].lower() in kinds]
