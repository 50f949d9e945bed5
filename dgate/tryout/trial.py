"""One file, stored as if it had been received: what the log would say, and what would become of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dgate.config.archiveoptions import options_from
from dgate.config.live import LiveConfig
from dgate.dataset.structure import DataSetError
from dgate.dataset.terms import TermsFile
from dgate.encoding.part10 import NotDicomError, read_meta
from dgate.interfaces import Session, StoreRequest
from dgate.lua.host import Host
from dgate.net.counters import Counters
from dgate.rules.converters import Converters, Rules
from dgate.rules.interfaces import Association, Services
from dgate.rules.lines import Library
from dgate.rules.objects import load
from dgate.rules.outcome import Outcome
from dgate.server import VERSION
from dgate.tryout.difference import Change, differences
from dgate.tryout.exports import run_exports
from dgate.tryout.forwarding import Postman
from dgate.tryout.instance import Instance, TrialError, stand_ins, trial_archive, trial_settings
from dgate.tryout.lookups import bring_known_uids, index_of, uids_of
from dgate.tryout.record import Action, Record, Step
from dgate.tryout.scripting import TameCommands, TameEngine, commands_in_place
from dgate.tryout.verbs import import_verbs

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.settings import Settings
    from dgate.rules.subject import Subject

CHUNK = 256 * 1024
FAILED = "failed"
IN_CONTAINER = "/conquest/"
"""The folder that holds mount/ there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of the object."""

    verdict: str
    """stored, destroyed, rejected or failed."""
    status: int
    """Of the C-STORE response."""
    path: str
    """Of the file; nothing if it would not be stored."""
    steps: list[Step]
    changes: list[Change]
    actions: list[Action]
    notes: list[str]

    @property
    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


class _Library(Library):
    """Lines that find an instance's files by the names they have in its container."""

    def find_file(self, name: str, base_dir: str) -> str | None:
        """See `Library`. Elsewhere we stand in the folder that is /conquest there."""
        found = super().find_file(name, base_dir)
        if found is None and name.startswith(IN_CONTAINER):
            return super().find_file(name.removeprefix(IN_CONTAINER), base_dir)
        return found


class _Watched(Converters):
    """Converters that remember what they decided."""

    def __init__(self, made: Converters, decisions: list[Outcome]) -> None:
        super().__init__(made.services, made.imports, made.hooks)
        self._decisions = decisions

    def run_import(self, subject: Subject, association: Association, code: str = "") -> Outcome:
        """See `Converters`."""
        self._decisions.append(super().run_import(subject, association, code))
        return self._decisions[-1]


def try_out(instance: Instance, path: str, calling_ae: str, called_ae: str) -> Verdict:
    """Store a file in a trial. Raises `TrialError` for one that is no DICOM file."""
    with tempfile.TemporaryDirectory(prefix="dgate-trial-") as folder:
        record = Record(stand_ins(instance.settings, folder))
        with trial_archive(instance, folder, record) as archive:
            record.steps.clear()
            try:
                trial = _Trial(instance, archive, record)
                trial.follow(trial_settings(instance.settings, folder))
                return trial.carry_out(path, calling_ae, called_ae)
            except OSError as error:
                raise TrialError(f"{error.filename or path}: {error.strerror}") from error
            except (NotDicomError, DataSetError) as error:
                raise TrialError(f"{path}: {error}") from error


class _Trial:
    """The parts of it."""

    def __init__(self, instance: Instance, archive: DiskArchive, record: Record) -> None:
        self._settings, self._archive, self._record = instance.settings, archive, record
        self._postman = Postman(record, instance.amap, instance.settings.ae_title)
        self._services = self._make_services(instance)
        self._decisions: list[Outcome] = []

    def follow(self, settings: Settings) -> None:
        """Let the archive work as these say, converters and all."""
        rules = Rules(self._services)
        self._archive.convert_with(lambda current: self._watched(rules.at(current)))
        self._archive.follow(lambda: settings)

    def _watched(self, made: Converters | None) -> Converters | None:
        return None if made is None else _Watched(made, self._decisions)

    def _make_services(self, instance: Instance) -> Services:
        settings, record, archive = self._settings, self._record, self._archive
        terms = TermsFile(settings.dictionary)
        library = _Library(terms, import_verbs(record))
        devices = {f"MAG{number}": folder for number, folder in enumerate(record.folders)}
        index = index_of(archive, settings)
        services = Services(record, terms, lambda: settings, index, library, lambda: devices)
        services.forwarder = self._postman
        host = Host(
            archive=archive,
            config=LiveConfig(settings, lambda _line: None),
            kfactor=instance.kfactor,
            counters=Counters(),
            commands=TameCommands(record, settings),
            version=VERSION,
            instead=commands_in_place(record, options_from(settings)),
        )
        services.engine = TameEngine(host)
        return services

    def carry_out(self, path: str, calling_ae: str, called_ae: str) -> Verdict:
        """Raises OSError, `NotDicomError`, `DataSetError`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        session = Session()
        try:
            before = load(descriptor, self._services.terms.get())
            unasked = bring_known_uids(self._archive, self._settings, uids_of(before.data_to_read))
            association = Association(calling_ae, called_ae, session)
            status = self._store(descriptor, association)
            stored = self._stored()
            changes = [] if stored is None else self._finish(before, stored, association)
        finally:
            session.end()
            self._services.index.readers.close()
            os.close(descriptor)
        return Verdict(
            self._verdict(stored), status, "" if stored is None else self._record.named(stored), self._record.steps,
            changes, self._record.actions, list(_notes(self._settings, unasked)),
        )  # fmt: skip

    def _store(self, descriptor: int, association: Association) -> int:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            meta = read_meta(file)
            file.seek(meta.offset)
            request = StoreRequest(
                meta.sop_class, meta.sop_instance, meta.transfer_syntax, association.calling_ae, association.called_ae,
                association.session,
            )  # fmt: skip
            incoming = self._archive.begin_store(request)
            while chunk := file.read(CHUNK):
                incoming.write([memoryview(chunk)])
        return incoming.finish()

    def _stored(self) -> str | None:
        """The file that was stored."""
        return next((file for folder in self._record.folders for file in _files(folder)), None)

    def _finish(self, before: Subject, stored: str, association: Association) -> list[Change]:
        """What has changed; then the export converters."""
        descriptor = os.open(stored, os.O_RDONLY | os.O_CLOEXEC)
        try:
            changes = differences(before, load(descriptor, self._services.terms.get()))
        finally:
            os.close(descriptor)
        run_exports(
            self._settings, self._services, self._archive.stores, self._record, self._postman, stored, association
        )
        named = self._record.named
        return [
            Change(one.path, one.keyword, one.before, None if one.after is None else named(one.after))
            for one in changes
        ]

    def _verdict(self, stored: str | None) -> str:
        if stored is not None:
            return Outcome.STORED.value
        decided = self._decisions[-1] if self._decisions else Outcome.STORED
        return FAILED if decided is Outcome.STORED else decided.value


def _files(folder: str) -> Iterator[str]:
    """Those of the objects; what the archive keeps for itself is in folders with a dot."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(place, name) for name in names)


def _notes(settings: Settings, unasked: str) -> Iterator[str]:
    """In what the server could do otherwise."""
    if unasked:
        yield f"the instance's database was not asked: {unasked}"
    if settings.worklist_mode:
        yield "WorkListMode: the worklist was not asked"
