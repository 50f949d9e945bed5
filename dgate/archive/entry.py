"""An object on its way into the index: its rows, its file, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from dgate.index.rows import Rows
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.index.database.base import Executing


@dataclass(frozen=True, slots=True)
class Location:
    """Where an object's file lies: device name, path below its folder."""

    device: bytes
    path: bytes


class Content(Protocol):
    """The file that belongs to an entry."""

    def place(self, known: Location | None) -> Location:
        """Put it where it belongs; `known` is where an object with this UID lies now. Raises OSError, `KeepKnown`."""

    def undo(self) -> None:
        """The rows did not make it: as before `place`."""

    def withdraw(self) -> None:
        """The same for a moment only: it will be placed again, or undone."""

    def settle(self) -> None:
        """Rows and file are both there for good."""


Also = Callable[["Executing", Location], None]
"""Statements that belong to an object's rows: they are told where it lies, and count if the rows do."""


class KeepKnown(Exception):  # noqa: N818 - an outcome, not an error
    """The known object stays, the new one is dropped, and that is a success (IgnoreRewrite)."""


class Refused(Exception):  # noqa: N818 - an outcome, not an error
    """The rows contradict known ones; the text is the log line."""


class Outcome(Enum):
    """What became of an entry."""

    STORED = "stored"
    KEPT = "kept"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(slots=True)
class Entry:
    """An object to be entered. `label` names it in log lines; `also` is carried out behind its rows."""

    rows: Rows
    content: Content
    label: bytes
    outcome: Outcome | None = None
    also: Also | None = None
