"""C-GET (PS3.7 9.1.3; conquest-server.md 9.4): the objects that match come over the requester's own association.

Better than the original in one thing: what is stored compressed goes to a requester that accepted just that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.net.retrieving import Outcome, Retrieval, Transfer

if TYPE_CHECKING:
    from dgate.net.dimse import Command
    from dgate.net.operation import Link


class Get(Retrieval):
    """One C-GET."""

    operation = "C-Get"
    models = {  # noqa: RUF012 - constant
        "1.2.840.10008.5.1.4.1.2.1.3": "PatientRoot",
        "1.2.840.10008.5.1.4.1.2.2.3": "StudyRoot",
        "1.2.840.10008.5.1.4.1.2.3.3": "PatientStudyOnly",
    }

    def retrieve(self) -> Outcome:
        """See `Retrieval`."""
        objects = self.selected(self.link.calling_ae)
        peer = _Requester(self.link, self.command.message_id)
        return Transfer(self, peer, self.link.calling_ae, None).run(objects)


class _Requester:
    """The requester's association; implements `Peer` of dgate.net.sending."""

    def __init__(self, link: Link, message_id: int) -> None:
        self.contexts = link.contexts
        self.max_length = link.max_length
        self._link = link
        self._message_id = message_id

    def send_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        """See `Peer`."""
        self._link.send_parts(parts)

    def response(self, message_id: int) -> Command:
        """See `Peer`."""
        return self._link.response(message_id, self._message_id)
