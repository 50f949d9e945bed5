"""C-MOVE and C-GET: which objects match, and the way to their files (conquest-server.md 9.3, 9.4)."""

from __future__ import annotations

from dgate.archive.devices import Devices
from dgate.config.archiveoptions import ArchiveOptions
from dgate.encoding.elements import Walker, encoding_of
from dgate.encoding.vrs import VRFile
from dgate.index.index import FAULTS, DatabaseError, ReaderPool
from dgate.index.tables import Level, Tables
from dgate.interfaces import QueryFailure, RetrieveFailure, StoredObject
from dgate.query.identifier import BAD_IDENTIFIER, Identifier, Key, parse_keys
from dgate.query.outgoing import StoredFile
from dgate.query.plan import find_column, make_plan, statement
from dgate.record import replace

SOP_CLASS, SOP_INSTANCE = 0x00080016, 0x00080018
_OBJECT_FILE, _DEVICE = 0x99990800, 0x99990801
_HEAD = 64 * 1024
"""The SOP class is one of the first attributes."""

_Row = tuple[bytes | None, ...]


class Retriever:
    """Finds and opens stored objects. Thread-safe."""

    def __init__(
        self, options: ArchiveOptions, tables: Tables, devices: Devices, readers: ReaderPool, vrs: VRFile
    ) -> None:
        self._options = options
        self._tables = tables
        self._devices = devices
        self._readers = readers
        self._vrs = vrs
        self._has_class = find_column(tables, Level.IMAGE, SOP_CLASS) is not None
        wanted = (SOP_CLASS, SOP_INSTANCE, _OBJECT_FILE, _DEVICE)
        self._own_keys = tuple(Key(tag, b"", b"") for tag in wanted[0 if self._has_class else 1 :])

    def select(self, identifier: bytes, transfer_syntax: str) -> list[StoredObject]:
        """See `Archive`."""
        keys = parse_keys(identifier, transfer_syntax)
        request = Identifier(Level.IMAGE, b"IMAGE", keys + self._own_keys)
        plan = make_plan(request, self._tables, self._options, big_endian=encoding_of(transfer_syntax).big_endian)
        sql, parameters = statement(plan, self._tables)
        classes: dict[bytes, str] = {}
        objects = [self._object(row[-len(self._own_keys) :], classes) for row in self._rows(sql, parameters)]
        return [stored if stored.sop_class_uid else self._completed(stored) for stored in objects]

    def open(self, stored: StoredObject) -> StoredFile:
        """See `Archive`."""
        try:
            descriptor, full = self._devices.open_file(stored.device, stored.path)
        except OSError as error:
            raise RetrieveFailure(f"{error.filename} cannot be read: {error.strerror}") from error
        return StoredFile(descriptor, full, self._vrs)

    def _rows(self, sql: str, parameters: tuple[bytes, ...]) -> list[_Row]:
        try:
            connection = self._readers.borrow()
        except DatabaseError as error:
            raise QueryFailure(BAD_IDENTIFIER, str(error)) from error
        try:
            rows: list[_Row] = connection.execute(sql, parameters).fetchall()
        except FAULTS as error:
            connection.close()
            raise QueryFailure(BAD_IDENTIFIER, f"{connection.dialect.executes} error: {error}") from error
        self._readers.give_back(connection)
        return rows

    def _object(self, row: _Row, classes: dict[bytes, str]) -> StoredObject:
        """An object from its columns; the few SOP classes are kept once each."""
        sop_class = (row[0] if self._has_class else None) or b""
        uid, path, device = (value or b"" for value in row[-3:])
        known = classes.setdefault(sop_class, _text(sop_class))
        return StoredObject(known, _text(uid), device, path)

    def _completed(self, stored: StoredObject) -> StoredObject:
        """The SOP class from the file, for an index that does not hold it. Unreadable: it stays without one."""
        try:
            with self.open(stored) as file:
                return replace(stored, sop_class_uid=file.sop_class_uid or _class_in(file))
        except RetrieveFailure:
            return stored


def _class_in(file: StoredFile) -> str:
    walker = Walker(encoding_of(file.transfer_syntax), frozenset({SOP_CLASS}))
    buffer = memoryview(bytearray(_HEAD))
    walker.feed(next(file.pieces(file.transfer_syntax, (buffer, buffer)), b""))
    return _text(walker.values.get(SOP_CLASS, b""))


def _text(value: bytes) -> str:
    return value.strip(b"\0 ").decode("latin-1")
