"""A command inside a container, attached to our own standard streams."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from docker.errors import APIError
from docker.utils.socket import STDERR, frames_iter

from conquestctl.engine.base import Captured

if TYPE_CHECKING:
    from docker import APIClient

STDIN_FD, STDOUT_FD, STDERR_FD = 0, 1, 2


def run(client: APIClient, container: str, command: Sequence[str]) -> int:
    """Run it and return its exit status; with a terminal on both ends it gets one of its own."""
    terminal = os.isatty(STDIN_FD) and os.isatty(STDOUT_FD)
    made = client.exec_create(container, list(command), stdin=True, tty=terminal)
    stream: Any = client.exec_start(made["Id"], tty=terminal, socket=True)
    raw: socket.socket = getattr(stream, "_sock", stream)
    raw.settimeout(None)  # the client's limit is for its questions; a command may leave its input unread for hours
    with _raw_terminal(terminal), _following_size(client, made["Id"], terminal):
        threading.Thread(target=_send_input, args=(raw,), daemon=True).start()
        for kind, data in frames_iter(raw, terminal):  # type: ignore[no-untyped-call]
            _write_all(STDERR_FD if kind == STDERR else STDOUT_FD, data)
    stream.close()
    return int(client.exec_inspect(made["Id"])["ExitCode"] or 0)


def capture(client: APIClient, container: str, command: Sequence[str]) -> Captured:
    """Run it without input and return its exit status and what it wrote."""
    made = client.exec_create(container, list(command))
    out, err = client.exec_start(made["Id"], demux=True)
    return Captured(int(client.exec_inspect(made["Id"])["ExitCode"] or 0), out or b"", err or b"")


def _send_input(raw: socket.socket) -> None:
    """Until our input or the command ends; the command's end closes the connection under us."""
    with suppress(OSError, ValueError):
        while data := os.read(STDIN_FD, 65536):
            raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def _raw_terminal(terminal: bool) -> Iterator[None]:
    """Keys go through untouched while the command runs; the terminal is as before afterwards, come what may."""
    if not terminal:
        yield
        return
    before = termios.tcgetattr(STDIN_FD)
    tty.setraw(STDIN_FD)
    try:
        yield
    finally:
        termios.tcsetattr(STDIN_FD, termios.TCSADRAIN, before)
        sys.stdout.flush()


@contextmanager
def _following_size(client: APIClient, exec_id: str, terminal: bool) -> Iterator[None]:
    """Tell the command how large the terminal is, now and whenever that changes."""
    if not terminal or threading.current_thread() is not threading.main_thread():
        yield
        return

    def resize(*_: object) -> None:
        columns, lines = shutil.get_terminal_size()
        with suppress(APIError):  # a command that has just ended has no size any more
            client.exec_resize(exec_id, height=lines, width=columns)

    before = signal.signal(signal.SIGWINCH, resize)
    resize()
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
