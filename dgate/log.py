"""Where the server's lines go (conquest-server.md section 10).

That is stdout, log files, the operator's console by UDP, PacsTrouble.log and PacsUser.log. Much of what is logged comes
from strangers. One call is one line: a control character of any kind is shown, not obeyed, so nobody can forge a line
or drive the terminal of whoever reads it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Protocol

CONSOLE_PORT = 1111
"""Where the operator's console listens unless told otherwise."""
MAX_DATAGRAM = 8192
CHECK_SECONDS = 1.0
"""How often a log file is looked up again, in case somebody has moved it away."""
MAX_HELD = 64
"""Lines of one thread that wait at most."""


def clean(line: str) -> str:
    """The line with every character shown that is not a printable one; the tab is left as it is."""
    if line.replace("\t", " ").isprintable():
        return line
    return "".join(character if _harmless(character) else _shown(character) for character in line)


def _harmless(character: str) -> bool:
    """Printable, a tab, or a byte of a file name that is no UTF-8 (it goes out as the byte it was)."""
    return character.isprintable() or character == "\t" or "\udca0" <= character <= "\udcff"


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDC9F:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _encoded(line: str) -> bytes:
    return (clean(line) + "\n").encode("utf-8", "surrogateescape")


class Sink(Protocol):
    """Takes whole lines, each with its line end. Never raises."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Take lines."""

    def close(self) -> None:
        """Give back what is open. No lines come after."""


class _Held(threading.local):
    """The lines of one thread that wait to be written together; None where they do not wait."""

    lines: list[tuple[str, bool]] | None = None
    """Each with whether it is a debug line."""
    users: list[bytes]


class FileLog:
    """The `Log` of the running server. Thread-safe; never raises: a full disk costs lines, not the server."""

    def __init__(self, *, verbose: bool, trouble_path: str, user_path: str, output: int = 1) -> None:
        self._lock = threading.Lock()
        self._console: tuple[Sink, ...] = ()
        self._debug: tuple[Sink, ...] = ()
        self._files: set[tuple[str, bool]] = set()
        self.is_stamped = False
        """Whether a file gets lines with time stamps."""
        self._trouble = _AppendedFile(trouble_path)
        self._user = _AppendedFile(user_path)
        self._held = _Held()
        if verbose:
            self._add(_Output(output), debug=True)

    def add_file(self, path: str, *, debug: bool, stamped: bool) -> None:
        """Write normal lines to a file as well, and debug lines too if `debug`; `stamped` puts the time before each.

        A file that is asked for again is not written twice.
        """
        with self._lock:
            if (path, debug) in self._files:
                return
            self._files.add((path, debug))
            self.is_stamped |= stamped
        file = _AppendedFile(path)
        self._add(_Stamped(file) if stamped else file, debug=debug)

    def add_console(self, host: str, port: int, name: str) -> None:
        """Send normal lines by UDP to an operator's console, each with `[name] ` before it. Raises `OSError`."""
        self._add(_Datagrams(host, port, name), debug=False)

    def _add(self, sink: Sink, *, debug: bool) -> None:
        self.flush()  # what was said before it was there is not for it
        with self._lock:
            self._console += (sink,)
            if debug:
                self._debug += (sink,)

    def console(self, line: str) -> None:
        """A normal line; one with `***` goes to PacsTrouble.log as well."""
        if self._console:
            self._take(line, debug=False)
        if "***" in line:
            self.trouble(line)

    def debug(self, line: str) -> None:
        """A line for those who want to see everything."""
        if self._debug:
            self._take(line, debug=True)

    def trouble(self, line: str) -> None:
        """A line for PacsTrouble.log only. It never waits."""
        self._trouble.append([_encoded(f"{time.ctime()} {line}")])

    def user(self, operation: str, calling_ae: str) -> None:
        """A line for PacsUser.log."""
        line = _encoded(f'{time.ctime()} "{operation:<7}","{calling_ae:<16}"')
        if self._held.lines is None:
            self._user.append([line])
        else:
            self._held.users.append(line)

    def hold(self) -> None:
        """See `Log`."""
        self._held.lines, self._held.users = [], []

    def flush(self) -> None:
        """See `Log`."""
        held = self._held
        if held.lines:
            lines, held.lines = held.lines, []
            self._write(lines)
        if held.lines is not None and held.users:
            users, held.users = held.users, []
            self._user.append(users)

    def release(self) -> None:
        """See `Log`."""
        self.flush()
        self._held.lines = None

    def _take(self, line: str, *, debug: bool) -> None:
        held = self._held.lines
        if held is None:
            self._write([(line, debug)])
            return
        held.append((line, debug))
        if len(held) >= MAX_HELD:
            self.flush()

    def _write(self, lines: Sequence[tuple[str, bool]]) -> None:
        everything = [(_encoded(line), debug) for line, debug in lines]
        for sink in self._console:
            chosen = [data for data, debug in everything if not debug or sink in self._debug]
            if chosen:
                sink.append(chosen)

    def close(self) -> None:
        """Give the files back; later lines open them again."""
        for sink in (*self._console, self._trouble, self._user):
            sink.close()


class _Output:
    """A descriptor that was open before us and stays open after us."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def append(self, lines: Sequence[bytes]) -> None:
        with self._lock:
            try:
                _write(self._descriptor, b"".join(lines))
            except OSError:
                return  # the reader has gone; what serves DICOM goes on

    def close(self) -> None:
        """Not ours to close."""


class _Stamped:
    """Puts the time before each line; an empty line becomes a lone time stamp."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.close = sink.close

    def append(self, lines: Sequence[bytes]) -> None:
        stamp = f"{time.ctime()} ".encode()
        self._sink.append([stamp + line for line in lines])


class _Datagrams:
    """An operator's console. Whether it listens, nobody knows."""

    def __init__(self, host: str, port: int, name: str) -> None:
        import socket

        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._address = address
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._prefix = f"[{clean(name)}] ".encode("utf-8", "surrogateescape")

    def append(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            try:
                self._socket.sendto((self._prefix + line)[:MAX_DATAGRAM], self._address)
            except OSError:
                continue  # nobody listens, or nobody reads fast enough: such a line is lost, as it is in the original

    def close(self) -> None:
        self._socket.close()


class _AppendedFile:
    """A file that is opened with its first line, and again when its name has come to mean another file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor = -1
        self._checked = 0.0

    def append(self, lines: Sequence[bytes]) -> None:
        with self._lock:
            try:
                _write(self._current(), b"".join(lines))
            except OSError:
                self._drop()  # a folder that is gone or read-only: the next line tries again

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _current(self) -> int:
        now = time.monotonic()
        if self._descriptor >= 0 and now - self._checked > CHECK_SECONDS:
            self._checked = now
            if not self._still_named():
                self._drop()
        if self._descriptor < 0:
            self._checked = now
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._descriptor

    def _still_named(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except OSError:
            return False

    def _drop(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _write(descriptor: int, data: bytes) -> None:
    """All of it. Raises `OSError` when the other end is gone or full."""
    while data:
        data = data[os.write(descriptor, data) :]
