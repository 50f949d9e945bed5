"""`movedevice:`: the objects of one device go to another one, so that a disk can be taken out.

The original does this from its command line; the reference has the line that sees each object, not the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes, split
from dgate.commands.context import CommandError

if TYPE_CHECKING:
    from dgate.archive.spool import Spool
    from dgate.commands.context import Context
    from dgate.rules.interfaces import Services


def movedevice_command(context: Context, arguments: str) -> str:
    """`FROM,TO`, both MAG devices; how many objects went. What stays is in the log."""
    from dgate.archive.moved import move_objects

    source, target = (_device(context, name) for name in split(arguments, ",", 2))
    if source is target:
        raise CommandError("expected two devices")
    moved, stayed = move_objects(context.archive, _services(context), source, target)
    context.log.console(f"Moved {moved} objects from {source.name.decode()} to {target.name.decode()}, {stayed} stay")
    return f"{moved}\n"


def _services(context: Context) -> Services:
    """What lines need, whether there are any or not."""
    from dgate.rules.instance import make_rules

    converters = context.archive.stores.converters
    if converters is not None:
        return converters.services
    return make_rules(context.archive, context.log, lambda: context.settings).services


def _device(context: Context, name: str) -> Spool:
    wanted = as_bytes(name.strip().upper())
    for spool in context.archive.stores.devices.magnetic:
        if spool.name == wanted:
            return spool
    raise CommandError(f"there is no MAG device {name.strip()[:32]!r}")
