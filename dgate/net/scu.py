"""A C-ECHO client of a few lines, for health checks: no imports beyond the server's own."""

from __future__ import annotations

import socket
from time import monotonic

from dgate.net import dimse, pdu
from dgate.net.echo import VERIFICATION
from dgate.net.negotiation import ACCEPTED, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
MAX_ANSWER = 65536


class EchoError(Exception):
    """No good answer; the text says at which layer it failed."""


def echo(host: str, port: int, *, calling: str, called: str, timeout: float = 5.0) -> None:
    """Associate, send one C-ECHO, release. All of it within `timeout` seconds. Raises `EchoError`."""
    until = monotonic() + timeout
    try:
        with socket.create_connection((host, port), timeout) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(pdu.encode_request(verification_request(calling, called)))
            check_accept(*receive(sock, until))
            sock.sendall(dimse.encode_message(1, echo_command(), None, 0))
            _check_response(*receive(sock, until))
            sock.sendall(pdu.RELEASE_RQ_PDU)
            receive(sock, until)
    except TimeoutError as fault:
        raise EchoError(f"no answer within {timeout:g} s") from fault
    except (OSError, UnicodeError) as fault:  # the latter for a host name that cannot be one
        raise EchoError(f"cannot talk to {host}:{port}: {fault}") from fault
    except (pdu.PduError, dimse.DimseError) as fault:
        raise EchoError(f"the answer is not DICOM: {fault}") from fault


def verification_request(calling: str, called: str) -> pdu.AssociateRequest:
    """An association request with the verification service only."""
    context = pdu.ProposedContext(1, VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,))
    user = pdu.UserInformation(MAX_ANSWER, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION)
    return pdu.AssociateRequest(pdu.ae_field(called), pdu.ae_field(calling), APPLICATION_CONTEXT, (context,), user)


def echo_command() -> bytes:
    """The command set of a C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return dimse.encode_command(
        (
            (dimse.AFFECTED_SOP_CLASS, VERIFICATION.encode()),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_ECHO)),
            (dimse.MESSAGE_ID, dimse.ushort(1)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)),
        )
    )


def receive(sock: socket.socket, until: float) -> tuple[int, bytes]:
    """The next PDU, its type and body. Raises `EchoError`, `OSError`."""
    kind, length = pdu.HEADER.unpack(exactly(sock, 6, until))
    if length > MAX_ANSWER:
        raise EchoError(f"the answer is not DICOM: PDU of {length} bytes")
    return kind, exactly(sock, length, until)


def exactly(sock: socket.socket, count: int, until: float) -> bytes:
    """So many bytes. Raises `EchoError`, `OSError`."""
    data = b""
    while len(data) < count:
        left = until - monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        piece = sock.recv(count - len(data))
        if not piece:
            raise EchoError("the connection was closed")
        data += piece
    return data


def check_accept(kind: int, body: bytes) -> None:
    """The association was accepted, and the service with it. Raises `EchoError`, `PduError`."""
    if kind == pdu.ASSOCIATE_RJ:
        reject = pdu.parse_reject(body)
        raise EchoError(f"association rejected: result {reject.result}, source {reject.source}, reason {reject.reason}")
    if kind == pdu.ABORT:
        raise EchoError("association aborted")
    if kind != pdu.ASSOCIATE_AC:
        raise EchoError(f"the answer is not DICOM: PDU type {kind:02x}")
    if not any(context.result == ACCEPTED for context in pdu.parse_accept(body).contexts):
        raise EchoError("the verification service was not accepted")


def _check_response(kind: int, body: bytes) -> None:
    if kind != pdu.P_DATA or len(body) < 6:
        raise EchoError(f"no answer to the echo, but PDU type {kind:02x}")
    status = dimse.parse_command(body[6:]).number(dimse.STATUS)
    if status != dimse.SUCCESS:
        raise EchoError(f"echo answered with status {status:04x}")
