"""Where the server's lines go (conquest-server.md section 10): stdout, PacsTrouble.log, PacsUser.log.

Much of what is logged comes from strangers. One call is one line: a control character of any kind is shown, not
obeyed, so nobody can forge a line or drive the terminal of whoever reads it.
"""

from __future__ import annotations

import os
import threading
import time

CHECK_SECONDS = 1.0
"""How often a log file is looked up again, in case somebody has moved it away."""


def clean(line: str) -> str:
    """The line with every character shown that is not a printable one; the tab is left as it is."""
    if line.isprintable():
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


class FileLog:
    """The `Log` of the running server. Thread-safe; never raises: a full disk costs lines, not the server."""

    def __init__(self, *, verbose: bool, trouble_path: str, user_path: str, output: int = 1) -> None:
        self._output = output if verbose else -1
        self._lock = threading.Lock()
        self._trouble = _AppendedFile(trouble_path)
        self._user = _AppendedFile(user_path)

    def console(self, line: str) -> None:
        """A normal line; one with `***` goes to PacsTrouble.log as well."""
        self.debug(line)
        if "***" in line:
            self.trouble(line)

    def debug(self, line: str) -> None:
        """A line for stdout only."""
        if self._output >= 0:
            data = _encoded(line)
            with self._lock:
                _write(self._output, data)

    def trouble(self, line: str) -> None:
        """A line for PacsTrouble.log only."""
        self._trouble.append(_encoded(f"{time.ctime()} {line}"))

    def user(self, operation: str, calling_ae: str) -> None:
        """A line for PacsUser.log."""
        self._user.append(_encoded(f'{time.ctime()} "{operation:<7}","{calling_ae:<16}"'))

    def close(self) -> None:
        """Give the files back; later lines open them again."""
        self._trouble.close()
        self._user.close()


class _AppendedFile:
    """A file that is opened with its first line, and again when its name has come to mean another file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor = -1
        self._checked = 0.0

    def append(self, line: bytes) -> None:
        with self._lock:
            try:
                _write(self._current(), line)
            except OSError:
                self._drop()  # a folder that is gone or read-only: the next line tries again

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _current(self) -> int:
        now = time.monotonic()
        if self._descriptor >= 0 and now - self._checked > CHECK_SECONDS and not self._still_named():
            self._drop()
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._checked = now
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
    """All of it, unless the other end is gone or full."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return
