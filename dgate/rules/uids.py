"""`newuids` and `olduids` (conquest-converters.md 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dgate.dataset.uidmap import Change, hashed_uid, parse_exceptions, replace_uids
from dgate.rules.naming import uid_mapper
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.rules.run import Run

_EXCEPT = re.compile(r" except (\S+)", re.IGNORECASE)
_STAGE = re.compile(r" stage (\S+)", re.IGNORECASE)


def new_uids(run: Run, _word: str, text: str) -> Status:
    """Replace every UID of an instance; equal ones by equal ones, across objects and restarts."""
    run.operator(f"{run.where} executes: {text}")
    listed, stage = _clauses(text)
    exceptions = parse_exceptions(listed)
    if stage.startswith("#"):
        prefix = run.services.settings().uid_prefix
        changes = replace_uids(run.subject.data, lambda uid: hashed_uid(prefix, uid, stage), exceptions)
    else:
        with uid_mapper(run, stage, back=False) as mapper:
            changes = replace_uids(run.subject.data, mapper, exceptions)
    for change in changes:
        _report(run, change, "NewUIDs")
    return Status.NEXT


def old_uids(run: Run, _word: str, text: str) -> Status:
    """Put back what `newuids` has replaced; what nobody knows stays, and the log says so."""
    run.operator(f"{run.where} executes: {text}")
    listed, stage = _clauses(text)
    with uid_mapper(run, stage, back=True) as mapper:
        changes = replace_uids(run.subject.data, mapper, parse_exceptions(listed))
    for change in changes:
        if change.new is None:
            run.operator("***ChangeUIDBack: Unable to locate new UID")
            run.operator(f"***[OldUIDsInDICOMObject] FAILED to change {_named(run, change)}")
        else:
            _report(run, change, "OldUIDs")
    return Status.NEXT


def _clauses(text: str) -> tuple[str, str]:
    """The list behind `except`, and the name behind `stage`."""
    listed, stage = _EXCEPT.search(text), _STAGE.search(text)
    return listed[1] if listed else "", stage[1] if stage else ""


def _report(run: Run, change: Change, what: str) -> None:
    kind = "NewUID" if what == "NewUIDs" else "OldUID"
    run.debug(f"{kind} for {run.subject.terms.keyword(change.tag)} = {change.new}")
    run.debug(f"[{what}InDICOMObject] changing {_named(run, change)}")


def _named(run: Run, change: Change) -> str:
    return f"{change.tag >> 16:04x},{change.tag & 0xFFFF:04x} ({run.subject.terms.keyword(change.tag)})"
