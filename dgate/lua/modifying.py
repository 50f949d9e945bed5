"""`newdicomdelete`, `newdicommodify`, `newdicomcopy`: stored objects are changed (conquest-converters.md 11.5).

An object with a new SOP instance UID is on disk before its original goes. One that keeps its UID but goes to another
patient, study or series has to leave the index first: its file stays until the changed one is on disk.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.archive.delete import delete
from dgate.dataset.structure import DataSetError
from dgate.encoding.part10 import NotDicomError
from dgate.index.index import FAULTS
from dgate.index.tables import Level
from dgate.lua.border import NOTHING, text
from dgate.lua.database import PATIENT_ID, SERIES_UID, SOP_UID, STUDY_UID, loaded, matching
from dgate.lua.host import as_log_text
from dgate.lua.methods import FROM_SCRIPT
from dgate.lua.objects import ScriptError
from dgate.rules.objects import copy_of
from dgate.rules.outcome import FINAL
from dgate.rules.storing import store

if TYPE_CHECKING:
    from dgate.archive.writer import Location
    from dgate.interfaces import StoredObject
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar
    from dgate.rules.subject import Subject

_ABOVE = (PATIENT_ID, STUDY_UID, SERIES_UID)


def newdicomdelete(border: Border, number: Scalar, _thread: Scalar = None) -> Values:
    """`newdicomdelete(object[, thread])`: delete what matches; the thread would only show how far it is."""
    for stored in matching(border, number):
        _delete(border, stored.sop_instance_uid)
    return NOTHING


def newdicommodify(border: Border, number: Scalar, line: Scalar, _thread: Scalar = None, *_: Scalar) -> Values:
    """`newdicommodify(object, line[, thread])`: converter code on all that matches, in the archive."""
    code, moved, failed = text(line, "a line"), [], 0
    for stored in matching(border, number):
        try:
            changed = _changed(border, stored, code)
            if changed is None:
                continue
            original, made = changed
            if _goes_elsewhere(original, made):
                moved.append((original, made))
            elif not _store(border, made):
                failed += 1
            elif made.attribute(SOP_UID) != stored.sop_instance_uid:
                _delete(border, stored.sop_instance_uid)
        except (DataSetError, NotDicomError, OSError) as fault:
            _tell(border, "newdicommodify", stored, fault)
    failed += _move(border, moved)
    if failed:
        border.line.services.log.console(f"***newdicommodify: {failed} objects cannot be stored, and are as they were")
    return NOTHING


def newdicomcopy(border: Border, number: Scalar, line: Scalar, _thread: Scalar = None, *_: Scalar) -> Values:
    """`newdicomcopy(object, line[, thread])`: the same on copies; `newuids` for one makes some of them."""
    code = text(line, "a line")
    for stored in matching(border, number):
        try:
            changed = _changed(border, stored, code)
            if changed is not None and changed[1].attribute(SOP_UID) != stored.sop_instance_uid:
                _store(border, changed[1])
            elif changed is not None:
                _tell(border, "newdicomcopy", stored, "a copy needs another SOP instance UID")
        except (DataSetError, NotDicomError, OSError) as fault:
            _tell(border, "newdicomcopy", stored, fault)
    return NOTHING


def _changed(border: Border, stored: StoredObject, code: str) -> tuple[Subject, Subject] | None:
    """An object as it is stored, and as the line leaves it; None if that destroys it."""
    original = loaded(border, stored)
    run = border.line.below(FROM_SCRIPT)
    run.subject, run.silent = copy_of(original), True
    if run.services.library.line(code).run(run) in FINAL:
        return None
    return original, run.subject


def _goes_elsewhere(original: Subject, made: Subject) -> bool:
    same = made.attribute(SOP_UID) == original.attribute(SOP_UID)
    return same and any(made.attribute(tag) != original.attribute(tag) for tag in _ABOVE)


def _move(border: Border, moved: list[tuple[Subject, Subject]]) -> int:
    """Give objects that keep their UIDs to somebody else, all at once; how many have stayed where they were.

    As long as one image of a study is in the index, none of them can go to another patient.
    """
    writer, places, failed = border.host.archive.stores.writer, [], 0
    for original, _ in moved:
        key = original.attribute(SOP_UID).encode("latin-1", "replace")
        places.append(writer.location(key))
        delete(border.host.archive, Level.IMAGE, {"sop_uid": key}, keep_files=True)
    for (original, made), place in zip(moved, places, strict=True):
        stored = _store(border, made)
        if not stored:
            failed += 1
            _store(border, original)
        if place is not None:
            _remove(border, original.attribute(SOP_UID), place)
    return failed


def _remove(border: Border, uid: str, place: Location) -> None:
    """The file that an object had, unless it has the same one again, or none."""
    stores = border.host.archive.stores
    now = stores.writer.location(uid.encode("latin-1", "replace"))
    spool = stores.devices.named(place.device)
    if now is None or spool is None or (now.device, now.path) == (place.device, place.path):
        return
    for home in stores.devices.homes(spool):
        try:
            home.remove(place.path)
            home.prune(place.path)
        except OSError as fault:
            path = os.fsdecode(place.path)
            border.line.services.log.console(f"***File cannot be deleted: {path}: {fault.strerror}")


def _store(border: Border, subject: Subject) -> bool:
    peer = border.line.association
    return store(border.host.archive.stores, subject, peer.calling_ae, peer.called_ae, sync=True)


def _delete(border: Border, uid: str) -> None:
    try:
        delete(border.host.archive, Level.IMAGE, {"sop_uid": uid.encode("latin-1", "replace")})
    except FAULTS as fault:
        raise ScriptError(f"not deleted: {fault}") from fault


def _tell(border: Border, name: str, stored: StoredObject, fault: object) -> None:
    border.line.services.log.console(as_log_text(f"***{name}: {stored.sop_instance_uid}: {fault}"))


COMMANDS: dict[str, Command] = {
    "newdicomdelete": newdicomdelete,
    "newdicommodify": newdicommodify,
    "newdicomcopy": newdicomcopy,
}
