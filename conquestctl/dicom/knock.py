"""A C-ECHO in four messages on one socket, for what `up` asks again and again: whether an instance answers yet.

pynetdicom takes a third of a second to import and hands each message from thread to thread, while the machine is busy
starting servers. This one knows only yes and no; whoever wants to know why not asks `conquestctl.dicom.echo`.
"""

from __future__ import annotations

import socket
import struct
from time import monotonic

from conquestctl.dicom.target import CALLING, EchoTarget

VERIFICATION = b"1.2.840.10008.1.1"
IMPLICIT_LITTLE = b"1.2.840.10008.1.2"
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
IMPLEMENTATION = b"2.25.168400940968541323677525692786543649884"

ASSOCIATE_AC, P_DATA = 2, 4
RELEASE_RQ = bytes.fromhex("05 00 00000004 00000000")
CONTEXT = 1
AC_FIXED = 68
"""Length of the fields before the items of an A-ASSOCIATE-AC (PS3.8 9.3.3)."""
CONTEXT_ANSWER = 0x21
LAST_OF_COMMAND = 3
"""Control header of a fragment that ends a command set (PS3.8 annex E.2)."""
STATUS = b"\x00\x00\x00\x09"
"""Tag (0000,0900), implicit little endian."""
LONGEST_PDU = 65536


class _NotDicomError(Exception):
    """What came is no answer of a DICOM node."""


def answers(target: EchoTarget, *, timeout: float, calling: str = CALLING) -> bool:
    """Whether the node answers a C-ECHO under its AE title with success, all of it within `timeout` seconds."""
    until = monotonic() + timeout
    try:
        with socket.create_connection((target.host, target.port), timeout) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(association_request(target.ae_title, calling))
            if not accepts(*_receive(connection, until)):
                return False
            connection.sendall(echo_request())
            if not is_success(*_receive(connection, until)):
                return False
            connection.sendall(RELEASE_RQ)
            _receive(connection, until)  # a server writes a complaint about a peer that does not wait for it
    except (OSError, _NotDicomError):
        return False
    return True


def association_request(called: str, calling: str) -> bytes:
    """A-ASSOCIATE-RQ for the verification service (PS3.8 9.3.2)."""
    context = struct.pack(">B3x", CONTEXT) + _item(0x30, VERIFICATION) + _item(0x40, IMPLICIT_LITTLE)
    user = _item(0x51, struct.pack(">I", LONGEST_PDU)) + _item(0x52, IMPLEMENTATION)
    titles = b"".join(title.encode("ascii", "replace").ljust(16)[:16] for title in (called, calling))
    items = _item(0x10, APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    return _pdu(1, struct.pack(">H2x", 1) + titles + bytes(32) + items)


def echo_request() -> bytes:
    """C-ECHO-RQ (PS3.7 9.3.5.1) as one P-DATA-TF."""
    elements = struct.pack("<HHI", 0, 0x0002, len(VERIFICATION) + 1) + VERIFICATION + b"\0"
    # command field, message id, "no data set"
    elements += b"".join(
        struct.pack("<HHIH", 0, tag, 2, value) for tag, value in ((0x100, 0x30), (0x110, 1), (0x800, 0x101))
    )
    command = struct.pack("<HHII", 0, 0, 4, len(elements)) + elements
    return _pdu(P_DATA, struct.pack(">IBB", len(command) + 2, CONTEXT, LAST_OF_COMMAND) + command)


def accepts(kind: int, body: bytes) -> bool:
    """Whether a PDU is an A-ASSOCIATE-AC that takes our context."""
    at = AC_FIXED
    while kind == ASSOCIATE_AC and at + 8 <= len(body):
        item, length = struct.unpack_from(">BxH", body, at)
        if item == CONTEXT_ANSWER and body[at + 4] == CONTEXT:
            return body[at + 6] == 0
        at += 4 + length
    return False


def is_success(kind: int, body: bytes) -> bool:
    """Whether a PDU carries a whole command set with status 0000."""
    if kind != P_DATA or len(body) < 6 or body[5] != LAST_OF_COMMAND:
        return False
    command, at = body[6:], 0
    while at + 10 <= len(command):
        if command[at : at + 4] == STATUS:
            return command[at + 4 : at + 10] == b"\x02\0\0\0\0\0"
        at += 8 + int.from_bytes(command[at + 4 : at + 8], "little")
    return False


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def _receive(connection: socket.socket, until: float) -> tuple[int, bytes]:
    kind, length = struct.unpack(">BxI", _exactly(connection, 6, until))
    if length > LONGEST_PDU:
        raise _NotDicomError
    return kind, _exactly(connection, length, until)


def _exactly(connection: socket.socket, count: int, until: float) -> bytes:
    data = b""
    while len(data) < count:
        left = until - monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(count - len(data))
        if not piece:
            raise _NotDicomError
        data += piece
    return data
