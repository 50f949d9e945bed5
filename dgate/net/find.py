"""C-FIND (PS3.7 9.1.2): collect the identifier, ask the archive, send what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.interfaces import QueryFailure, QueryModel
from dgate.net import dimse
from dgate.net.debug import show_query

if TYPE_CHECKING:
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context
    from dgate.net.operation import Link

MAX_IDENTIFIER = 1 << 20
UNABLE_TO_PROCESS = 0xC001
CANCELLED = 0xFE00

MODELS: dict[str, QueryModel] = {
    "1.2.840.10008.5.1.4.1.2.1.1": "patient",
    "1.2.840.10008.5.1.4.1.2.2.1": "study",
    "1.2.840.10008.5.1.4.1.2.3.1": "patient_study",
    "1.2.840.10008.5.1.4.31": "worklist",
}
"""Information models by SOP class."""


class Find:
    """One C-FIND."""

    def __init__(self, link: Link, command: Command, context: Context) -> None:
        self._link = link
        self._command = command
        self._context = context
        self._identifier = bytearray()
        self._too_long = False

    def data(self, fragments: Sequence[memoryview]) -> None:
        """Collect, up to a bound."""
        for fragment in fragments:
            if len(self._identifier) + len(fragment) > MAX_IDENTIFIER:
                self._too_long = True
                return
            self._identifier += fragment

    def end(self) -> None:
        """Send one pending response per match, then the final one."""
        sop_class = self._command.uid(dimse.AFFECTED_SOP_CLASS)
        log = self._link.node.log
        if sop_class not in MODELS:
            log.console(f"***C-Find for an unknown information model: {sop_class}")
            self._finish(dimse.SOP_CLASS_NOT_SUPPORTED, "not an information model of this server")
        elif self._too_long or not self._identifier:
            log.console("***C-Find identifier is missing or longer than 1 MB")
            self._finish(UNABLE_TO_PROCESS, "identifier is missing or longer than 1 MB")
        else:
            show_query(self._link, bytes(self._identifier), self._context.transfer_syntax)
            self._answer(MODELS[sop_class])

    def abort(self) -> None:
        """Nothing is held."""

    def _answer(self, model: QueryModel) -> None:
        node, message_id = self._link.node, self._command.message_id
        pending = dimse.response(self._command, dimse.PENDING, data_set=True)
        status, comment = dimse.SUCCESS, ""
        try:
            for match in node.archive.find(model, bytes(self._identifier), self._context.transfer_syntax, self._link):
                if self._link.cancelled(message_id):
                    status = CANCELLED
                    break
                self._link.reply(self._context, pending, match)
        except QueryFailure as fault:
            node.log.console(f"***C-Find failed: {fault}")
            status, comment = fault.status, str(fault)
        self._finish(status, comment)

    def _finish(self, status: int, comment: str = "") -> None:
        self._link.reply(self._context, dimse.response(self._command, status, comment=comment))
