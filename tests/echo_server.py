"""The smallest DICOM node: answers C-ECHO under its own AE title and nothing else. A thread or a process.

As a process it takes AETITLE, PORT and LISTEN from its environment, as an instance does, and what to do wrong from a
file `misbehave` in its working directory.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, P_DATA, A_RELEASE_RQ, A_RELEASE_RP = 1, 2, 3, 4, 5, 6
VERIFICATION = b"1.2.840.10008.1.1"
IMPLEMENTATION = b"1.2.826.0.1.3680043.8.498.1"


class EchoServer:
    """Listens from its creation until `close`."""

    def __init__(self, ae_title: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.ae_title = ae_title
        self.echoes = 0
        self._socket = socket.create_server((host, port))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept
            self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while self._answer(connection):
                    continue
            except OSError:
                return

    def _answer(self, connection: socket.socket) -> bool:
        header = _receive(connection, 6)
        if len(header) < 6:
            return False
        kind, length = struct.unpack(">BxI", header)
        body = _receive(connection, length)
        if kind == A_ASSOCIATE_RQ and body[4:20].decode().strip() != self.ae_title:
            connection.sendall(struct.pack(">BxI4B", A_ASSOCIATE_RJ, 4, 0, 1, 1, 7))
            return False
        if kind == A_ASSOCIATE_RQ:
            answer = body[:68] + _accepted(body[68:])
            connection.sendall(struct.pack(">BxI", A_ASSOCIATE_AC, len(answer)) + answer)
        elif kind == P_DATA:
            self.echoes += 1
            answer = _echo_response(body)
            connection.sendall(struct.pack(">BxI", P_DATA, len(answer)) + answer)
        elif kind == A_RELEASE_RQ:
            connection.sendall(struct.pack(">BxI4x", A_RELEASE_RP, 4))
            return False
        return True


def _receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data += more
    return data


def _items(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        kind, length = struct.unpack(">BxH", data[:4])
        found.append((kind, data[4 : 4 + length]))
        data = data[4 + length :]
    return found


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _accepted(items: bytes) -> bytes:
    answer = b""
    for kind, content in _items(items):
        if kind == 0x10:
            answer += _item(kind, content)
        elif kind == 0x20:
            inner = _items(content[4:])
            refused = 0 if (0x30, VERIFICATION) in inner else 3
            syntax = next(value for sub, value in inner if sub == 0x40)
            answer += _item(0x21, content[:1] + bytes([0, refused, 0]) + _item(0x40, syntax))
    return answer + _item(0x50, _item(0x51, struct.pack(">I", 16384)) + _item(0x52, IMPLEMENTATION))


def _echo_response(pdv: bytes) -> bytes:
    context = pdv[4:5]
    at = pdv.index(b"\x00\x00\x10\x01\x02\x00\x00\x00")  # (0000,0110) MessageID
    elements = (
        struct.pack("<HHI18s", 0, 0x0002, 18, b"1.2.840.10008.1.1\0")
        + struct.pack("<HHIH", 0, 0x0100, 2, 0x8030)
        + struct.pack("<HHI2s", 0, 0x0120, 2, pdv[at + 8 : at + 10])
        + struct.pack("<HHIH", 0, 0x0800, 2, 0x0101)
        + struct.pack("<HHIH", 0, 0x0900, 2, 0)
    )
    command = struct.pack("<HHII", 0, 0, 4, len(elements)) + elements
    return struct.pack(">I", len(command) + 2) + context + b"\x03" + command


def main() -> None:
    fault = Path("misbehave").read_text(encoding="utf-8") if Path("misbehave").exists() else ""
    print(f"hello from {os.environ['AETITLE']}", flush=True)
    if fault == "crash":
        print("dicom.ini is broken in line 7", file=sys.stderr)
        sys.exit(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if fault == "stubborn" else lambda *_: sys.exit(0))
    address = (os.environ["LISTEN"], int(os.environ["PORT"]))
    deaf = socket.create_server(address) if fault == "deaf" else None
    server = None if deaf else EchoServer(os.environ["AETITLE"], *address)
    run = {"pid": os.getpid(), "started": time.time(), "ae_title": os.environ["AETITLE"], "port": address[1]}
    Path("mount/logs/run.json").write_text(json.dumps(run), encoding="utf-8")
    while server or deaf:
        signal.pause()


if __name__ == "__main__":
    main()
