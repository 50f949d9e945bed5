"""C-ECHO (PS3.7 9.1.5): the answer is always success. It may carry a server command (conquest-server.md 11.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.net import dimse

if TYPE_CHECKING:
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context
    from dgate.net.operation import Link

VERIFICATION = "1.2.840.10008.1.1"


class Echo:
    """One C-ECHO."""

    def __init__(self, link: Link, command: Command, context: Context) -> None:
        self._link = link
        self._command = command
        self._context = context

    def data(self, fragments: Sequence[memoryview]) -> None:
        """There should be none; what comes is dropped."""

    def end(self) -> None:
        """Answer; with the output of the server command that came along, if any."""
        node = self._link.node
        if dimse.SERVER_COMMAND in self._command.elements:
            from dgate.net.commands import serve

            answer = serve(self._link, self._command)
        else:
            node.log.console("C-Echo")
            answer = dimse.response(self._command, dimse.SUCCESS)
        self._link.reply(self._context, answer)

    def abort(self) -> None:
        """Nothing is held."""
