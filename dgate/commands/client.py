"""`dgate --command:args`: send a command to a running server and print what it says."""

from __future__ import annotations

import os
import socket
import sys
from time import monotonic
from typing import TYPE_CHECKING

from dgate.net import dimse, pdu
from dgate.net.commands import COMMAND_TEXT, LOG_TEXT, UPLOAD, elements, output_of, padded
from dgate.net.dimse import Command, DimseError
from dgate.net.echo import VERIFICATION
from dgate.net.scu import MAX_ANSWER, EchoError, check_accept, exactly, receive, verification_request

if TYPE_CHECKING:
    from dgate.config.settings import Settings

WITH_OUTPUT, SILENT, NO_CONNECTION = 255, 0, 1
"""Exit statuses, the original's."""
SECONDS = 3600.0
"""A regeneration takes its time."""
MAX_OUTPUT = 256 * 1024 * 1024
UPLOADING = "addlocalfile:"
OPTION_TEXT = b"Server command sent using DGATE -- option"


def send(settings: Settings, host: str, port: int, command: str) -> int:
    """Send one command (what stands behind `--`) and print its output; the exit status. stderr says what failed."""
    text = command.encode("utf-8", "surrogateescape")
    try:
        output = request(settings, host, port, text, _upload(command))
    except (EchoError, OSError) as fault:
        sys.stderr.write(f"{settings.ae_title}: no answer from {host}:{port}: {fault}\n")
        return NO_CONNECTION
    if not output:
        return SILENT
    sys.stdout.buffer.write(output)
    sys.stdout.flush()
    return WITH_OUTPUT


def show(settings: Settings, host: str, port: int, command: str) -> int:
    """The same for a command that always has output; exit status 0 when it came, as scripts expect."""
    status = send(settings, host, port, command)
    if status == SILENT:
        sys.stderr.write(f"{settings.ae_title}: no commands are taken from here; see ServerCommandsFrom in dicom.ini\n")
    return int(status != WITH_OUTPUT)


def request(settings: Settings, host: str, port: int, text: bytes, upload: bytes | None = None) -> bytes:
    """The output of a command, empty when there is none. Raises `EchoError`, `OSError`."""
    until = monotonic() + SECONDS
    with socket.create_connection((host, port), 30.0) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            length = _associate(sock, settings.ae_title, until)
            sock.sendall(dimse.encode_message(1, command_set(text, upload), None, length))
            output = output_of(_response(sock, until))
        except (pdu.PduError, DimseError) as fault:
            raise EchoError(f"the answer is not DICOM: {fault}") from fault
        _release(sock)
    return output or b""


def command_set(text: bytes, upload: bytes | None) -> bytes:
    """A C-ECHO-RQ with a server command; text is padded with a blank, as by the original."""
    echo = dimse.encode_command(
        (
            (dimse.AFFECTED_SOP_CLASS, VERIFICATION.encode()),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_ECHO)),
            (dimse.MESSAGE_ID, dimse.ushort(1)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)),
        )
    )
    extra = elements([(LOG_TEXT, _even(OPTION_TEXT)), (COMMAND_TEXT, _even(text))])
    return echo + extra + (padded(UPLOAD, upload) if upload is not None else b"")


def _even(text: bytes) -> bytes:
    return text + b" " * (len(text) & 1)


def _upload(command: str) -> bytes | None:
    """The file that goes along. Raises `OSError`, `EchoError` for one that no server would take."""
    if not command.startswith(UPLOADING):
        return None
    name = command[len(UPLOADING) :].split(",", 1)[0]
    with open(name, "rb") as file:
        if os.fstat(file.fileno()).st_size > dimse.MAX_UPLOAD - 1024:
            raise EchoError(f"{name} has more than {dimse.MAX_UPLOAD} bytes; put it on the server and use addimagefile")
        return file.read()


def _associate(sock: socket.socket, ae_title: str, until: float) -> int:
    """Ask for the verification service; the longest PDU the server takes."""
    sock.sendall(pdu.encode_request(verification_request(ae_title, ae_title)))
    kind, body = receive(sock, until)
    check_accept(kind, body)
    return pdu.parse_accept(body).user.max_length


def _response(sock: socket.socket, until: float) -> Command:
    """The response's command set, of however many PDUs."""
    data = bytearray()
    while True:
        kind, length = pdu.HEADER.unpack(exactly(sock, 6, until))
        if kind != pdu.P_DATA or not 6 <= length <= MAX_ANSWER or len(data) > MAX_OUTPUT:
            raise EchoError(f"no answer to the command, but PDU type {kind:02x} of {length} bytes")
        body = exactly(sock, length, until)
        data += body[6:]
        if body[5] & dimse.LAST:
            return dimse.parse_command(bytes(data))


def _release(sock: socket.socket) -> None:
    """Say goodbye; a server that was told to stop may be gone already, and that is fine."""
    try:
        sock.sendall(pdu.RELEASE_RQ_PDU)
        exactly(sock, 10, monotonic() + 5.0)
    except (EchoError, OSError):
        return
