"""Objects that go to another device, with the line `MoveDeviceConverter0` (conquest-converters.md 10).

Each is stored anew on the other device, under its name, and leaves the old one when its rows say so: at no moment, not
even after a crash, is it nowhere or in two places. No other converter sees it, and it is not exported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.archive.incoming import SUCCESS, IncomingObject
from dgate.archive.stores import Stores
from dgate.dataset.structure import DataSetError
from dgate.encoding.part10 import NotDicomError
from dgate.index.database.dialect import VALUE
from dgate.index.rows import shown
from dgate.index.tables import Level
from dgate.interfaces import Session, StoreRequest
from dgate.record import replace
from dgate.rules.hooks import run_hook
from dgate.rules.interfaces import Association
from dgate.rules.objects import load
from dgate.rules.outcome import Outcome
from dgate.rules.subject import SOP_CLASS, SOP_UID

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.archive.spool import Spool
    from dgate.rules.interfaces import Services
    from dgate.rules.subject import Subject

HOOK = "MoveDeviceConverter"
PORTION = 200


class _Moved(IncomingObject):
    """One on its way to a device, under the name that it had unless its kind of file has become another."""

    def __init__(self, stores: Stores, request: StoreRequest, target: Spool, path: bytes) -> None:
        super().__init__(stores, request, "", sync=True)
        self._target = target
        self._old_path = path

    def _choose(self) -> tuple[Spool, int]:
        return self._target, self._stores.devices.free(self._target)

    def _path(self) -> bytes:
        made = super()._path()
        same = os.path.splitext(made)[1].lower() == os.path.splitext(self._old_path)[1].lower()
        return self._old_path if same else made


def move_objects(archive: DiskArchive, services: Services, source: Spool, target: Spool) -> tuple[int, int]:
    """Move all objects of a device; how many have gone, and how many stay, with lines in the log. Raises `FAULTS`."""
    moved = stayed = 0
    session = Session()
    try:
        for uid, path in _objects_on(archive, source):
            try:
                done = _move(archive, services, session, (source, path), target)
            except (OSError, NotDicomError, DataSetError) as fault:
                why = (fault.strerror if isinstance(fault, OSError) else None) or fault
                archive.stores.log.console(f"***{shown(uid)} stays on {source.name.decode()}: {why}")
                done = False
            moved, stayed = moved + done, stayed + (not done)
    finally:
        session.end()
    return moved, stayed


def _objects_on(archive: DiskArchive, source: Spool) -> Iterator[tuple[bytes, bytes]]:
    """SOP instance UIDs and paths, read in portions: rows change meanwhile."""
    table = archive.stores.tables.levels[Level.IMAGE]
    key = table.key.name
    sql = (
        f"SELECT {key}, ObjectFile FROM {table.name} WHERE DeviceName = {VALUE} AND {key} > {VALUE} "  # noqa: S608 - names from dicom.sql
        f"ORDER BY {key} LIMIT {PORTION}"
    )
    last = b""
    while True:
        connection = archive.readers.borrow()
        try:
            rows = connection.execute(sql, (source.name, last)).fetchall()
        except BaseException:
            connection.close()
            raise
        archive.readers.give_back(connection)
        if not rows:
            return
        yield from ((bytes(uid), bytes(path or b"")) for uid, path in rows)
        last = bytes(rows[-1][0])


def _move(
    archive: DiskArchive, services: Services, session: Session, where: tuple[Spool, bytes], target: Spool
) -> bool:
    """Move one object; False if it stays. Raises OSError, `NotDicomError`, `DataSetError`."""
    source, path = where
    descriptor = source.open(path)
    try:
        subject = load(descriptor, services.terms.get())
        uid = subject.attribute(SOP_UID)
        subject.file_name = lambda: (source.root + path).decode("latin-1")
        if run_hook(services, HOOK, subject, Association("", "", session)) is not Outcome.STORED:
            return False
        if subject.attribute(SOP_UID) != uid:
            raise DataSetError("its SOP instance UID has changed, so it would be another object")
        return _store(archive.stores, subject, target, path)
    finally:
        os.close(descriptor)


def _store(stores: Stores, subject: Subject, target: Spool, path: bytes) -> bool:
    options = replace(stores.options, ignore_rewrite=False, rename_on_rewrite=False)
    title = options.ae_title
    sop_class, sop_instance = subject.attribute(SOP_CLASS), subject.attribute(SOP_UID)
    request = StoreRequest(sop_class, sop_instance, subject.transfer_syntax, title, title)
    incoming = _Moved(replace(stores, options=options, converters=None, exports=None), request, target, path)
    try:
        for piece in subject.pieces():
            incoming.write([memoryview(piece)])
        for chunk in subject.rest.chunks() if subject.rest is not None else ():
            incoming.write([memoryview(chunk)])
    except (OSError, DataSetError):
        incoming.abort()
        raise
    return incoming.finish() == SUCCESS
