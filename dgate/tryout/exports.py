"""The export converters of an instance on an object that was stored in a trial (conquest-converters.md 8)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.config.converters.grammar import MAX_VALUE, as_line
from dgate.forward import filters
from dgate.forward.forwarding import MOST
from dgate.index.index import FAULTS
from dgate.interfaces import Session
from dgate.record import replace
from dgate.rules.interfaces import Association, Script
from dgate.rules.objects import load
from dgate.rules.run import Run
from dgate.rules.subject import SOP_UID
from dgate.tryout.verbs import export_verbs

if TYPE_CHECKING:
    from dgate.archive.stores import Stores
    from dgate.config.settings import Settings
    from dgate.rules.interfaces import Services
    from dgate.rules.subject import Subject
    from dgate.tryout.forwarding import Postman
    from dgate.tryout.record import Record


def run_exports(
    settings: Settings, services: Services, stores: Stores, record: Record, postman: Postman, path: str,
    association: Association,
) -> None:  # fmt: skip
    """Run each converter on the stored file. Raises OSError, `DataSetError`, `NotDicomError`."""
    own = replace(services, library=type(services.library)(services.terms, export_verbs(record, postman, services)))
    for number in range(min(settings.export_converters, MOST)):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            subject = load(descriptor, services.terms.get())
            subject.fix()
            subject.file_name = lambda: path
            if _is_for(number, subject, association, settings, stores, record):
                _run(number, subject, association, settings, own)
            for more in subject.descriptors:
                os.close(more)
        finally:
            os.close(descriptor)


def _is_for(
    number: int, subject: Subject, association: Association, settings: Settings, stores: Stores, record: Record
) -> bool:
    """Whether its filters let it through."""
    if not filters.admit(number, subject, association, settings):
        return False
    condition = settings.ini.get(f"ExportFilter{number}").strip()
    try:
        return not condition or filters.selects(stores, condition, subject.attribute(SOP_UID))
    except FAULTS as fault:
        record.console(f"*** ExportFilter{number}: {fault}")
        return False


def _run(number: int, subject: Subject, association: Association, settings: Settings, services: Services) -> None:
    """Each converter has a session of its own."""
    session = Session()
    script = settings.ini.find(f"ExportConverter{number}", "lua")
    peer = replace(association, session=session) if script is None else Association("", "", session)
    run = Run("Exportconverter", number, subject, peer, services)
    try:
        if script is None:
            text = as_line(settings.ini.get(f"ExportConverter{number}"))[:MAX_VALUE]
            services.library.line(text).run(run)
        elif services.engine is not None:
            services.engine.run(Script(code=as_line(script.value)), run)
    finally:
        session.end()
