"""C-MOVE (PS3.7 9.1.4; conquest-server.md 9.3): the objects that match go to an AE title of acrnema.map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.interfaces import QueryFailure, RetrieveFailure
from dgate.net import dimse
from dgate.net.proposing import code_for, is_as_stored, propose
from dgate.net.requestor import Destination, NoAssociation, PeerLost, association
from dgate.net.retrieving import STOPPED, Outcome, Retrieval, Transfer
from dgate.net.sending import Origin, SendingBroken

if TYPE_CHECKING:
    from dgate.config.amap import Node as MapEntry
    from dgate.interfaces import StoredObject

NO_DESTINATION, EMPTY_DESTINATION, UNKNOWN_DESTINATION, NOT_CONNECTED = 0xC001, 0xC002, 0xC003, 0xC005

_PRIVATE = "1.2.826.0.1.3680043.2.135.1066.5.1.4.1.2."


class Move(Retrieval):
    """One C-MOVE."""

    operation = "C-Move"
    models = {  # noqa: RUF012 - constant
        "1.2.840.10008.5.1.4.1.2.1.2": "PatientRoot",
        "1.2.840.10008.5.1.4.1.2.2.2": "StudyRoot",
        "1.2.840.10008.5.1.4.1.2.3.2": "PatientStudyOnly",
        f"{_PRIVATE}1.2": "PatientRoot",
        f"{_PRIVATE}2.2": "StudyRoot",
        f"{_PRIVATE}3.2": "PatientStudyOnly",
    }

    def retrieve(self) -> Outcome:
        """See `Retrieval`."""
        entry = self._entry()
        objects = self.selected(entry.ae)
        if entry.port_number is None:
            return self._unreachable(entry, f"port {entry.port!r} of {entry.ae} in acrnema.map is none")
        try:
            return self._send(objects, entry, entry.port_number)
        except NoAssociation as fault:
            return self._unreachable(entry, f"{entry.ae} at {fault}")
        except (PeerLost, SendingBroken) as fault:
            self.tally.give_up()
            return Outcome(STOPPED, f"{entry.ae}: {fault}")

    def _entry(self) -> MapEntry:
        """The destination in acrnema.map, in the spelling asked for. Raises `QueryFailure`."""
        node, name = self.link.node, self.command.uid(dimse.MOVE_DESTINATION)
        node.log.console(f'\tC-Move Destination: "{name}"')
        if dimse.MOVE_DESTINATION not in self.command.elements:
            raise QueryFailure(NO_DESTINATION, "the request names no destination")
        if not name:
            raise QueryFailure(EMPTY_DESTINATION, "the destination is empty")
        entry = node.config.amap.find(name)
        if entry is None or not entry.host:
            node.log.console("Retrieve: move destination not allowed or known")
            known = ", ".join(known.ae for known in node.config.amap.nodes)
            raise QueryFailure(UNKNOWN_DESTINATION, f"unknown AE title {name}; known are {known or 'none'}")
        node.log.debug(f"(QualifyOn) (mapped) IP:{entry.host}, PORT:{entry.port}")
        return entry

    def _send(self, objects: Sequence[StoredObject], entry: MapEntry, port: int) -> Outcome:
        node = self.link.node
        destination = Destination(entry.host, port, node.config.settings.ae_title, entry.ae)
        code = code_for(self.link.called_ae, entry.compression)
        proposals = propose(code, self._stored(objects, look=is_as_stored(code)))
        with association(destination, proposals, node.limits, node.door) as peer:
            origin = Origin(self.link.calling_ae, self.command.message_id)
            return Transfer(self, peer, entry.ae, origin).run(objects)

    def _stored(self, objects: Sequence[StoredObject], *, look: bool) -> dict[str, set[str]]:
        """The SOP classes in the order of the objects; with a look at the files, in which transfer syntaxes."""
        found: dict[str, set[str]] = {}
        for stored in objects:
            syntaxes = found.setdefault(stored.sop_class_uid, set())
            if look:
                try:
                    with self.link.node.archive.open(stored) as outgoing:
                        syntaxes.add(outgoing.transfer_syntax)
                except RetrieveFailure:
                    continue  # said when its turn to be sent comes
        found.pop("", None)
        return found

    def _unreachable(self, entry: MapEntry, why: str) -> Outcome:
        self.link.node.log.console(f"Host '{entry.ae}' did not accept the connection")
        return Outcome(NOT_CONNECTED, why)
