"""The one exception family, and the exit statuses it maps to.

Code anywhere below the command line raises a `ConquestError` with a full sentence and, where there is one, a hint
that says what to type next. `conquestctl.cli.main.main` prints it once and exits with its status.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class ExitStatus(IntEnum):
    """What the shell sees. Listed in `docs/reference.md`; one test per member."""

    OK = 0
    FAILURE = 1
    """Something went wrong that has no number of its own."""
    USAGE = 2
    """The words on the command line are not understood (Typer uses the same number)."""
    PARTIAL = 3
    """Some of several instances failed; the others are done."""
    NOT_FOUND = 4
    """No such instance, file or image."""
    CONFLICT = 5
    """A name, AE title or port is taken, or another process holds the lock."""
    INVALID = 6
    """A value, or a file that somebody edited, breaks its rules."""
    ENGINE = 7
    """No engine answers, or the engine refused."""
    NOT_READY = 8
    """Started, but no C-ECHO answer in time; or an echo that failed for all."""
    STORAGE = 9
    """Disk full, read-only folder, no rights."""
    INTERRUPTED = 130
    """Ctrl-C."""


class ConquestError(Exception):
    """A failure a person can act on.

    `message` says what, where and why in a sentence; `hint` what to type next; `instance` which one it was about.
    """

    status: ExitStatus = ExitStatus.FAILURE

    def __init__(self, message: str, *, hint: str = "", instance: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.instance = instance


class UsageError(ConquestError):
    """The request contradicts itself or lacks something."""

    status = ExitStatus.USAGE


class NotFoundError(ConquestError):
    """No such instance, image or file."""

    status = ExitStatus.NOT_FOUND


class ConflictError(ConquestError):
    """A name, AE title or port is taken, or somebody else is at it."""

    status = ExitStatus.CONFLICT


class InvalidError(ConquestError):
    """A value or an edited file breaks its rules."""

    status = ExitStatus.INVALID


class EngineError(ConquestError):
    """No engine answers, or it refused."""

    status = ExitStatus.ENGINE


class NotReadyError(ConquestError):
    """An instance runs but does not answer a C-ECHO as it should."""

    status = ExitStatus.NOT_READY


class StorageError(ConquestError):
    """Disk full, read-only folder, no rights."""

    status = ExitStatus.STORAGE


class Interrupted(ConquestError):  # noqa: N818 - a person's wish, not an error
    """Ctrl-C; the message says what is running."""

    status = ExitStatus.INTERRUPTED
