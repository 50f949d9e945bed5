"""The listening socket and the threads behind it.

Whoever accepts a connection serves it: before a thread turns to its peer it makes sure that another one waits in
`accept`. That saves the hand-over between an acceptor and a worker, and idle threads are used again.
"""

from __future__ import annotations

import itertools
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING

from dgate.net.association import serve_connection
from dgate.net.connection import Connection
from dgate.threads import start_thread

if TYPE_CHECKING:
    from dgate.net.node import Node

BACKLOG = 512
SPARE_THREADS = 4
STACK = 512 * 1024
"""Python keeps its own frames elsewhere; SQLite and the C library are content with this."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; an empty host means all interfaces. Raises `OSError` (port in use, unknown address)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


class Listener:
    """Accepts and serves until it is stopped."""

    def __init__(self, sock: socket.socket, node: Node) -> None:
        self._sock = sock
        self._node = node
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._waiting = 0
        self._threads: set[threading.Thread] = set()
        self._stopping = threading.Event()

    @property
    def port(self) -> int:
        """The TCP port, also when the system chose it."""
        return int(self._sock.getsockname()[1])

    @property
    def threads(self) -> int:
        """How many threads there are now."""
        with self._lock:
            return len(self._threads)

    def start(self) -> None:
        """Begin to accept; returns at once."""
        self._node.door.start()
        with self._lock:
            self._waiting = 1
        self._spawn()

    def stop(self) -> None:
        """Accept no more, let what is in flight finish (within the limits' grace), end the threads."""
        self._stopping.set()
        self._sock.shutdown(socket.SHUT_RDWR)  # wakes every thread in accept
        self._node.door.drain()
        self._sock.close()
        self._node.door.stop()
        until = monotonic() + self._node.limits.grace
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, until - monotonic()))

    def _spawn(self) -> None:
        """One more thread in accept, already counted as waiting. Raises `RuntimeError` when there can be none."""
        thread = threading.Thread(target=self._work, name="association", daemon=True)
        with self._lock:  # whoever stops us joins what is in the set: only threads that run
            start_thread(thread, STACK)
            self._threads.add(thread)

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    sock, address = self._sock.accept()
                except OSError as fault:
                    self._cannot_accept(fault)
                    continue
                self._replace_me()
                self._serve(sock, address[0])
                if not self._wait_again():
                    break
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _replace_me(self) -> None:
        """Somebody has to wait in accept while we serve."""
        with self._lock:
            self._waiting -= 1
            alone = self._waiting == 0
            self._waiting += alone
        if not alone:
            return
        try:
            self._spawn()
        except RuntimeError as fault:
            with self._lock:
                self._waiting -= 1
            self._node.log.console(f"***Cannot start a thread: {fault}")
            self._node.door.make_room()

    def _wait_again(self) -> bool:
        """Whether this thread is still wanted after its association."""
        with self._lock:
            wanted = self._waiting < SPARE_THREADS
            self._waiting += wanted
        return wanted

    def _serve(self, sock: socket.socket, address: str) -> None:
        node = self._node
        try:
            connection = Connection(sock, address, monotonic() + node.limits.handshake)
        except OSError:
            sock.close()  # gone before we looked
            return
        node.door.admit(connection)
        try:
            serve_connection(connection, node, self._numbers)
        finally:
            connection.close()
            node.door.leave(connection)

    def _cannot_accept(self, fault: OSError) -> None:
        """Out of descriptors or memory, as a rule: drop a stranger and try again a little later."""
        if not self._stopping.is_set():
            self._node.log.console(f"***Cannot accept a connection: {fault}")
            self._node.door.make_room()
            self._stopping.wait(0.1)
