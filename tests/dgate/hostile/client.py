"""The bare client with what the archive's cases need: stores with any data set, queries, retrievals."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT, IMPLICIT_LITTLE, encode_element, read_all
from dgate.net import dimse, pdu
from tests.dgate.archive.support import dataset
from tests.dgate.net.raw import (
    CT,
    CT_CONTEXT,
    ECHO_CONTEXT,
    FIND_CONTEXT,
    STUDY_ROOT_FIND,
    VERIFICATION,
    RawClient,
    command,
    request,
)

STUDY_ROOT_MOVE, STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
WORKLIST, STORAGE_COMMITMENT = "1.2.840.10008.5.1.4.31", "1.2.840.10008.1.20.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
GET_CONTEXT, MOVE_CONTEXT, IMPLICIT_CONTEXT, BIG_CONTEXT, DEFLATED_CONTEXT = 7, 9, 11, 13, 15
WORKLIST_CONTEXT, COMMITMENT_CONTEXT = 17, 19
FAILED, BAD_QUERY = 0x0110, 0xC001
LEVEL, SOP_UID, OBJECT_FILE = 0x00080052, 0x00080018, 0x99990800

_BOTH_ROLES = len(CT).to_bytes(2, "big") + CT.encode() + b"\1\1"
CONTEXTS = (
    pdu.ProposedContext(ECHO_CONTEXT, VERIFICATION, (IMPLICIT_LITTLE,)),
    pdu.ProposedContext(CT_CONTEXT, CT, (EXPLICIT_LITTLE,)),
    pdu.ProposedContext(FIND_CONTEXT, STUDY_ROOT_FIND, (IMPLICIT_LITTLE,)),
    pdu.ProposedContext(GET_CONTEXT, STUDY_ROOT_GET, (IMPLICIT_LITTLE,)),
    pdu.ProposedContext(MOVE_CONTEXT, STUDY_ROOT_MOVE, (IMPLICIT_LITTLE,)),
    pdu.ProposedContext(IMPLICIT_CONTEXT, CT, (IMPLICIT_LITTLE,)),
    pdu.ProposedContext(BIG_CONTEXT, CT, (EXPLICIT_BIG,)),
    pdu.ProposedContext(DEFLATED_CONTEXT, CT, (DEFLATED,)),
    pdu.ProposedContext(WORKLIST_CONTEXT, WORKLIST, (IMPLICIT_LITTLE,)),
    pdu.ProposedContext(COMMITMENT_CONTEXT, STORAGE_COMMITMENT, (IMPLICIT_LITTLE,)),
)
ALL = request(CONTEXTS, others=((pdu.ROLE_SELECTION, _BOTH_ROLES),))
REQUEST = pdu.encode_request(ALL)


def keys(level: str, wanted: Mapping[int, bytes]) -> bytes:
    """An identifier in implicit encoding, which has room for values of any length."""
    everything = {LEVEL: level.encode(), **wanted}
    return b"".join(encode_element(tag, b"LO", value, IMPLICIT) for tag, value in sorted(everything.items()))


def move_command(destination: str) -> bytes:
    return dimse.encode_command(
        [
            (dimse.AFFECTED_SOP_CLASS, STUDY_ROOT_MOVE.encode()),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_MOVE)),
            (dimse.MESSAGE_ID, dimse.ushort(1)),
            (dimse.MOVE_DESTINATION, dimse.padded(destination)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
        ]
    )


class Client(RawClient):
    """One association; it is there when the object is, unless `associated` is false."""

    def __init__(self, port: int, *, associated: bool = True, receive_buffer: int = 0) -> None:
        super().__init__(port, receive_buffer=receive_buffer)
        if associated:
            self.associate(ALL)

    def store(self, data: bytes, uid: str = "1.2.3", context: int = CT_CONTEXT, max_length: int = 16384) -> int:
        """Send a C-STORE and return the status of its answer."""
        head = command(dimse.C_STORE, data_set=True, uid=uid)
        self.send(dimse.encode_message(context, head, data, max_length))
        return self.status()

    def stored(self, data: bytes, context: int = CT_CONTEXT, max_length: int = 16384) -> int | None:
        """The status of a C-STORE, None if the association was closed instead; the client is of no use after it."""
        self.send(dimse.encode_message(context, command(dimse.C_STORE, data_set=True, uid="1.2.3"), data, max_length))
        if not self.sock.recv(1, socket.MSG_PEEK):
            return None
        status = self.status()
        assert self.echo() == 0
        self.release()
        return status

    def ask(self, level: str, wanted: Mapping[int, bytes]) -> None:
        """Send a C-FIND."""
        head = command(dimse.C_FIND, data_set=True)
        self.send(dimse.encode_message(FIND_CONTEXT, head, keys(level, wanted), 100_000))

    def find(self, level: str, wanted: Mapping[int, bytes]) -> tuple[int, list[dict[int, bytes]]]:
        """The final status of a C-FIND, and its answers."""
        self.ask(level, wanted)
        answers: list[dict[int, bytes]] = []
        while True:
            answer, identifier = self.response()
            if identifier is None:
                return answer.number(dimse.STATUS), answers
            values = read_all(identifier, IMPLICIT).values
            answers.append({tag: value.rstrip(b"\0 ") for tag, value in values.items()})

    def ask_for_objects(self, wanted: Mapping[int, bytes], level: str = "STUDY") -> None:
        """Send a C-GET."""
        head = command(dimse.C_GET, data_set=True, sop=STUDY_ROOT_GET)
        self.send(dimse.encode_message(GET_CONTEXT, head, keys(level, wanted), 100_000))

    def ask_to_move(self, destination: str, wanted: Mapping[int, bytes], level: str = "STUDY") -> None:
        """Send a C-MOVE."""
        self.send(dimse.encode_message(MOVE_CONTEXT, move_command(destination), keys(level, wanted), 100_000))


def store_pieces(elements: Mapping[int, tuple[bytes, bytes]], sizes: Sequence[int]) -> bytes:
    """A C-STORE whose data set comes in PDVs of these sizes, the last one repeated."""
    from tests.dgate.net.raw import p_data, pdv

    data, parts, wanted = (
        dataset(elements),
        [p_data(pdv(CT_CONTEXT, 3, command(dimse.C_STORE, data_set=True)))],
        [*sizes],
    )
    while data:
        size = wanted.pop(0) if len(wanted) > 1 else wanted[0]
        parts.append(p_data(pdv(CT_CONTEXT, 0 if len(data) > size else 2, data[:size])))
        data = data[size:]
    return b"".join(parts)
