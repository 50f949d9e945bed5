"""`merge study`: all series of a study become one (conquest-converters.md 7).

The new UIDs follow from the request, so that a merge that was interrupted goes on where it was: what is in the new
series already stays, and of what is there twice the original goes. An original is deleted when its copy is on disk,
unless it was stored anew meanwhile: that one has no copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from dgate.archive.delete import delete
from dgate.archive.entry import Location
from dgate.archive.placing import Original
from dgate.dataset.structure import DataSetError
from dgate.dataset.uidmap import hashed_uid
from dgate.encoding.elements import IMPLICIT_LITTLE
from dgate.encoding.part10 import NotDicomError
from dgate.forward.identifier import identifier_of
from dgate.forward.lanes import Failed, GivenUp
from dgate.forward.origin import run_for
from dgate.forward.parcel import SERIES_UID
from dgate.index.tables import Level
from dgate.interfaces import QueryFailure
from dgate.rules.objects import load
from dgate.rules.outcome import FINAL, Outcome
from dgate.rules.run import shown
from dgate.rules.storing import store
from dgate.rules.subject import SOP_UID

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.forward.table import Work
    from dgate.interfaces import StoredObject
    from dgate.rules.interfaces import Services
    from dgate.rules.subject import Subject

HOOK = "MergeSeriesConverter"


class Merging:
    """Merges on behalf of the queue. Thread-safe."""

    def __init__(self, archive: DiskArchive, services: Callable[[], Services]) -> None:
        self._archive = archive
        self._services = services

    def merge(self, work: Work) -> None:
        """Store copies in one new series, then delete the originals. Raises `Failed`, `GivenUp`, `FAULTS`."""
        services = self._services()
        own = services.settings()
        stage = f"#merge {work['id']}"
        series = hashed_uid(own.uid_prefix, work["keys"].get("study_uid", ""), stage)
        copied, kept = [], 0
        for stored in self._selected(work):
            try:
                original = self._copy(stored, series, stage, work, services)
                copied += [original] if original is not None else []
            except (OSError, DataSetError, NotDicomError) as fault:
                services.log.console(shown(f"***Merge: {stored.sop_instance_uid} stays as it is: {fault}"))
                kept += 1
        devices = self._archive.stores.devices
        for original in copied:
            untouched = partial(original.is_there, devices)
            if not delete(self._archive, Level.IMAGE, {"sop_uid": original.uid}, only_if=untouched):
                services.log.console(f"***Merge: {original.uid.decode('latin-1')} was stored anew or deleted meanwhile")
                kept += 1
        if kept:
            raise GivenUp(f"{kept} objects could not be merged")

    def _selected(self, work: Work) -> list[StoredObject]:
        try:
            return self._archive.select(identifier_of(work), IMPLICIT_LITTLE)
        except QueryFailure as fault:
            raise Failed(str(fault)) from fault

    def _copy(self, stored: StoredObject, series: str, stage: str, work: Work, services: Services) -> Original | None:
        """Store one object in the new series; None if it stays as it is. Raises OSError and what else it cannot be."""
        descriptor, _ = self._archive.stores.devices.open_file(stored.device, stored.path)
        uid = stored.sop_instance_uid.encode("latin-1", "replace")
        original = Original(uid, Location(stored.device, stored.path), os.fstat(descriptor))
        try:
            subject = load(descriptor, services.terms.get())
            if subject.attribute(SERIES_UID) == series:
                return None
            subject.data.set_text(SERIES_UID, series)
            subject.data.set_text(SOP_UID, hashed_uid(services.settings().uid_prefix, stored.sop_instance_uid, stage))
            if not self._wanted(subject, work, services):
                return None
            own = services.settings().ae_title
            if not store(self._archive.stores, subject, own, own, sync=True):
                raise DataSetError("its copy cannot be stored")
            return original
        finally:
            os.close(descriptor)

    def _wanted(self, subject: Subject, work: Work, services: Services) -> bool:
        """Run what may change a copy; whether it is to be stored."""
        run = run_for(work, services)
        run.subject = subject
        converters = self._archive.stores.converters
        if converters is not None and converters.run_hook(HOOK, subject, run.association) is not Outcome.STORED:
            return False
        script = work["clauses"].get("script", "")
        return services.library.line(script).run(run.below()) not in FINAL
