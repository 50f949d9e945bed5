"""Carries out the jobs of export converters: finds the object, asks the filters, runs the line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dgate.config.converters.grammar import MAX_VALUE, as_line
from dgate.dataset.structure import DataSetError
from dgate.encoding.part10 import NotDicomError
from dgate.forward import filters
from dgate.forward.exportrun import ExportRun
from dgate.forward.exportverbs import EXPORT_VERBS
from dgate.forward.lanes import Failed, GivenUp, PassedOn
from dgate.index.index import FAULTS
from dgate.interfaces import Session
from dgate.record import replace
from dgate.rules.interfaces import Association, Script
from dgate.rules.lines import Library
from dgate.rules.objects import load
from dgate.rules.subject import SOP_UID

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.settings import Settings
    from dgate.forward.lanes import Lane
    from dgate.forward.table import Job
    from dgate.forward.visited import Visits
    from dgate.net.node import Node
    from dgate.rules.interfaces import Services
    from dgate.rules.subject import Subject


class Exporter:
    """Carries out the jobs of export converters; implements `Worker` of dgate.forward.lanes. Thread-safe."""

    def __init__(self, node: Node, archive: DiskArchive, services: Callable[[], Services], visits: Visits) -> None:
        self.node = node
        self.visits = visits
        self.services = services
        self._archive = archive
        self._sessions: dict[tuple[int, str], Session] = {}
        """What scripts of a converter remember; each lane has its own, because a session is one thread's."""
        self._library: Library | None = None

    def stop(self) -> None:
        """What scripts remember is given back."""
        for session in self._sessions.values():
            session.end()

    def maximum_retries(self, settings: Settings) -> int:
        """See `Worker`."""
        return settings.maximum_export_retries

    def carry_out(self, job: Job, lane: Lane) -> None:
        """See `Worker`."""
        work, number = job.work, int(job.work["number"])
        settings = self.node.config.settings
        text = as_line(settings.ini.get(f"ExportConverter{number}"))[:MAX_VALUE]
        script = settings.ini.find(f"ExportConverter{number}", "lua")
        with self._object(job) as subject:
            if subject is None:
                return
            subject.file_name = lambda: os.fsencode(job.label).decode("latin-1")
            session = self._sessions.setdefault((number, lane.name), Session())
            association = Association(work["calling"], work["called"], session)
            if not self._is_for(number, subject, association, settings):
                return
            run = ExportRun(number, subject, association, self._services(), self, lane)
            run.path = os.fsencode(job.label).decode("latin-1")
            run.resume(work, text)
            try:
                if script is not None:
                    run.association = Association("", "", session)
                self._run(run, text, None if script is None else as_line(script.value))
            except PassedOn as other:
                raise PassedOn(other.lane, {**work, **run.progress(text)}) from other
            finally:
                work.update({**run.progress(text), "done": {}})

    def _run(self, run: ExportRun, text: str, script: str | None) -> None:
        if script is None:
            run.services.library.line(text).run(run)
        elif run.services.engine is not None:
            run.services.engine.run(Script(code=script), run)
        else:
            run.error(f"there is no Lua here: {script}")
        if run.verdict is not None:
            raise run.verdict
        if run.subject.again:
            raise Failed("a script wants it to be tried again")

    def _services(self) -> Services:
        """Those of import converters, with the commands of export converters."""
        shared = self.services()
        if self._library is None:
            self._library = Library(shared.terms, EXPORT_VERBS)
        return replace(shared, library=self._library)

    def _is_for(self, number: int, subject: Subject, association: Association, settings: Settings) -> bool:
        """Whether the filters let it through. Raises `GivenUp` for a filter that is no SQL."""
        if not filters.admit(number, subject, association, settings):
            return False
        condition = settings.ini.get(f"ExportFilter{number}").strip()
        if not condition:
            return True
        try:
            return filters.selects(self._archive.stores, condition, subject.attribute(SOP_UID))
        except FAULTS as fault:
            self.node.log.console(f"*** ExportFilter{number}: {fault}")
            raise GivenUp(f"ExportFilter{number}: {fault}") from fault

    @contextmanager
    def _object(self, job: Job) -> Iterator[Subject | None]:
        """The stored object; None if it was deleted. Raises `GivenUp` if it cannot be read."""
        descriptor = self._open(job)
        if descriptor is None:
            yield None
            return
        try:
            subject = load(descriptor, self.services().terms.get())
            subject.fix()
        except (NotDicomError, DataSetError) as fault:
            os.close(descriptor)
            raise self._lost(job, str(fault)) from fault
        except BaseException:
            os.close(descriptor)
            raise
        try:
            yield subject
        finally:
            for each in (descriptor, *subject.descriptors):
                os.close(each)

    def _open(self, job: Job) -> int | None:
        stores = self._archive.stores
        known = stores.writer.location(job.work["uid"].encode("latin-1"))
        if known is None:
            self._lost(job, "")
            return None
        try:
            return stores.devices.open_file(known.device, known.path)[0]
        except OSError as error:
            raise self._lost(job, error.strerror or str(error)) from error

    def _lost(self, job: Job, why: str) -> GivenUp:
        number = job.work["number"]
        line = f"*** ExportConverter{number}.0: Forward failed to load DICOM object {job.label}"
        self.node.log.console(line)
        return GivenUp(why)
