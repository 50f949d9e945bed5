"""Peers on loopback: a real DICOM node, and the things that are found on a port instead of one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pynetdicom import AE, evt

from conquestctl.dicom.echo import VERIFICATION
from conquestctl.dicom.target import EchoTarget

Handlers = list[Any]
Behaviour = Callable[[socket.socket], None]

HTTP_ANSWER = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TLS_ALERT = bytes.fromhex("15030100020246")


def read_request(connection: socket.socket) -> bytes:
    """One whole PDU (type, reserved, length, body), or what came of it."""
    head = connection.recv(6, socket.MSG_WAITALL)
    return head + connection.recv(int.from_bytes(head[2:6], "big"), socket.MSG_WAITALL)


def answer(reply: bytes) -> Behaviour:
    """Read the association request, send `reply`, wait until the other side closes."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(reply)
        hold(connection)

    return behave


def answer_and_close(reply: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(reply)

    return behave


def close_at_once(connection: socket.socket) -> None:
    del connection


def hold(connection: socket.socket) -> None:
    """Say nothing until the other side closes."""
    try:
        while connection.recv(4096):
            pass
    except OSError:
        return


def reject(result: int, source: int, reason: int) -> bytes:
    """A-ASSOCIATE-RJ, PS3.8 9.3.4."""
    return bytes([3, 0, 0, 0, 0, 4, 0, result, source, reason])


def abort(source: int, reason: int) -> bytes:
    """A-ABORT, PS3.8 9.3.8."""
    return bytes([7, 0, 0, 0, 0, 4, 0, 0, source, reason])


@contextmanager
def peer(behave: Behaviour) -> Iterator[EchoTarget]:
    """Listen on a port of the system's choice and treat every connection with `behave`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def treat(connection: socket.socket) -> None:
        with connection:
            try:
                behave(connection)
            except OSError:
                return

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=treat, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield EchoTarget("peer", "PEER", "127.0.0.1", listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def unused_target() -> EchoTarget:
    """A port of the system's choice on which nothing listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return EchoTarget("nobody", "NOBODY", "127.0.0.1", listener.getsockname()[1])


@contextmanager
def node(ae: AE | None = None, handlers: Handlers | None = None) -> Iterator[EchoTarget]:
    """A real DICOM node; verification only unless `ae` says otherwise."""
    if ae is None:
        ae = AE("NODE")
        ae.add_supported_context(VERIFICATION)
    ae.maximum_associations = 100
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield EchoTarget("node", "NODE", "127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()


def failing_echo() -> Handlers:
    """Handlers of a node that answers a C-ECHO with `SOP class not supported`."""
    return [(evt.EVT_C_ECHO, lambda _event: 0x0122)]
