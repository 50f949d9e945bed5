"""What becomes of a statement, a line and an object (conquest-converters.md 2)."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """How a statement or a line ended, and with it what runs next."""

    NEXT = "next"
    FALSE = "false"
    """A condition that is not true: the next statement is not executed."""
    STOP = "stop"
    """The line ends."""
    RETURN = "return"
    """The line ends, and so does the file it is in, with the line that called that."""
    DESTROY = "destroy"
    REJECT = "reject"


FINAL = frozenset({Status.DESTROY, Status.REJECT})
"""No line runs after these."""


class Outcome(Enum):
    """What is to be done with an object after all its converters."""

    STORED = "stored"
    DESTROYED = "destroyed"
    """Not stored, and the sender is told that all went well."""
    REJECTED = "rejected"
    """Not stored, and the sender is told so."""


def outcome_of(status: Status) -> Outcome:
    """The outcome for an object after a last line that ended so."""
    if status is Status.DESTROY:
        return Outcome.DESTROYED
    return Outcome.REJECTED if status is Status.REJECT else Outcome.STORED
