"""Where a request came from: what its lines run as, long after the object has gone by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.encoding.elements import IMPLICIT_LITTLE, LITTLE
from dgate.interfaces import Session
from dgate.rules.interfaces import Association
from dgate.rules.run import Run
from dgate.rules.subject import Subject

if TYPE_CHECKING:
    from dgate.forward.table import Work
    from dgate.rules.interfaces import Services


def run_for(work: Work, services: Services) -> Run:
    """A run without an object, for the line that the request came from."""
    subject = Subject(b"", LITTLE, IMPLICIT_LITTLE, services.terms.get())
    run = Run(work["prefix"], int(work["number"]), subject, Association("", "", Session()), services)
    run.part = int(work["part"])
    return run
