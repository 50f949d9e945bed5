"""A server that takes everything, drops it and says success: what the load generator could do at most.

It is also the receiver of C-MOVE. One process per association, so that it uses both cores as the generator does.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
from multiprocessing.sharedctypes import Synchronized

from benchmarks.server import wire
from benchmarks.server.link import Link, LoadError, Released

AE_TITLE = "BENCHSINK"
_FORK = multiprocessing.get_context("fork")


class Sink:
    """The listening process; `received` counts the objects of all associations."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._count: Synchronized[int] = _FORK.Value("q", 0)
        self._process = _FORK.Process(target=self._serve, name="sink")

    def start(self) -> None:
        """Begin to accept."""
        self._process.start()
        self._listener.close()

    def stop(self) -> None:
        """End the listening process; those of associations end with their peers."""
        self._process.terminate()
        self._process.join()

    @property
    def received(self) -> int:
        """Objects taken since the start."""
        return self._count.value

    def _serve(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        children: set[int] = set()
        while True:
            sock, _ = self._listener.accept()
            child = os.fork()
            if not child:
                self._listener.close()
                self._take(sock)
            sock.close()
            children.add(child)
            children -= {pid for pid in children if os.waitpid(pid, os.WNOHANG)[0]}

    def _take(self, sock: socket.socket) -> None:
        status = 1
        try:
            with contextlib.suppress(LoadError, OSError):
                self._associate(Link(sock))
            status = 0
        finally:
            os._exit(status)

    def _associate(self, link: Link) -> None:
        _, length = link.pdu()
        link.sock.sendall(wire.associate_accept(link.take(length)))
        with contextlib.suppress(Released):
            while True:
                self._answer(link)
        link.sock.sendall(wire.RELEASE_RP)

    def _answer(self, link: Link) -> None:
        context, command = link.message()
        request = wire.elements(command)
        if wire.number(request, wire.FIELD) == wire.C_STORE:
            with self._count.get_lock():
                self._count.value += 1
            reply = wire.store_response(request)
        else:
            rest = [(wire.SOP_CLASS, request[wire.SOP_CLASS]), (wire.RESPONDED_TO, request[wire.MESSAGE_ID])]
            reply = wire.command(wire.C_ECHO | wire.RESPONSE, [*rest, (wire.STATUS, b"\0\0")], data_set=False)
        link.sock.sendall(wire.pdu(context, wire.COMMAND | wire.LAST, reply))
