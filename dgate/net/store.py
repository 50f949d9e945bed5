"""C-STORE (conquest-server.md 6.1, 6.3): bytes go to the archive as they arrive, the answer when they are safe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.interfaces import StoreRequest
from dgate.net import dimse
from dgate.net.counters import STORE_FAILURES, STORED
from dgate.net.limits import FETCHED
from dgate.net.operation import ClientError

if TYPE_CHECKING:
    from dgate.interfaces import Incoming
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context
    from dgate.net.operation import Link


class Store:
    """One C-STORE."""

    def __init__(self, link: Link, command: Command, context: Context) -> None:
        self._link = link
        self._command = command
        self._context = context
        self._incoming: Incoming | None = None
        if command.has_data_set:
            request = StoreRequest(
                command.uid(dimse.AFFECTED_SOP_CLASS),
                command.uid(dimse.AFFECTED_SOP_INSTANCE),
                context.transfer_syntax,
                link.calling_ae,
                link.called_ae,
                link.session,
                fetched=_is_fetched(link, command),
            )
            self._incoming = link.node.archive.begin_store(request)

    def data(self, fragments: Sequence[memoryview]) -> None:
        """Straight to the archive."""
        if self._incoming is not None:
            self._incoming.write(fragments)

    def end(self) -> None:
        """Let the archive finish, then answer. A command without a data set stores nothing and fails.

        Raises `ClientError` for what cannot be parsed: that ends the association without an answer (6.3).
        """
        node, unreadable = self._link.node, False
        if self._incoming is not None:
            incoming, self._incoming = self._incoming, None
            status = incoming.finish()
            unreadable = incoming.unreadable
        else:
            status = node.config.settings.storage_failed_error_code & 0xFFFF
        if status == dimse.SUCCESS:
            node.log.user("C-Store", self._link.calling_ae)
        node.counters.add(STORED if status == dimse.SUCCESS else STORE_FAILURES)
        if unreadable:
            raise ClientError(f"command {self._command.field:04x} failed **")
        self._link.reply(self._context, dimse.response(self._command, status, instance=True))

    def abort(self) -> None:
        """Leave nothing behind. After `finish` has begun there is nothing left to abort."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.abort()


def _is_fetched(link: Link, command: Command) -> bool:
    """Whether this is the answer to a C-MOVE of ours: nobody else gets past the converters."""
    origin = command.elements.get(dimse.MOVE_ORIGINATOR_ID)
    return origin == dimse.ushort(FETCHED) and link.node.door.expects(link.address)
