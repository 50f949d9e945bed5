"""The archive put together; implements `Archive` of dgate.interfaces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.archive import fixups
from dgate.archive.devices import Devices
from dgate.archive.filename import IMAGE_NUMBER, SERIES_NUMBER, SOP_UID, compile_syntax
from dgate.archive.incoming import SOP_CLASS, IncomingObject, Stores
from dgate.archive.index import ReaderPool
from dgate.archive.objectfile import FileReader
from dgate.archive.options import ArchiveOptions, options_from
from dgate.archive.query import Finder
from dgate.archive.recovery import recover
from dgate.archive.rows import RowMaker
from dgate.archive.spool import Spool
from dgate.archive.tables import Tables, make_tables
from dgate.archive.writer import Writer
from dgate.interfaces import Log, QueryModel, StoreRequest

if TYPE_CHECKING:
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings


class DiskArchive:
    """Files on devices and an SQL index. Thread-safe."""

    def __init__(self, options: ArchiveOptions, tables: Tables, devices: Devices, writer: Writer, log: Log) -> None:
        syntax = compile_syntax(options.file_name_syntax)
        wanted = tables.wanted | syntax.wanted | fixups.WANTED | {SOP_UID, SOP_CLASS, SERIES_NUMBER, IMAGE_NUMBER}
        rows = RowMaker(tables)
        self._stores = Stores(options, devices, writer, rows, syntax, wanted, log, itertools.count())
        self._readers = ReaderPool(options)
        self._finder = Finder(options, tables, self._readers, log)

    def begin_store(self, request: StoreRequest) -> IncomingObject:
        """See `Archive`."""
        return IncomingObject(self._stores, request)

    def find(self, model: QueryModel, identifier: bytes, transfer_syntax: str) -> Iterator[bytes]:
        """See `Archive`."""
        return self._finder.find(model, identifier, transfer_syntax)

    def close(self) -> None:
        """See `Archive`. What is being stored by other threads right now ends first."""
        self._stores.writer.close()
        self._readers.close()
        for spool in self._stores.devices.spools:
            spool.close()


def open_archive(settings: Settings, kfactor: KFactor, log: Log) -> DiskArchive:
    """Open the devices and bring them in order after a crash.

    A device that cannot be used is left out with a line in the log; without any, every store fails, as in the
    original. The database is opened by the first store or query.
    """
    options = options_from(settings)
    tables = make_tables(kfactor, options)
    writer = Writer(options, tables, log)
    devices = Devices(_spools(options, log), options.full_threshold, ignore_threshold=options.ignore_threshold)
    reader = FileReader(tables, options, RowMaker(tables))
    for spool in devices.spools:
        recover(spool, writer, reader, log)
    return DiskArchive(options, tables, devices, writer, log)


def _spools(options: ArchiveOptions, log: Log) -> list[Spool]:
    spools = []
    for position, root in enumerate(options.devices):
        try:
            spools.append(Spool(b"MAG%d" % position, root))
        except OSError:
            log.console(f"*** Not enough rights to write in MAG{position}")
    return spools
