"""C-ECHO (PS3.7 9.1.5): the answer is always success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.net import dimse

if TYPE_CHECKING:
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context
    from dgate.net.operation import Link


class Echo:
    """One C-ECHO."""

    def __init__(self, link: Link, command: Command, context: Context) -> None:
        self._link = link
        self._command = command
        self._context = context

    def data(self, fragments: Sequence[memoryview]) -> None:
        """There should be none; what comes is dropped."""

    def end(self) -> None:
        """Answer."""
        self._link.node.log.console("C-Echo")
        self._link.reply(self._context, dimse.response(self._command, dimse.SUCCESS))

    def abort(self) -> None:
        """Nothing is held."""
