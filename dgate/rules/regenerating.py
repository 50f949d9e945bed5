"""`RegenConverter0` and `RegenFailConverter0`, for files that are entered where they lie (conquest-converters.md 10).

What they change is in the index only. The lines that they cause stand before the verdict on their file, though many
files are read before any of them is entered.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from dgate.archive.objectfile import DEFLATED_OBJECT, FileReader
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import DEFLATED, VALUE_LIMIT
from dgate.encoding.part10 import NotDicomError
from dgate.interfaces import Session
from dgate.record import replace
from dgate.rules.hooks import has_hook, run_hook
from dgate.rules.interfaces import Association
from dgate.rules.objects import load
from dgate.rules.outcome import Outcome

if TYPE_CHECKING:
    from dgate.index.rows import Rows
    from dgate.interfaces import Log
    from dgate.rules.interfaces import Services
    from dgate.rules.subject import Subject

REGEN, FAILED = "RegenConverter", "RegenFailConverter"


class _Kept:
    """Implements `Log` of dgate.interfaces: lines that are written later."""

    def __init__(self) -> None:
        self.lines: list[Callable[[Log], None]] = []

    def console(self, line: str) -> None:
        """See `Log`."""
        self.lines.append(lambda log: log.console(line))

    def debug(self, line: str) -> None:
        """See `Log`."""
        self.lines.append(lambda log: log.debug(line))

    def trouble(self, line: str) -> None:
        """See `Log`."""
        self.lines.append(lambda log: log.trouble(line))

    def user(self, operation: str, calling_ae: str) -> None:
        """See `Log`."""
        self.lines.append(lambda log: log.user(operation, calling_ae))

    def hold(self) -> None:
        """See `Log`: all lines wait."""

    flush = release = hold


class RegenHooks:
    """Implements `HeadReader` of dgate.archive.heads, and tells afterwards what the lines said. Used by one thread."""

    def __init__(self, services: Services, reader: FileReader) -> None:
        self._log = services.log
        self._kept = _Kept()
        self._services = replace(services, log=self._kept)
        self._reader = reader
        self._association = Association("", "", Session())
        self._told: dict[bytes, list[Callable[[Log], None]]] = {}
        self._unwanted: set[bytes] = set()

    def read(self, file: BinaryIO) -> Rows:
        """The rows of the object as the line leaves it. Raises `NotDicomError` also for one it does not want."""
        if not has_hook(self._services, REGEN):
            return self._reader.read(file)
        name = file.name.encode() if isinstance(file.name, str) else file.name
        try:
            return self._rows(file, name)
        except DataSetError as fault:
            raise NotDicomError(str(fault)) from fault
        finally:
            self._told[name], self._kept.lines = self._kept.lines, []

    def tell(self, path: bytes) -> bool:
        """Write the lines about this file; False if its object is not to be entered."""
        for line in self._told.pop(path, ()):
            line(self._log)
        if path not in self._unwanted:
            return True
        self._unwanted.discard(path)
        return False

    def failed(self, path: bytes) -> None:
        """The index has refused the object in this file: run the line for that."""
        if not has_hook(self._services, FAILED):
            return
        with suppress(OSError, NotDicomError, DataSetError), open(path, "rb") as file:
            run_hook(self._services, FAILED, self._subject(file, path), self._association)
        self._told[path], self._kept.lines = self._kept.lines, []
        self.tell(path)

    def end(self) -> None:
        """What scripts remember is given back."""
        self._association.session.end()

    def _rows(self, file: BinaryIO, name: bytes) -> Rows:
        subject = self._subject(file, name)
        if run_hook(self._services, REGEN, subject, self._association) is not Outcome.STORED:
            self._unwanted.add(name)
            raise NotDicomError("a converter does not want it")
        data, values = subject.data_to_read, {}
        for tag in self._reader.wanted:
            value = data.view(tag)
            if value is not None:
                values[tag] = bytes(value[:VALUE_LIMIT])
        return self._reader.rows_of(values, big_endian=subject.encoding.big_endian)

    def _subject(self, file: BinaryIO, name: bytes) -> Subject:
        subject = load(file.fileno(), self._services.terms.get())
        if subject.transfer_syntax == DEFLATED:
            raise NotDicomError(DEFLATED_OBJECT)
        subject.file_name = lambda: name.decode("latin-1")
        return subject


def hooks_for(services: Services, reader: FileReader) -> RegenHooks | None:
    """The lines for files that are entered; None if there are none."""
    wanted = has_hook(services, REGEN) or has_hook(services, FAILED)
    return RegenHooks(services, reader) if wanted else None
