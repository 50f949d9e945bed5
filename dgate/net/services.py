"""Which service takes which command. What is seldom asked for is loaded when it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.net import dimse
from dgate.net.echo import Echo
from dgate.net.find import Find
from dgate.net.operation import ClientError, Operation
from dgate.net.store import Store

if TYPE_CHECKING:
    from dgate.net.association import Association
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context


def _move(link: Association, command: Command, context: Context) -> Operation:
    from dgate.net.move import Move

    return Move(link, command, context)


def _get(link: Association, command: Command, context: Context) -> Operation:
    from dgate.net.get import Get

    return Get(link, command, context)


def _action(link: Association, command: Command, context: Context) -> Operation:
    """Raises `ClientError` unless storage commitment is on: then there are no N-ACTIONs here, as in the original."""
    if not link.node.config.settings.storage_commitment:
        raise ClientError(f"command {command.field:04x} failed **")
    from dgate.net.commitment import Action

    return Action(link, command, context)


SERVICES: dict[int, Callable[[Association, Command, Context], Operation]] = {
    dimse.C_STORE: Store,
    dimse.C_ECHO: Echo,
    dimse.C_FIND: Find,
    dimse.C_MOVE: _move,
    dimse.C_GET: _get,
    dimse.N_ACTION: _action,
}
