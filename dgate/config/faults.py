"""What is wrong in a configuration file, as data: who reads the file decides whether to go on."""

from __future__ import annotations

from dgate.record import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in one file."""

    file: str
    line: int
    """Counted from 1; 0 when the fault is that something is absent."""
    key: str
    message: str
    fatal: bool
    """The server cannot run like this; otherwise it runs with what `message` says it takes instead."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        subject = f"{self.key}: " if self.key else ""
        return f"{where}: {subject}{self.message}"
