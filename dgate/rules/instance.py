"""The rules of a running server: made when its dicom.ini has a converter for the first time, not before."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.archive.filename import NAMING_KEY, naming_script

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.inifile import IniFile
    from dgate.config.settings import Settings
    from dgate.dataset.model import DataSet
    from dgate.dataset.terms import Terms
    from dgate.forward.forwarding import Forwarding
    from dgate.interfaces import Log
    from dgate.rules.converters import Converters, Rules
    from dgate.rules.interfaces import ScriptEngine, Services


class ConvertersOf:
    """Makes the converters of settings, for an archive."""

    def __init__(self, archive: DiskArchive, log: Log, settings: Callable[[], Settings]) -> None:
        self._archive = archive
        self._log = log
        self._settings = settings
        self._rules: Rules | None = None
        self._lock = threading.Lock()
        self._forwarding: Forwarding | None = None
        self._engine: ScriptEngine | None = None

    def __call__(self, settings: Settings) -> Converters | None:
        """The converters that these settings have; None if there are none."""
        if self._rules is None and not has_converters(settings.ini):
            return None
        return self._made().at(settings)

    def forward_with(self, forwarding: Forwarding) -> None:
        """Let this send what lines want to be sent."""
        self._forwarding = forwarding

    def script_with(self, engine: ScriptEngine) -> None:
        """Let this run Lua."""
        self._engine = engine

    def services(self) -> Services:
        """What all runs share, whether there are import converters or not."""
        return self._made().services

    def _made(self) -> Rules:
        if self._rules is None:
            # Outside the lock: this takes new settings in, which may come back here.
            made = make_rules(self._archive, self._log, self._settings)
            made.services.engine = self._engine
            made.services.forwarder = self._forwarding
            with self._lock:
                first, self._rules = self._rules is None, self._rules or made
            if first and self._forwarding is not None:
                self._archive.export_with(self._forwarding)
        return self._rules


def has_converters(ini: IniFile) -> bool:
    """Whether there may be a converter in a dicom.ini, or a script that names files."""
    keys = [*(entry.key.lower() for entry in ini), *ini.section("lua")]
    return any("converter" in key and key[-1:].isdigit() for key in keys) or bool(naming_script(ini.get(NAMING_KEY)))


def make_rules(archive: DiskArchive, log: Log, settings: Callable[[], Settings]) -> Rules:
    """Rules that work with this archive."""
    from dgate.dataset.terms import TermsFile
    from dgate.rules.converters import Rules, make_library
    from dgate.rules.interfaces import Index, Services

    terms = TermsFile(settings().dictionary)

    def fetch(uid: str) -> DataSet | None:
        return head_of(archive, uid, terms.get())

    stores = archive.stores
    index = Index(stores.tables, archive.readers, stores.writer, fetch)
    return Rules(Services(log, terms, settings, index, make_library(terms), lambda: _devices(archive)))


def _devices(archive: DiskArchive) -> dict[str, str]:
    return {spool.name.decode("latin-1"): spool.root.decode("latin-1") for spool in archive.stores.devices.magnetic}


def head_of(archive: DiskArchive, uid: str, terms: Terms) -> DataSet | None:
    """The elements of a stored object, up to its pixels if it is large; None if it cannot be read."""
    from dgate.dataset.structure import DataSetError
    from dgate.encoding.part10 import NotDicomError
    from dgate.index.index import FAULTS
    from dgate.rules.objects import load

    stores = archive.stores
    try:
        location = stores.writer.location(uid.encode("latin-1", "replace"))
        if location is None:
            return None
        descriptor, _ = stores.devices.open_file(location.device, location.path)
        try:
            return load(descriptor, terms).data
        finally:
            os.close(descriptor)
    except (OSError, *FAULTS, NotDicomError, DataSetError):
        return None
