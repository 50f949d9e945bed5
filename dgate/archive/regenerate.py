"""`-r`: new tables, then every file of every device is entered (conquest-server.md 12)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.archive.objectfile import FileReader, InPlace
from dgate.archive.options import options_from
from dgate.archive.part10 import NotDicomError
from dgate.archive.rows import RowMaker
from dgate.archive.schema import initialise
from dgate.archive.spool import FOLDER
from dgate.archive.tables import make_tables
from dgate.archive.writer import Entry, Location, Outcome, Writer, shown

if TYPE_CHECKING:
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.interfaces import Log

BATCH = 500
SKIPPED_FOLDERS = frozenset({b"incoming", b"printer_files", b"bin", FOLDER})
EXTENSIONS = (b".v2", b".dcm", b".img")


def regenerate(settings: Settings, kfactor: KFactor, log: Log, mode: int) -> None:
    """Drop and create the tables, then enter what lies on the devices. Raises `DatabaseError`."""
    initialise(settings, kfactor, log, mode)
    options = options_from(settings)
    tables = make_tables(kfactor, options)
    reader = FileReader(tables, options, RowMaker(tables))
    writer = Writer(options, tables, log)
    try:
        for position, root in enumerate(options.devices):
            device = b"MAG%d" % position
            log.console(f"Regen Device '{device.decode()}'")
            _enter_device(root, device, reader, writer, log)
    finally:
        writer.close()


def object_files(root: bytes) -> Iterator[bytes]:
    """Paths of the files that count as objects, relative to the root, in directory order. Links are not followed."""
    folders = [b""]
    while folders:
        folder = folders.pop()
        below = []
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                for entry in entries:
                    path = os.path.join(folder, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        below += [path] if entry.name.lower() not in SKIPPED_FOLDERS else []
                    elif entry.is_file(follow_symlinks=False) and is_object_name(entry.name):
                        yield path
        except OSError:
            continue  # a folder that vanished or may not be read: its objects cannot be entered
        folders += reversed(below)


def is_object_name(name: bytes) -> bool:
    """By extension, or none: no dot among the last four characters."""
    return name.lower().endswith(EXTENSIONS) or b"." not in name[-4:]


def _enter_device(root: bytes, device: bytes, reader: FileReader, writer: Writer, log: Log) -> None:
    batch: list[Entry] = []
    for path in object_files(root):
        entry = _read(root, device, path, reader, log)
        if entry is not None:
            batch.append(entry)
        if len(batch) >= BATCH:
            _enter(batch, root, writer, log)
            batch = []
    _enter(batch, root, writer, log)


def _read(root: bytes, device: bytes, path: bytes, reader: FileReader, log: Log) -> Entry | None:
    try:
        with open(root + path, "rb") as file:
            rows = reader.read(file)
    except (NotDicomError, OSError):
        log.console(f"***[Regen] {shown(root + path)} -FAILED: Error on Load")
        return None
    return Entry(rows, InPlace(Location(device, path)), path)


def _enter(batch: list[Entry], root: bytes, writer: Writer, log: Log) -> None:
    writer.submit_all(batch)
    for entry in batch:
        name = shown(root + entry.label)
        stored = entry.outcome == Outcome.STORED
        log.console(f"[Regen] {name} -SUCCESS" if stored else f"***[Regen] {name} -FAILED: Error SQL Add")
