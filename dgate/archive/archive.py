"""The archive put together; implements `Archive` of dgate.interfaces."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dgate.archive import fixups
from dgate.archive.alone import open_spools
from dgate.archive.devices import Devices, shelves_of
from dgate.archive.filename import IMAGE_NUMBER, SERIES_NUMBER, SOP_UID, Syntax, compile_syntax
from dgate.archive.incoming import SOP_CLASS, IncomingObject, begin
from dgate.archive.objectfile import FileReader
from dgate.archive.recovery import recover
from dgate.archive.stores import Stores
from dgate.archive.writer import Writer
from dgate.config.archiveoptions import ArchiveOptions, options_from
from dgate.encoding.vrs import VRFile
from dgate.index.index import DatabaseError, ReaderPool, driver_for
from dgate.index.rows import RowMaker
from dgate.index.tables import Tables, make_tables
from dgate.interfaces import Asker, Commitment, Log, QueryModel, StoredObject, StoreRequest
from dgate.query.query import Finder
from dgate.query.retrieve import Retriever
from dgate.record import replace

if TYPE_CHECKING:
    from dgate.archive.clean import Cleaner
    from dgate.archive.incoming import Edit
    from dgate.archive.recovery import Adopted
    from dgate.archive.stores import Exports
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.interfaces import Others
    from dgate.query.outgoing import StoredFile
    from dgate.rules.asking import Find, Sent
    from dgate.rules.converters import Converters


class DiskArchive:
    """Files on devices and an SQL index. Thread-safe."""

    def __init__(self, options: ArchiveOptions, tables: Tables, devices: Devices, writer: Writer, log: Log) -> None:
        syntax = compile_syntax(options.file_name_syntax)
        self._stores = Stores(
            options, tables, devices, writer, RowMaker(tables), syntax, _wanted(tables, syntax), log, itertools.count(),
            VRFile(options.dictionary),
        )  # fmt: skip
        self._current: Callable[[], Settings] | None = None
        self._settings: Settings | None = None
        self._adapted: Settings | None = None
        """The settings that everything here follows; `_settings` are those it is being made to follow."""
        self._adapting = threading.RLock()
        self._make_converters: Callable[[Settings], Converters | None] = lambda _settings: None
        self._make_others: Callable[[Settings], Others | None] = lambda _settings: None
        self._others: Others | None = None
        self.adopted: Adopted = []
        """What was entered after a crash of the last run; see `recovery.py`."""
        self._cleaner = _make_cleaner(self, options)
        self._readers = ReaderPool(options)
        self._answer(options)

    def _answer(self, options: ArchiveOptions) -> None:
        tables, devices = self._stores.tables, self._stores.devices
        self._finder = Finder(options, tables, self._readers, self._stores.log)
        self._retriever = Retriever(options, tables, devices, self._readers, self._stores.vrs)

        self._fill_in = _make_fill_in(options, tables, self._readers)

    def follow(self, current: Callable[[], Settings]) -> None:
        """Use the settings that this returns, whenever it returns others.

        Asked before each object and query. What is fixed at the start, in `dgate.config.settings`, must be as it was.
        """
        self._current = current

    def convert_with(self, make: Callable[[Settings], Converters | None]) -> None:
        """Run the converters that this makes of the settings that are followed."""
        self._make_converters = make

    def ask_also(self, make: Callable[[Settings], Others | None]) -> None:
        """Let those that this makes of the settings that are followed add to queries and retrievals."""
        self._make_others = make

    def export_with(self, exports: Exports) -> None:
        """Tell this of each object that is stored from now on."""
        with self._adapting:
            self._stores = replace(self._stores, exports=exports)

    def _adapt(self) -> None:
        """Take over other settings; who comes meanwhile waits, for an object must not meet half of them."""
        if self._current is None or self._current() is self._adapted:
            return
        with self._adapting:
            settings = self._current()  # again: those from before the wait may be older than what another thread took
            if settings is not self._settings:  # making converters comes back here
                self._settings = settings
                self._take_over(settings)
                self._adapted = settings

    def _take_over(self, settings: Settings) -> None:
        options, converters = options_from(settings), self._make_converters(settings)
        self._others = self._make_others(settings)
        if converters is not self._stores.converters:
            self._stores = replace(self._stores, converters=converters)
        if options == self._stores.options:
            return
        syntax = compile_syntax(options.file_name_syntax)
        wanted = _wanted(self._stores.tables, syntax)
        self._stores = replace(self._stores, options=options, syntax=syntax, wanted=wanted)
        self._stores.devices.set_threshold(options.full_threshold, ignore=options.ignore_threshold)
        if self._cleaner is None:
            self._cleaner = _make_cleaner(self, options)
        else:
            self._cleaner.set_threshold(options.threshold, options.lru_sort)
        self._answer(options)

    @property
    def readers(self) -> ReaderPool:
        """Connections for queries."""
        return self._readers

    @property
    def stores(self) -> Stores:
        """What the rooms beside this one work with: `delete.py`, `dropped.py`."""
        self._adapt()
        return self._stores

    def begin_store(self, request: StoreRequest) -> IncomingObject:
        """See `Archive`."""
        stores = self.stores
        if self._cleaner is not None:
            self._cleaner.look()
        if request.fetched:
            stores = replace(stores, converters=None, exports=None)
        return begin(stores, request, stores.options.incoming_compression, edit=self._fill_in)

    def find(
        self, model: QueryModel, identifier: bytes, transfer_syntax: str, asker: Asker | None = None
    ) -> Iterator[bytes]:
        """See `Archive`."""
        self._adapt()
        converters, others = self._stores.converters, self._others
        search: Find = self._finder.find
        if others is not None and asker is not None and model != "worklist":
            search = _with(others, asker, search)
        if converters is None or asker is None:
            return search(model, identifier, transfer_syntax)
        from dgate.rules import asking

        return asking.find(converters, asker, model, identifier, transfer_syntax, search)

    def select(
        self, identifier: bytes, transfer_syntax: str, asker: Asker | None = None, destination: str = ""
    ) -> list[StoredObject]:
        """See `Archive`."""
        self._adapt()
        converters = self._stores.converters
        if converters is not None and asker is not None:
            from dgate.rules.asking import RETRIEVE, RETRIEVE_BLOCKED, keys_for

            identifier = keys_for(
                converters, asker, RETRIEVE, identifier, transfer_syntax,
                blocked=RETRIEVE_BLOCKED, destination=destination,
            )  # fmt: skip
        if self._others is not None and asker is not None:
            self._others.fetch(identifier, transfer_syntax, asker)
        return self._retriever.select(identifier, transfer_syntax)

    def open(self, stored: StoredObject, asker: Asker | None = None, destination: str = "") -> StoredFile | Sent:
        """See `Archive`."""
        converters = self._stores.converters
        if converters is None or asker is None or not converters.has("RetrieveResultConverter"):
            return self._retriever.open(stored)
        from dgate.rules.asking import Sent

        found = self._retriever.open(stored)
        return Sent(converters, asker, found.detach(), found.path, destination)

    def commitment(self, information: bytes, transfer_syntax: str) -> Commitment:
        """See `Archive`."""
        from dgate.archive.commitment import Transaction, parse_request

        request = parse_request(information, transfer_syntax)
        return Transaction(request, self._retriever, driver_for(self._stores.options).sync)

    def close(self) -> None:
        """See `Archive`. What is being stored by other threads right now ends first."""
        if self._cleaner is not None:
            self._cleaner.stop()
        self._stores.writer.close()
        self._readers.close()
        for spool in self._stores.devices.spools:
            spool.close()


def _with(others: Others, asker: Asker, search: Find) -> Find:
    """The same search, and what others have."""
    return lambda model, identifier, transfer_syntax: others.find(model, identifier, transfer_syntax, asker, search)


def _wanted(tables: Tables, syntax: Syntax) -> frozenset[int]:
    """The attributes that are read from each object."""
    return tables.wanted | syntax.wanted | fixups.WANTED | {SOP_UID, SOP_CLASS, SERIES_NUMBER, IMAGE_NUMBER}


def _ensure_file(database: str) -> None:
    """An empty file where there is none, as in the original; its tables are made by `dgate -i` or `-r`."""
    folder = os.path.dirname(os.path.abspath(database))
    if not os.path.isdir(folder):
        raise DatabaseError(f"cannot connect to sqlite database {database}: there is no folder {folder}")
    if not os.path.exists(database):
        os.close(os.open(database, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _make_cleaner(archive: DiskArchive, options: ArchiveOptions) -> Cleaner | None:
    if options.threshold <= 0:
        return None
    from dgate.archive.clean import Cleaner

    return Cleaner(archive, options.threshold, options.lru_sort)


def _make_fill_in(options: ArchiveOptions, tables: Tables, readers: ReaderPool) -> Edit | None:
    if not options.worklist_mode:
        return None
    from dgate.archive.fillin import FillIn

    return FillIn(options.worklist_mode, tables.worklist, readers).edit


def open_archive(settings: Settings, kfactor: KFactor, log: Log) -> DiskArchive:
    """Open the devices and bring them in order after a crash.

    A device that cannot be used is left out with a line in the log; without any, every store fails, as in the
    original. The database is opened by the first store or query, and opened again whenever the file is another one:
    what is wrong with it fails stores and queries until it is put right. Raises `DatabaseError` if there is not even
    a folder for it.
    """
    options = options_from(settings)
    if options.driver == "sqlite":
        _ensure_file(options.database)
    tables = make_tables(kfactor, options)
    writer = Writer(options, tables, log)
    magnetic, mirrors = open_spools(options, log)
    devices = Devices(
        magnetic, options.full_threshold, mirrors=mirrors, shelves=shelves_of(options),
        ignore_threshold=options.ignore_threshold,
    )  # fmt: skip
    reader = FileReader(tables, options, RowMaker(tables))
    adopted = [found for spool in devices.spools for found in recover(spool, writer, reader, log)]
    archive = DiskArchive(options, tables, devices, writer, log)
    archive.adopted = adopted
    return archive
