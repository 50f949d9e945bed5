"""`get` and `preretrieve`: another server is asked to send us what it has (conquest-converters.md 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.encoding.elements import IMPLICIT_LITTLE
from dgate.forward.identifier import identifier_of, level_of
from dgate.forward.lanes import Failed, GivenUp
from dgate.net import dimse
from dgate.net.limits import FETCHED
from dgate.net.requestor import Destination, NoAssociation, PeerLost, association
from dgate.rules.run import shown

if TYPE_CHECKING:
    from dgate.forward.table import Work
    from dgate.net.node import Node
    from dgate.net.requestor import Requested

PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.2.2"


class Fetch:
    """Asks with a C-MOVE whose destination we are."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def get(self, work: Work) -> None:
        """`get patient|study|series|image ... from AE`. Raises `Failed`, `GivenUp`."""
        self._ask(work)

    def preretrieve(self, work: Work) -> None:
        """`preretrieve AE`: all that it has of the patient. Raises `Failed`, `GivenUp`."""
        self._ask(work)

    def _ask(self, work: Work) -> None:
        """The original's log lines do not tell one from the other."""
        node, source = self._node, work["target"]
        entry = node.config.amap.find(source)
        if entry is None or entry.port_number is None:
            node.log.console(shown(f"***preretrieve: AE not found: {source}"))
            raise GivenUp(f"{source} is not in acrnema.map, or without a port there")
        own = node.config.settings.ae_title
        destination = Destination(entry.host, entry.port_number, own, entry.ae)
        model = PATIENT_ROOT_MOVE if level_of(work["keys"], work["clauses"]) == "PATIENT" else STUDY_ROOT_MOVE
        try:
            with (
                association(destination, [(model, (IMPLICIT_LITTLE,))], node.limits, node.door) as peer,
                node.door.expecting(peer.address),
            ):
                status = self._move(peer, model, identifier_of(work))
        except NoAssociation as fault:
            node.log.console(shown(f"***preretrieve: could not connect to AE: {source}"))
            raise Failed(str(fault)) from fault
        except PeerLost as fault:
            node.log.console("***preretrieve/forward xxx to: association lost")
            raise Failed(str(fault)) from fault
        if status != dimse.SUCCESS:
            node.log.console("***preretrieve/forward xxx to: remote DICOM error")
            raise GivenUp(f"{source} answered the C-MOVE with status {status:04X}")

    def _move(self, peer: Requested, model: str, keys: bytes) -> int:
        request = dimse.encode_command(
            (
                (dimse.AFFECTED_SOP_CLASS, model.encode()),
                (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_MOVE)),
                (dimse.MESSAGE_ID, dimse.ushort(FETCHED)),
                (dimse.PRIORITY, dimse.ushort(0)),
                (dimse.MOVE_DESTINATION, dimse.padded(self._node.config.settings.ae_title)),
                (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
            )
        )
        (accepted,) = peer.contexts
        peer.send_parts([dimse.encode_message(accepted, request, keys, peer.max_length)])
        status = dimse.PENDING
        while status & 0xFF00 == dimse.PENDING:
            status = peer.response(FETCHED).number(dimse.STATUS)
        return status
