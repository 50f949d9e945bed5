"""Reading the attributes of a file that is already in the archive, or was put beside it."""

from __future__ import annotations

from typing import BinaryIO

from dgate.archive import fixups
from dgate.archive.filename import SOP_UID
from dgate.archive.writer import Location
from dgate.config.archiveoptions import ArchiveOptions
from dgate.encoding.elements import DEFLATED, Walker, encoding_of
from dgate.encoding.part10 import NotDicomError, read_meta
from dgate.index.rows import RowMaker, Rows
from dgate.index.tables import Tables
from dgate.record import dataclass

_CHUNK = 64 * 1024
_FIRST_CHUNK = 8 * 1024
DEFLATED_OBJECT = "deflated objects are not supported"


@dataclass(frozen=True, slots=True)
class FileReader:
    """Makes rows from files, as storing them did."""

    tables: Tables
    options: ArchiveOptions
    rows: RowMaker

    def read(self, file: BinaryIO) -> Rows:
        """The rows for the object in this file; only its head is read. Raises `NotDicomError`, OSError."""
        meta = read_meta(file)
        if meta.transfer_syntax == DEFLATED:
            raise NotDicomError(DEFLATED_OBJECT)
        encoding = encoding_of(meta.transfer_syntax)
        walker = Walker(encoding, self.wanted)
        file.seek(meta.offset)
        size = _FIRST_CHUNK
        while walker.head_end is None and not walker.fault:
            chunk = file.read(size)
            if not chunk:
                walker.end()
                break
            walker.feed(chunk)
            size = _CHUNK
        if walker.fault:
            raise NotDicomError(walker.fault)
        return self.rows_of(walker.values, big_endian=encoding.big_endian)

    @property
    def wanted(self) -> frozenset[int]:
        """The attributes that rows are made of."""
        return self.tables.wanted | fixups.WANTED

    def rows_of(self, values: dict[int, bytes], *, big_endian: bool) -> Rows:
        """The rows of an object with these attributes. Raises `NotDicomError` without a SOP instance UID."""
        if not values.get(SOP_UID, b"").strip(b"\0 "):
            raise NotDicomError("there is no SOP instance UID")
        return self.rows.make({**values, **fixups.fix(values, self.options).changes}, big_endian=big_endian)


@dataclass(frozen=True, slots=True)
class InPlace:
    """The content of an entry whose file lies where it belongs; implements `Content` of the writer."""

    location: Location

    def place(self, known: Location | None) -> Location:
        """Two files with one SOP instance UID: the later one wins."""
        del known
        return self.location

    def undo(self) -> None:
        """The file stays."""

    def withdraw(self) -> None:
        """The file stays."""

    def settle(self) -> None:
        """The file stays."""
