"""Storage commitment, push model (PS3.4 annex J; PS3.7 10.1.1, 10.1.4): N-ACTION in, N-EVENT-REPORT out.

The original lacks it, so it is off unless `StorageCommitment = 1`. The report goes over the requester's own association
while that is open and quiet, otherwise over one of ours to the requester's AE title in acrnema.map.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from dgate.interfaces import ActionFailure
from dgate.net import dimse, pdu
from dgate.net.connection import ConnectionLost
from dgate.net.negotiation import STORAGE_COMMITMENT
from dgate.net.operation import Link
from dgate.net.requestor import Destination, NoAssociation, PeerLost, association

if TYPE_CHECKING:
    from dgate.interfaces import Commitment
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context
    from dgate.net.node import Node

INSTANCE = "1.2.840.10008.1.20.1.1"
"""The well-known SOP instance (PS3.6)."""
REQUEST_COMMITMENT = 1
"""The only action type."""
MAX_INFORMATION = 4 << 20
"""Some 30 000 objects."""
NO_SUCH_INSTANCE, NO_SUCH_CLASS, NO_SUCH_ACTION, RESOURCE_LIMITATION = 0x0112, 0x0118, 0x0123, 0x0213
"""Statuses (PS3.7 annex C)."""
MESSAGE_ID = 1
QUIET = 0.25
"""Seconds in which a requester who wants a separate association has released this one."""
PAUSES = (0.0, 2.0, 10.0, 60.0, 300.0)
"""Seconds before each attempt to deliver a report on an association of ours."""
SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")

_deliveries = threading.BoundedSemaphore(32)
"""Reports that may be on their way at once, those that wait for their next attempt included."""


class Requester(Link, Protocol):
    """The association that commitment is asked for on."""

    def quiet(self, seconds: float) -> bool:
        """Nothing comes from the peer for so long, and it owes us no answer: we may begin something."""


class Action:
    """One N-ACTION."""

    def __init__(self, link: Requester, command: Command, context: Context) -> None:
        self._link = link
        self._command = command
        self._context = context
        self._information = bytearray()
        self._too_long = False

    def data(self, fragments: Sequence[memoryview]) -> None:
        """Collect, up to a bound."""
        for fragment in fragments:
            if len(self._information) + len(fragment) > MAX_INFORMATION:
                self._too_long = True
                return
            self._information += fragment

    def end(self) -> None:
        """Answer as soon as the request is understood, then look for the objects and report."""
        log = self._link.node.log
        try:
            commitment = self._commitment()
        except ActionFailure as fault:
            log.console(f"***N-Action failed: {fault}")
            self._answer(fault.status, str(fault))
            return
        self._answer(dimse.SUCCESS)
        self._link.flush()
        commitment.carry_out()
        log.console(f"N-Action (StorageCommitment) {commitment.count} objects, {commitment.failures} failed")
        self._report(commitment)

    def abort(self) -> None:
        """Nothing is held."""

    def _commitment(self) -> Commitment:
        """What is asked for. Raises `ActionFailure`."""
        command = self._command
        if command.uid(dimse.REQUESTED_SOP_CLASS) != STORAGE_COMMITMENT:
            raise ActionFailure(NO_SUCH_CLASS, "not the storage commitment push model")
        if command.uid(dimse.REQUESTED_SOP_INSTANCE) != INSTANCE:
            raise ActionFailure(NO_SUCH_INSTANCE, "not the well-known instance of storage commitment")
        if command.number(dimse.ACTION_TYPE) != REQUEST_COMMITMENT:
            raise ActionFailure(NO_SUCH_ACTION, f"action type {command.number(dimse.ACTION_TYPE)} is unknown")
        if self._too_long:
            raise ActionFailure(RESOURCE_LIMITATION, f"more than {MAX_INFORMATION >> 20} MB of action information")
        return self._link.node.archive.commitment(bytes(self._information), self._context.transfer_syntax)

    def _answer(self, status: int, comment: str = "") -> None:
        self._link.reply(self._context, _action_response(self._command, status, comment))

    def _report(self, commitment: Commitment) -> None:
        """Here if the requester stays, elsewhere if it goes, also when it goes without having answered."""
        link = self._link
        if not link.quiet(QUIET):
            deliver(link.node, link.calling_ae, commitment)
            return
        try:
            event_type, information = commitment.report(self._context.transfer_syntax)
            link.reply(self._context, _event_request(event_type), information)
            link.flush()
            answer = link.response(MESSAGE_ID, 0)
        except ConnectionLost:
            deliver(link.node, link.calling_ae, commitment)
            raise
        _note(link.node, link.calling_ae, answer)


def deliver(node: Node, ae_title: str, commitment: Commitment) -> None:
    """Report on an association of ours, in a thread of its own, with a few attempts."""
    why = _start(node, ae_title, commitment)
    if why:
        node.log.console(f"***Storage commitment report to {ae_title} dropped: {why}")


def _start(node: Node, ae_title: str, commitment: Commitment) -> str:
    """Returns why it cannot be delivered at all; empty when the thread runs."""
    if _destination(node, ae_title) is None:
        return "the AE title is not in acrnema.map, or without host and port"
    if not _deliveries.acquire(blocking=False):
        return "too many are on their way"
    work = threading.Thread(target=_deliver, args=(node, ae_title, commitment), name="commitment", daemon=True)
    try:
        work.start()
    except RuntimeError as fault:  # no more threads
        _deliveries.release()
        return str(fault)
    return ""


def _destination(node: Node, ae_title: str) -> Destination | None:
    entry = node.config.amap.find(ae_title)
    if entry is None or not entry.host or entry.port_number is None:
        return None
    return Destination(entry.host, entry.port_number, node.config.settings.ae_title, entry.ae)


def _deliver(node: Node, ae_title: str, commitment: Commitment) -> None:
    try:
        for pause in PAUSES:
            threading.Event().wait(pause)
            why = _attempt(node, ae_title, commitment)
            if not why:
                return
            node.log.console(f"***Storage commitment report to {ae_title} not delivered: {why}")
    finally:
        _deliveries.release()


def _attempt(node: Node, ae_title: str, commitment: Commitment) -> str:
    """One association, one report. Returns why it was not delivered; empty when it was."""
    destination = _destination(node, ae_title)
    if destination is None:
        return "the AE title is no longer in acrnema.map"
    proposals = [(STORAGE_COMMITMENT, SYNTAXES)]
    try:
        with association(destination, proposals, node.limits, node.door, roles=(_scp_role(),)) as peer:
            context = next(iter(peer.contexts.values()))
            event_type, information = commitment.report(context.transfer_syntax)
            message = dimse.encode_message(context.id, _event_request(event_type), information, peer.max_length)
            peer.send_parts([message])
            _note(node, ae_title, peer.response(MESSAGE_ID))
    except (NoAssociation, PeerLost, dimse.DimseError) as fault:
        return str(fault)
    return ""


def _note(node: Node, ae_title: str, answer: Command) -> None:
    """An answer is the end of it, whatever it says: the requester knows now."""
    status = answer.number(dimse.STATUS)
    mark = f", answered with status {status:04x}" if status else ""
    node.log.console(f"N-Event-Report (StorageCommitment) to {ae_title}{mark}")


def _scp_role() -> tuple[int, bytes]:
    """Who requests an association is SCU unless it says otherwise; we are SCP (PS3.7 D.3.3.4)."""
    uid = STORAGE_COMMITMENT.encode()
    return pdu.ROLE_SELECTION, len(uid).to_bytes(2, "big") + uid + b"\0\1"


def _action_response(request: Command, status: int, comment: str) -> bytes:
    elements = [
        (dimse.AFFECTED_SOP_CLASS, STORAGE_COMMITMENT.encode()),
        (dimse.COMMAND_FIELD, dimse.ushort(dimse.N_ACTION | dimse.RESPONSE)),
        (dimse.RESPONDED_TO, dimse.ushort(request.message_id)),
        (dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)),
        (dimse.STATUS, dimse.ushort(status)),
    ]
    if comment:
        elements.append((dimse.ERROR_COMMENT, dimse.error_comment(comment)))
    elements.append((dimse.AFFECTED_SOP_INSTANCE, INSTANCE.encode()))
    return dimse.encode_command(elements)


def _event_request(event_type: int) -> bytes:
    return dimse.encode_command(
        (
            (dimse.AFFECTED_SOP_CLASS, STORAGE_COMMITMENT.encode()),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.N_EVENT_REPORT)),
            (dimse.MESSAGE_ID, dimse.ushort(MESSAGE_ID)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
            (dimse.AFFECTED_SOP_INSTANCE, INSTANCE.encode()),
            (dimse.EVENT_TYPE, dimse.ushort(event_type)),
        )
    )
