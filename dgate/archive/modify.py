"""Changing an object that is stored (conquest-server.md 11.2: `modifyimage:` and its like, `anonymize:`, merging).

The changed object goes the way of every received one: its file takes the place of the old one in one step, with its
rows. One that gets another SOP instance UID is a new object: it is stored first, then the old one is deleted, both so
that a crash leaves no file out of step with its rows. A crash between the two leaves both objects; the same command
again finishes, for what UIDMODS knows gets the same UIDs again. Neither import nor export converters run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.archive.delete import delete
from dgate.archive.dropped import Verdict, add_file, take
from dgate.archive.placing import Original
from dgate.index.index import FAULTS
from dgate.index.tables import Level
from dgate.index.uidmods import open_uidmods
from dgate.record import dataclass, replace
from dgate.rules.converters import Converters
from dgate.rules.outcome import Outcome
from dgate.rules.subject import PATIENT_ID, SOP_UID

if TYPE_CHECKING:
    from dgate.archive.delete import Deletable
    from dgate.archive.dropped import Taking
    from dgate.archive.entry import Location
    from dgate.archive.stores import Stores
    from dgate.interfaces import Session
    from dgate.rules.interfaces import Association, Services
    from dgate.rules.subject import Subject

STUDY_UID, SERIES_UID = 0x0020000D, 0x0020000E

Change = Callable[["Subject", "Association"], Outcome]
"""Changes an object in memory; raises `DataSetError`. What is not to be `STORED` stays as it is."""


class NotModifiedError(Exception):
    """Why an object stays as it is."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that has a row."""

    uid: bytes
    location: Location


def modify(archive: Deletable, services: Services, stored: Stored, change: Change, session: Session) -> None:
    """Let `change` work on a stored object. Raises `NotModifiedError`, `FAULTS` of the index.

    `session` is what scripts and lines remember from one object to the next.
    """
    stores, location = archive.stores, stored.location
    changing = _Changing(services, change, stores, stored.uid.decode("latin-1"))
    options = replace(stores.options, ignore_rewrite=False, dropped_compression="as")
    try:
        fd, path = stores.devices.open_file(location.device, location.path)
    except OSError as error:
        raise NotModifiedError(f"its file cannot be read: {error.strerror}") from error
    original = Original(stored.uid, location, os.fstat(fd))
    instead = replace(stores, options=options, converters=changing, exports=None, original=original)
    try:
        verdict = take(instead, fd, sync=True, session=session)
    finally:
        os.close(fd)
    if verdict is not Verdict.ADDED:
        raise NotModifiedError(changing.why or verdict.value)
    if changing.renamed:
        keys = {"sop_uid": stored.uid}
        if not delete(archive, Level.IMAGE, keys, only_if=lambda: original.is_there(stores.devices)):
            raise NotModifiedError("it was stored anew or deleted meanwhile; what it has become is there as well")
        stores.log.console(f"Deleted file: {path}")


def add_changed(archive: Taking, services: Services, path: bytes, change: Change) -> bool:
    """Store what `change` makes of the object in a file, which stays as it is, as `add_file` stores one.

    Import converters see what it has become.
    """
    stores = archive.stores
    return add_file(_Changed(replace(stores, converters=_Before(services, change, stores.converters))), path)


@dataclass(frozen=True, slots=True)
class _Changed:
    """Implements `Taking`."""

    stores: Stores


class _Before(Converters):
    """A change that comes before the import converters."""

    def __init__(self, services: Services, change: Change, others: Converters | None) -> None:
        super().__init__(services, () if others is None else others.imports, {} if others is None else others.hooks)
        self.early, self.see_stores = False, True
        self._change = change

    def run_import(self, subject: Subject, association: Association, code: str = "") -> Outcome:  # noqa: ARG002
        """See `Converters`. Raises `DataSetError`."""
        outcome = self._change(subject, association)
        return outcome if outcome is not Outcome.STORED else super().run_import(subject, association)


class _Changing(Converters):
    """Stands in the place of all import converters."""

    def __init__(self, services: Services, change: Change, stores: Stores, uid: str) -> None:
        super().__init__(services, (), {})
        self.early, self.see_stores = False, True
        self.why = ""
        self.renamed = False
        """Whether it has another SOP instance UID now."""
        self._change = change
        self._stores = stores
        self._uid = uid

    def run_import(self, subject: Subject, association: Association, code: str = "") -> Outcome:  # noqa: ARG002
        """See `Converters`. Raises `DataSetError`."""
        subject.fix()
        before = _place_of(subject)
        if subject.attribute(SOP_UID) != self._uid:
            self.why = "its file holds another object"
        elif self._change(subject, association) is not Outcome.STORED:
            self.why = "the script does not want it"
        else:
            self.why = self._objection(before, subject)
        return Outcome.REJECTED if self.why else Outcome.STORED

    def _objection(self, before: tuple[str, ...], subject: Subject) -> str:
        """Why it cannot be what it is now; nothing if it can."""
        uid = subject.attribute(SOP_UID)
        self.renamed = uid != self._uid
        if not self.renamed:
            moved = before != _place_of(subject)
            return "for another patient, study or series it needs new UIDs (newuids)" if moved else ""
        new, old = uid.encode("latin-1", "replace"), self._uid.encode("latin-1")
        try:
            if self._stores.writer.location(new) is None:
                return ""
            with open_uidmods(self._stores.writer, "") as table:
                ours = table.original(new, None) == old
        except FAULTS as error:
            return f"the index cannot be asked: {error}"
        return "" if ours else f"there is an object with the UID {uid} already"


def _place_of(subject: Subject) -> tuple[str, ...]:
    return tuple(subject.attribute(tag).rstrip(" ") for tag in (PATIENT_ID, STUDY_UID, SERIES_UID))
