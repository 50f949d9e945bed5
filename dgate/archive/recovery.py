"""After a crash: what the last run left in a spool (see `spool.py`) is entered, put back or swept."""

from __future__ import annotations

import os

from dgate.archive.objectfile import FileReader, InPlace
from dgate.archive.spool import DELETED, OBSOLETE, Intention, Spool
from dgate.archive.writer import Entry, Location, Outcome, Writer
from dgate.encoding.part10 import NotDicomError
from dgate.index.index import FAULTS
from dgate.index.rows import shown
from dgate.interfaces import Log

Adopted = list[tuple[bytes, Location]]
"""SOP instance UIDs and places of the objects that were entered without what is queued with an object's rows."""


def recover(spool: Spool, writer: Writer, reader: FileReader, log: Log) -> Adopted:
    """Bring one device in order. Costs the listing of one folder when there is nothing to do.

    Does nothing while another process receives on the device. If the index cannot be used now, the journal stays for
    the next start.
    """
    if not spool.lock_alone():
        if not spool.lock_shared():
            log.console(f"Waiting for another process that has {spool.name.decode()} for itself")
            spool.share()
        return []
    try:
        return sweep(spool, writer, reader, log)
    finally:
        spool.share()


def sweep(spool: Spool, writer: Writer, reader: FileReader, log: Log) -> Adopted:
    """The same for whoever has the device for himself."""
    complete, adopted = True, Adopted()
    for intention in spool.intentions():
        complete &= _settle(intention, spool, writer, reader, log, adopted)
    for name in spool.leftovers() if complete else ():
        spool.discard(name)
    if complete:
        spool.empty_journal()
    else:
        spool.keep_journal()
    return adopted


def _settle(intention: Intention, spool: Spool, writer: Writer, reader: FileReader, log: Log, adopted: Adopted) -> bool:
    """Look at one open intention; False if the index could not be asked or changed."""
    try:
        if intention.kind == OBSOLETE:
            _finish_removal(intention, spool, writer)
            return True
        if intention.kind == DELETED:
            _finish_deletion(intention, spool, writer, reader)
            return True
        if intention.aside and not spool.exists(intention.path):
            spool.put(intention.aside, intention.path)
        if not spool.exists(intention.path):
            return True
        return _adopt(intention.path, spool, writer, reader, log, adopted)
    except FAULTS:
        return False
    except OSError as error:
        log.console(f"***Recovery of {shown(intention.path)}: {error.strerror}")
        return True


def _finish_removal(intention: Intention, spool: Spool, writer: Writer) -> None:
    """The old file of an object that lies elsewhere now."""
    known = writer.location(intention.uid)
    if known is not None and known != Location(spool.name, intention.path):
        spool.remove(intention.path)


def _finish_deletion(intention: Intention, spool: Spool, writer: Writer, reader: FileReader) -> None:
    """The file of an object whose rows are gone, if it still is that object's."""
    if writer.location(intention.uid) is not None or not spool.exists(intention.path):
        return
    try:
        with os.fdopen(spool.open(intention.path), "rb") as file:
            found = reader.read(file).image[0]
    except NotDicomError:
        return
    if found == intention.uid:
        spool.remove(intention.path)


def _adopt(path: bytes, spool: Spool, writer: Writer, reader: FileReader, log: Log, adopted: Adopted) -> bool:
    """Enter a file that was put into place: it is complete, or it would still be in the spool."""
    try:
        with os.fdopen(spool.open(path), "rb") as file:
            rows = reader.read(file)
    except NotDicomError as error:
        log.console(f"***Recovery of {shown(path)}: {error}")
        return True
    here, uid = Location(spool.name, path), rows.image[0] or b""
    is_new = writer.location(uid) != here
    outcome = writer.submit(Entry(rows, InPlace(here), path))
    if outcome == Outcome.FAILED:
        return False
    if outcome == Outcome.STORED and is_new:
        adopted.append((uid, here))
    log.console(f"Recovered file: {os.fsdecode(spool.root + path)}")
    return True
