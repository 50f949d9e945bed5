"""What C-MOVE and C-GET have in common: the identifier, the sub-operations with their counters, the responses.

PS3.4 C.4.2 and C.4.3; conquest-server.md 9.3, 9.4. The counters are honest: what failed is not completed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.interfaces import QueryFailure, RetrieveFailure
from dgate.net import dimse
from dgate.net.counters import SENT
from dgate.net.debug import show_query
from dgate.net.proposing import Offers
from dgate.net.sending import Origin, Peer, make_buffers, send_object, store_request
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.interfaces import StoredObject
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context
    from dgate.net.operation import Link

MAX_IDENTIFIER = 1 << 20
MAX_COMMENT = 64
UNABLE_TO_PROCESS, NOTHING_FOUND, STOPPED = 0xC001, 0xC004, 0xFE00
"""The last one also ends what was cancelled."""
BLOCKED = 0xC013
"""`RetrieveConverter0` does not want it."""
_LARGEST = 0xFFFF


@dataclass(slots=True)
class Tally:
    """The counters of the responses. There are no warnings: a C-STORE answered with one counts as failed."""

    remaining: int = 0
    completed: int = 0
    failed: int = 0

    def give_up(self) -> None:
        """What has not been sent will not be."""
        self.failed += self.remaining
        self.remaining = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a retrieval ends; the comment tells the requester why."""

    status: int
    comment: str = ""


def response(request: Command, status: int, tally: Tally, comment: str = "") -> bytes:
    """A C-MOVE-RSP or C-GET-RSP; all of them have the four counters (conquest-server.md 13)."""
    elements = [
        (dimse.COMMAND_FIELD, dimse.ushort(request.field | dimse.RESPONSE)),
        (dimse.RESPONDED_TO, request.elements[dimse.MESSAGE_ID]),
        (dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)),
        (dimse.STATUS, dimse.ushort(status)),
    ]
    sop_class = request.elements.get(dimse.AFFECTED_SOP_CLASS)
    if sop_class is not None:
        elements.insert(0, (dimse.AFFECTED_SOP_CLASS, sop_class))
    if comment:
        elements.append((dimse.ERROR_COMMENT, dimse.padded(comment[:MAX_COMMENT])))
    elements += [
        (dimse.REMAINING, dimse.ushort(min(tally.remaining, _LARGEST))),
        (dimse.COMPLETED, dimse.ushort(min(tally.completed, _LARGEST))),
        (dimse.FAILED, dimse.ushort(min(tally.failed, _LARGEST))),
        (dimse.WARNING, dimse.ushort(0)),
    ]
    return dimse.encode_command(elements)


class Retrieval(ABC):
    """One C-MOVE or C-GET; a subclass says what is special about it."""

    operation: str
    """Its name in the log."""
    models: dict[str, str]
    """The name the log uses for an information model, by SOP class."""

    def __init__(self, link: Link, command: Command, context: Context) -> None:
        self.link = link
        self.command = command
        self.context = context
        self.tally = Tally()
        self.model = self.models.get(command.uid(dimse.AFFECTED_SOP_CLASS), "")
        self._identifier = bytearray()
        self._too_long = False

    def data(self, fragments: Sequence[memoryview]) -> None:
        """Collect the identifier, up to a bound."""
        for fragment in fragments:
            if len(self._identifier) + len(fragment) > MAX_IDENTIFIER:
                self._too_long = True
                return
            self._identifier += fragment

    def end(self) -> None:
        """Send what matches, with a pending response after each object, then the final response."""
        outcome = self._outcome()
        log = self.link.node.log
        if outcome.comment:
            name = "Retrieve" if outcome.status == BLOCKED else self.operation
            log.console(f"{name}: {outcome.comment}")
        if self.model:
            log.console(f"{self.operation} ({self.model})")
        self.link.node.counters.add(SENT, self.tally.completed)
        if outcome.status == dimse.SUCCESS:
            log.user(self.operation, self.link.calling_ae)
        self.link.reply(self.context, response(self.command, outcome.status, self.tally, outcome.comment))

    def abort(self) -> None:  # noqa: B027 - not every operation has something to give back
        """Nothing is held."""

    @abstractmethod
    def retrieve(self) -> Outcome:
        """Find and send. Raises `QueryFailure`."""

    def selected(self, destination: str) -> list[StoredObject]:
        """The objects asked for, at least one. Raises `QueryFailure`."""
        node = self.link.node
        objects = node.archive.select(bytes(self._identifier), self.context.transfer_syntax, self.link, destination)
        images = "images" if self.model == "PatientRoot" else "Images"
        node.log.console(f"Number of {images} to send: {len(objects)}")
        if not objects:
            raise QueryFailure(NOTHING_FOUND, "no object matches")
        return objects

    def _outcome(self) -> Outcome:
        if not self.model:
            return Outcome(dimse.SOP_CLASS_NOT_SUPPORTED, "unknown information model")
        if self._too_long or not self.command.has_data_set:
            return Outcome(UNABLE_TO_PROCESS, "the identifier is missing or longer than 1 MB")
        show_query(self.link, bytes(self._identifier), self.context.transfer_syntax)
        try:
            return self.retrieve()
        except QueryFailure as fault:
            return Outcome(fault.status, str(fault))


class Transfer:
    """Sends objects one by one over an association and counts."""

    def __init__(self, retrieval: Retrieval, peer: Peer, host: str, origin: Origin | None) -> None:
        self._retrieval = retrieval
        self._peer = peer
        self._host = host
        self._origin = origin
        self._offers = Offers(peer.contexts.values())
        self._buffers = make_buffers()

    def run(self, objects: Sequence[StoredObject]) -> Outcome:
        """Send them all, unless the requester cancels or the peer answers one with anything but success.

        Raises what the peer and the link raise; the tally is right then too.
        """
        link, command, tally = self._retrieval.link, self._retrieval.command, self._retrieval.tally
        tally.remaining = len(objects)
        for position, stored in enumerate(objects):
            if link.cancelled(command.message_id):
                return Outcome(STOPPED, "cancelled")
            status = self._send(stored, (2 * position + 1) & _LARGEST)
            if status:
                tally.give_up()
                return Outcome(STOPPED, f"{self._host} answered a C-STORE with status {status:04X}")
            tally.remaining -= 1
            link.reply(self._retrieval.context, response(command, dimse.PENDING, tally))
            link.flush()
        return Outcome(dimse.SUCCESS)

    def _send(self, stored: StoredObject, message_id: int) -> int:
        """One object. Returns the status of the answer; an object that was not sent counts, but stops nothing."""
        tally, log = self._retrieval.tally, self._retrieval.link.node.log
        if not self._offers.takes(stored.sop_class_uid):
            log.console(f"Host '{self._host}' will not accept image")
            tally.failed += 1
            return dimse.SUCCESS
        try:
            self._send_file(stored, message_id)
        except RetrieveFailure as fault:
            log.console(f"***Not sent to '{self._host}': {fault}")
            tally.failed += 1
            return dimse.SUCCESS
        status = self._peer.response(message_id).number(dimse.STATUS)
        tally.completed += status == dimse.SUCCESS
        return status

    def _send_file(self, stored: StoredObject, message_id: int) -> None:
        node = self._retrieval.link.node
        with node.archive.open(stored, self._retrieval.link, self._host) as outgoing:
            context = self._offers.choose(stored.sop_class_uid, outgoing.transfer_syntax)
            if context is None:
                raise RetrieveFailure(f"{outgoing.path} is {outgoing.transfer_syntax}, which is not accepted")
            node.log.debug(f"Sending file : {outgoing.path}")
            command = store_request(stored.sop_class_uid, stored.sop_instance_uid, message_id, self._origin)
            send_object(self._peer, context, command, outgoing, self._buffers)
