"""A DICOM client of bare sockets: it can say anything, right or wrong."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Self

from dgate.net import dimse, pdu

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
IVLE = "1.2.840.10008.1.2"
EVLE = "1.2.840.10008.1.2.1"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

ECHO_CONTEXT, CT_CONTEXT, FIND_CONTEXT = 1, 3, 5
DEADLINE = 10.0
"""How long a test waits for an answer that should come at once."""


def request(
    contexts: Sequence[pdu.ProposedContext] | None = None,
    *,
    max_length: int = 16384,
    others: tuple[tuple[int, bytes], ...] = (),
    calling: str = "TESTSCU",
    called: str = "ORACLE",
    application: str = APPLICATION_CONTEXT,
    version: int = 1,
) -> pdu.AssociateRequest:
    if contexts is None:
        contexts = (
            pdu.ProposedContext(ECHO_CONTEXT, VERIFICATION, (IVLE,)),
            pdu.ProposedContext(CT_CONTEXT, CT, (EVLE, IVLE)),
            pdu.ProposedContext(FIND_CONTEXT, STUDY_ROOT_FIND, (IVLE,)),
        )
    user = pdu.UserInformation(max_length, "1.2.3.4", "RAW", others)
    return pdu.AssociateRequest(
        pdu.ae_field(called), pdu.ae_field(calling), application, tuple(contexts), user, version
    )


def command(field: int, message_id: int = 1, *, data_set: bool = False, uid: str = "1.2.3", sop: str = "") -> bytes:
    sop = sop or {dimse.C_STORE: CT, dimse.C_FIND: STUDY_ROOT_FIND}.get(field, VERIFICATION)
    elements = [
        (dimse.AFFECTED_SOP_CLASS, sop.encode()),
        (dimse.COMMAND_FIELD, dimse.ushort(field)),
        (dimse.RESPONDED_TO if field == dimse.C_CANCEL else dimse.MESSAGE_ID, dimse.ushort(message_id)),
        (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET if data_set else dimse.NO_DATA_SET)),
    ]
    if field == dimse.C_STORE:
        elements.append((dimse.AFFECTED_SOP_INSTANCE, uid.encode()))
    return dimse.encode_command(elements)


def pdv(context: int, control: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context, control) + data


def p_data(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return pdu.HEADER.pack(pdu.P_DATA, len(body)) + body


def echo_message(message_id: int = 1) -> bytes:
    return dimse.encode_message(ECHO_CONTEXT, command(dimse.C_ECHO, message_id), None, 0)


def store_message(data: bytes, message_id: int = 1, uid: str = "1.2.3", max_length: int = 0) -> bytes:
    store = command(dimse.C_STORE, message_id, data_set=True, uid=uid)
    return dimse.encode_message(CT_CONTEXT, store, data, max_length)


def find_message(identifier: bytes, message_id: int = 1, sop: str = "") -> bytes:
    find = command(dimse.C_FIND, message_id, data_set=True, sop=sop)
    return dimse.encode_message(FIND_CONTEXT, find, identifier, 0)


class RawClient:
    """One connection. Every receive has a deadline, so no test can hang on a silent server."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, receive_buffer: int = 0) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(DEADLINE)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """The next PDU; type 0 when the server has closed (a reset counts as closed)."""
        header = self.exactly(6)
        if len(header) < 6:
            return 0, b""
        kind, length = pdu.HEADER.unpack(header)
        return kind, self.exactly(length)

    def exactly(self, count: int) -> bytes:
        data = bytearray()
        try:
            while len(data) < count:
                piece = self.sock.recv(count - len(data))
                if not piece:
                    break
                data += piece
        except ConnectionResetError:
            pass
        return bytes(data)

    def everything(self) -> bytes:
        """All bytes until the server closes."""
        return self.exactly(1 << 30)

    def associate(self, asked: pdu.AssociateRequest | None = None) -> pdu.AssociateAccept:
        self.send(pdu.encode_request(asked or request()))
        kind, body = self.receive()
        assert kind == pdu.ASSOCIATE_AC, (kind, body)
        return pdu.parse_accept(body)

    def response(self) -> tuple[dimse.Command, bytes | None]:
        """The next DIMSE message, of any number of PDUs with one PDV each."""
        answer = dimse.parse_command(self._joined())
        return answer, self._joined() if answer.has_data_set else None

    def _joined(self) -> bytes:
        data = b""
        while True:
            kind, body = self.receive()
            assert kind == pdu.P_DATA, (kind, body)
            data += body[6:]
            if body[5] & dimse.LAST:
                return data

    def status(self) -> int:
        return self.response()[0].number(dimse.STATUS)

    def echo(self, message_id: int = 1) -> int:
        self.send(echo_message(message_id))
        return self.status()

    def release(self) -> None:
        self.send(pdu.RELEASE_RQ_PDU)
        kind, _ = self.receive()
        assert kind == pdu.RELEASE_RP, kind
        assert self.everything() == b""

    def abort_reason(self) -> int:
        """The server aborts (as the provider) and closes; why."""
        kind, body = self.receive()
        assert kind == pdu.ABORT, (kind, body)
        assert self.everything() == b""
        abort = pdu.parse_abort(body)
        assert abort.source == pdu.SOURCE_PROVIDER
        return abort.reason
