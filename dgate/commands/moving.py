"""`movepatient:` and its like: a C-MOVE that nobody asked for over the network.

From the own archive it is carried out here, as the service would for a peer; from another server it is asked of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes, split
from dgate.commands.context import CommandError
from dgate.encoding.elements import IMPLICIT, IMPLICIT_LITTLE, encode_element
from dgate.interfaces import Session
from dgate.net import dimse
from dgate.net.counters import MOVES
from dgate.net.dimse import Command
from dgate.net.move import Move
from dgate.net.negotiation import Context as PresentationContext
from dgate.net.node import Node
from dgate.net.operation import ClientError
from dgate.net.requestor import Destination, NoAssociation, PeerLost, association

if TYPE_CHECKING:
    from dgate.commands.context import Context

PATIENT_ROOT, STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.2.2"
LEVEL, PATIENT_ID, STUDY_DATE = 0x00080052, 0x00100020, 0x00080020
UIDS = {"STUDY": 0x0020000D, "SERIES": 0x0020000E, "IMAGE": 0x00080018}
MESSAGE_ID = 1

DATES = re.compile(r"\d{8}(-\d{8})?\Z")
_VRS = {LEVEL: b"CS", PATIENT_ID: b"LO", STUDY_DATE: b"DA"}

Keys = dict[int, str]


def movepatient_command(context: Context, arguments: str) -> str:
    """`source,destination,ID`."""
    return _move(context, arguments, lambda text: ("PATIENT", {PATIENT_ID: text}))


def movestudy_command(context: Context, arguments: str) -> str:
    """`source,destination,ID:study UID`."""
    return _move(context, arguments, lambda text: _below_patient("STUDY", text))


def moveseries_command(context: Context, arguments: str) -> str:
    """`source,destination,ID:series UID[,study UID]`."""
    return _move(context, arguments, lambda text: _below_patient("SERIES", text))


def movestudies_command(context: Context, arguments: str) -> str:
    """`source,destination,date` or `date-date`: the studies of these days."""
    return _move(context, arguments, _days)


def move_command(context: Context, arguments: str) -> str:
    """`source,destination,ID~study UID~series UID~SOP instance UID`; what is empty is not asked for."""
    return _move(context, arguments, _path)


def _below_patient(level: str, text: str) -> tuple[str, Keys]:
    patient, _, uid = text.rpartition(":")
    uid, _, study = uid.partition(",")
    return level, {PATIENT_ID: patient, UIDS["STUDY"]: study, UIDS[level]: uid}


def _days(text: str) -> tuple[str, Keys]:
    if not DATES.match(text):
        raise CommandError("expected yyyymmdd or yyyymmdd-yyyymmdd")
    return "STUDY", {STUDY_DATE: text}


def _path(text: str) -> tuple[str, Keys]:
    values = dict(zip(("PATIENT", *UIDS), split(text, "~", 4), strict=True))
    level = next((level for level in reversed(values) if values[level].strip()), "PATIENT")
    return level, {tag: values[name] for name, tag in {"PATIENT": PATIENT_ID, **UIDS}.items()}


def _move(context: Context, arguments: str, read: Callable[[str], tuple[str, Keys]]) -> str:
    """`0`, or `1` and a sentence. Raises `CommandError` where the level's own key is missing: too much would go."""
    source, destination, rest = (part.strip() for part in split(arguments, ",", 3))
    level, keys = read(rest)
    keys = {tag: value.strip() for tag, value in keys.items() if value.strip()}
    if {UIDS.get(level, PATIENT_ID), STUDY_DATE}.isdisjoint(keys):
        raise CommandError(f"expected what is to be moved at level {level}")
    request = MoveRequest(level, keys, destination)
    own = source.lower() in ("", "local", "(local)") or source == context.settings.ae_title
    done = _from_here(context, request) if own else ask_to_move(context, source, request)
    return "0" if done else f"1 Move failed from {source or '(local)'} to {destination}"


class MoveRequest:
    """A C-MOVE-RQ and its identifier."""

    def __init__(self, level: str, keys: Keys, destination: str) -> None:
        self.sop_class = PATIENT_ROOT if level == "PATIENT" else STUDY_ROOT
        elements = sorted({**keys, LEVEL: level}.items())
        self.identifier = b"".join(
            encode_element(tag, _VRS.get(tag, b"UI"), as_bytes(value), IMPLICIT) for tag, value in elements
        )
        self.command = dimse.encode_command(
            (
                (dimse.AFFECTED_SOP_CLASS, self.sop_class.encode()),
                (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_MOVE)),
                (dimse.MESSAGE_ID, dimse.ushort(MESSAGE_ID)),
                (dimse.MOVE_DESTINATION, dimse.padded(destination)),
                (dimse.PRIORITY, dimse.ushort(0)),
                (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
            )
        )


class Here:
    """The `Link` of a C-MOVE without a requester; it keeps the last answer."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.contexts: dict[int, PresentationContext] = {}
        self.max_length = 0
        self.calling_ae = self.called_ae = node.config.settings.ae_title
        self.address = ""
        self.session = Session()
        self.answer: Command | None = None

    def reply(self, _context: PresentationContext, command: bytes, _data_set: bytes | None = None) -> None:
        """See `Link`."""
        self.answer = dimse.parse_command(command)

    def flush(self) -> None:
        """See `Link`."""

    def cancelled(self, _message_id: int) -> bool:
        """See `Link`."""
        return False

    def send_parts(self, _parts: Sequence[bytes | memoryview]) -> None:
        """A C-MOVE sends no requests to its requester. Raises `ClientError`."""
        raise ClientError("there is no requester to send to")

    def response(self, _message_id: int, _answering: int) -> Command:
        """A C-MOVE gets no responses from its requester. Raises `ClientError`."""
        raise ClientError("there is no requester to answer")


def _from_here(context: Context, request: MoveRequest) -> bool:
    """Carry it out as the service does for a peer; whether everything arrived."""
    context.counters.add(MOVES)
    node = Node(context.archive, context.log, context.door.limits, context.door, context.config, context.counters)
    link = Here(node)
    move = Move(link, dimse.parse_command(request.command), PresentationContext(1, request.sop_class, IMPLICIT_LITTLE))
    move.data([memoryview(request.identifier)])
    move.end()
    return _succeeded(link.answer)


def ask_to_move(context: Context, source: str, request: MoveRequest) -> bool:
    """Ask another server of the map to move; whether it did. Raises `CommandError`."""
    entry = context.config.amap.find(source)
    if entry is None or entry.port_number is None:
        raise CommandError(f"{source[:16]} is not in acrnema.map, or without a port there")
    destination = Destination(entry.host, entry.port_number, context.settings.ae_title, entry.ae)
    proposals = [(request.sop_class, (IMPLICIT_LITTLE,))]
    try:
        with association(destination, proposals, context.door.limits, context.door) as peer:
            (accepted,) = peer.contexts
            message = dimse.encode_message(accepted, request.command, request.identifier, peer.max_length)
            peer.send_parts([message])
            answer = peer.response(MESSAGE_ID)
            while answer.number(dimse.STATUS) & 0xFF00 == dimse.PENDING:
                answer = peer.response(MESSAGE_ID)
    except (NoAssociation, PeerLost) as fault:
        context.log.console(f"***Move from {source}: {fault}")
        return False
    return _succeeded(answer)


def _succeeded(answer: Command | None) -> bool:
    """The original's servers count in honest and in other ways: a failed object is a failure here in any case."""
    if answer is None or answer.number(dimse.STATUS) != dimse.SUCCESS:
        return False
    return not any(answer.elements.get(dimse.FAILED, b""))
