"""`-r`: new tables, then every file of every device is entered (conquest-server.md 12).

Files are met in the order of their names, so that of two files with one SOP instance UID always the same, the later
one, wins, and an interrupted run can go on where it was (`checkpoint.py`). To start over nevertheless: `-i`, then `-r`.
Archive media come first, then mirrors: what MAG devices hold as well is then entered from there.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dgate.archive.alone import alone
from dgate.archive.devices import JUKEBOX, MAG, MIRROR, Devices
from dgate.archive.filename import NOT_OBJECTS
from dgate.archive.heads import Portion, read_head, read_heads
from dgate.archive.objectfile import FileReader, InPlace
from dgate.archive.progress import Progress
from dgate.archive.recovery import sweep
from dgate.archive.shelf import Shelf
from dgate.archive.spool import FOLDER, Spool
from dgate.archive.writer import Entry, Location, Outcome, Writer
from dgate.config.archiveoptions import ArchiveOptions, options_from
from dgate.index import checkpoint
from dgate.index.checkpoint import Checkpoint
from dgate.index.index import FAULTS, DatabaseError
from dgate.index.rows import RowMaker, Rows, shown
from dgate.index.schema import initialise
from dgate.index.tables import Level, Tables, make_tables
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.archive.dropped import Taking
    from dgate.config.inifile import Entry as IniEntry
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.index.database.base import Connection
    from dgate.interfaces import Log
    from dgate.rules.regenerating import RegenHooks

PORTION = 250
YOUNG_SECONDS = 1.0
"""A file this much older than a run counts as younger: the clocks of files and of the system differ a little."""
SKIPPED_FOLDERS = NOT_OBJECTS | {FOLDER}
HOOKS = ("RegenConverter", "RegenFailConverter")
EXTENSIONS = (b".v2", b".dcm", b".img")

Device = tuple[bytes, bytes]
"""Name and root folder."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What all steps of a run share."""

    options: ArchiveOptions
    tables: Tables
    devices: list[Device]
    reader: FileReader
    writer: Writer
    log: Log
    progress: Progress
    fingerprint: bytes


def regenerate(
    settings: Settings,
    kfactor: KFactor,
    log: Log,
    mode: int,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Drop and create the tables, then enter what lies on the devices; or go on with a run that was interrupted.

    `workers` processes read files, by default one for each core. `say` is told the steps, by default the log. Raises
    `DatabaseError`, OSError.
    """
    options = options_from(settings)
    with alone(options, log) as spools:
        lines = [settings.ini.find(f"{name}0", section) for name in HOOKS for section in ("lua", None)]
        work = _work(options, make_tables(kfactor, options), log, progress or Progress(), mode, lines)
        hooks = _hooks(settings, kfactor, work, spools) if any(lines) else None
        try:
            start = _continue_from(work, spools)
            if start is None:
                initialise(settings, kfactor, log, mode, say=say, regenerating=True)
                start = Checkpoint(work.fingerprint, time.time(), 0, b"", 0, 0)
            _enter_all(work, start, len(os.sched_getaffinity(0)) if workers is None else workers, hooks)
        except KeyboardInterrupt:
            raise DatabaseError("Interrupted. Run it again, and it goes on from here.") from None
        finally:
            if hooks is not None:
                hooks.end()
            work.writer.close()


def _hooks(settings: Settings, kfactor: KFactor, work: _Work, spools: list[Spool]) -> RegenHooks | None:
    """The lines for files that are entered."""
    from dgate.archive.archive import DiskArchive
    from dgate.rules.alone import services_alone
    from dgate.rules.regenerating import hooks_for

    devices = Devices([spool for spool in spools if spool.name.startswith(MAG)], work.options.full_threshold)
    archive = DiskArchive(work.options, work.tables, devices, work.writer, work.log)
    return hooks_for(services_alone(archive, settings, kfactor, work.log), work.reader)


def _work(
    options: ArchiveOptions, tables: Tables, log: Log, progress: Progress, mode: int, lines: Sequence[IniEntry | None]
) -> _Work:
    """A run that was interrupted is another one if any of these has changed, the lines of hooks too."""
    from hashlib import blake2b

    kinds = ((JUKEBOX, options.jukeboxes), (MIRROR, options.mirrors), (MAG, options.devices))
    devices = [(b"%s%d" % (kind, number), root) for kind, roots in kinds for number, root in enumerate(roots)]
    told = [line.value for line in lines if line is not None]
    facts = repr((options, tables, mode, told)).encode()
    fingerprint = blake2b(facts, digest_size=16).hexdigest().encode()
    reader = FileReader(tables, options, RowMaker(tables))
    writer = Writer(options, tables, log, regenerating=True)
    return _Work(options, tables, devices, reader, writer, log, progress, fingerprint)


# -- going on


def _continue_from(work: _Work, spools: list[Spool]) -> Checkpoint | None:
    """Bring the devices in order with the rows there are, and find out where to go on; None to start over."""
    for spool in spools:
        sweep(spool, work.writer, work.reader, work.log)
    try:
        with work.writer.exclusive() as connection:
            found = checkpoint.load(connection)
            newest = _newest(connection, work.tables) if found else 0
    except FAULTS:
        return None  # no database, or one without tables: `initialise` says what is wrong with it
    if found is None:
        return None
    if found.fingerprint != work.fingerprint or newest < found.last_row or not _unchanged(work, found):
        work.log.console("A regeneration was interrupted, and things have changed since: it starts over")
        return None
    work.log.console(f"A regeneration was interrupted: it goes on after {found.seen} files")
    work.progress.skipped(found.seen)
    return found


def _newest(connection: Connection, tables: Tables) -> int:
    sql = connection.dialect.newness.format(table=tables.levels[Level.IMAGE].name)
    return connection.execute(sql).fetchone()[0] or 0


def _unchanged(work: _Work, point: Checkpoint) -> bool:
    """Whether the files up to there are as many as they were, and none is younger than the run."""
    end = checkpoint.order(point.path)
    seen = 0
    for number, (_, root) in enumerate(work.devices[: point.device + 1]):
        for path in object_files(root):
            if number == point.device and checkpoint.order(path) > end:
                break
            seen += 1
            try:
                if os.lstat(root + path).st_ctime >= point.started - YOUNG_SECONDS:
                    return False
            except OSError:
                return False
    return seen == point.seen


# -- entering


def _enter_all(work: _Work, start: Checkpoint, workers: int, hooks: RegenHooks | None) -> None:
    """Lines run here, one file after the other: what they say and remember must not depend on the number of cores."""
    seen, reader = start.seen, work.reader if hooks is None else hooks
    for portion, heads in read_heads(reader, _portions(work, start), workers if hooks is None else 1):
        name = work.devices[portion.device][0]
        entered = enter_portion(work.writer, work.log, name, portion, heads, hooks)
        seen += len(portion.paths)
        with work.writer.exclusive() as connection:
            newest = _newest(connection, work.tables)
            point = Checkpoint(work.fingerprint, start.started, portion.device, portion.paths[-1], seen, newest)
            checkpoint.save(connection, point)
        work.progress.add(entered, len(portion.paths) - entered)
    with work.writer.exclusive() as connection:
        checkpoint.end(connection)
    work.progress.end()


def _portions(work: _Work, start: Checkpoint) -> Iterator[Portion]:
    """All files that are still to be entered."""
    for number, (name, root) in enumerate(work.devices):
        if number < start.device:
            continue
        work.log.console(f"Regen Device '{name.decode()}'")
        files = object_files(root)
        if number == start.device and start.path:
            end = checkpoint.order(start.path)
            files = (path for path in files if checkpoint.order(path) > end)
        while paths := list(itertools.islice(files, PORTION)):
            yield Portion(number, root, paths)


def enter_portion(
    writer: Writer, log: Log, device: bytes, portion: Portion, heads: list[Rows | None], hooks: RegenHooks | None = None
) -> int:
    """Enter files whose heads have been read; returns how many went in. Raises `DatabaseError` if none could."""
    entries = [
        Entry(rows, InPlace(Location(device, path)), path)
        for path, rows in zip(portion.paths, heads, strict=True)
        if rows is not None
    ]
    if not writer.submit_all(entries):
        raise DatabaseError("The rows cannot be written. What is entered so far stays.")
    outcomes = {entry.label: entry.outcome for entry in entries}
    for path in portion.paths:
        name = shown(portion.root + path)
        if hooks is not None and not hooks.tell(portion.root + path):
            continue
        if path not in outcomes:
            log.console(f"***[Regen] {name} -FAILED: Error on Load")
        elif outcomes[path] == Outcome.STORED:
            log.console(f"[Regen] {name} -SUCCESS")
        else:
            log.console(f"***[Regen] {name} -FAILED: Error SQL Add")
            if hooks is not None:
                hooks.failed(portion.root + path)
    return sum(outcome == Outcome.STORED for outcome in outcomes.values())


def enter_folder(archive: Taking, device: bytes, folder: bytes = b"") -> int:
    """Enter what lies in a folder of one of a running server's devices; how many files went in.

    Raises `DatabaseError`; LookupError for a device that the server does not have.
    """
    stores = archive.stores
    home = next((each for each in stores.devices.readable if each.name == device), None)
    if home is None:
        raise LookupError(device.decode("latin-1"))
    stores.log.console(f"Regen Device '{device.decode('latin-1')}'")
    files = object_files(home.root, folder.strip(b"/"))
    count = 0
    with _lines_of(archive) as (reader, hooks):
        while paths := list(itertools.islice(files, PORTION)):
            count += _enter(archive, home, paths, reader, hooks)
    return count


def enter_files(archive: Taking, home: Spool | Shelf, paths: list[bytes]) -> int:
    """Enter these files of a device; how many went in. Raises `DatabaseError`."""
    with _lines_of(archive) as (reader, hooks):
        return _enter(archive, home, paths, reader, hooks)


@contextmanager
def _lines_of(archive: Taking) -> Iterator[tuple[FileReader, RegenHooks | None]]:
    """What reads files, and the lines for them, which remember what they want to until the end."""
    stores = archive.stores
    reader, hooks = FileReader(stores.tables, stores.options, stores.rows), None
    if stores.converters is not None:
        from dgate.rules.regenerating import hooks_for

        hooks = hooks_for(stores.converters.services, reader)
    try:
        yield reader, hooks
    finally:
        if hooks is not None:
            hooks.end()


def _enter(
    archive: Taking, home: Spool | Shelf, paths: list[bytes], reader: FileReader, hooks: RegenHooks | None
) -> int:
    stores = archive.stores
    heads = [read_head(hooks or reader, home.root + path) for path in paths]
    return enter_portion(stores.writer, stores.log, home.name, Portion(0, home.root, paths), heads, hooks)


# -- which files


def object_files(root: bytes, folder: bytes = b"") -> Iterator[bytes]:
    """Paths of the files that count as objects, relative to the root, by name. Links are not followed."""
    open_folders = [iter(_entries(root, folder))]
    while open_folders:
        for path in open_folders[-1]:
            if path.endswith(b"/"):
                open_folders.append(iter(_entries(root, path[:-1])))
                break
            yield path
        else:
            open_folders.pop()


def _entries(root: bytes, folder: bytes) -> list[bytes]:
    """What is in a folder: object files, and folders with a `/` at the end."""
    found = []
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found += [entry.name + b"/"] if entry.name.lower() not in SKIPPED_FOLDERS else []
                elif entry.is_file(follow_symlinks=False) and is_object_name(entry.name):
                    found.append(entry.name)
    except OSError:
        return []  # a folder that vanished or may not be read: its objects cannot be entered
    return [os.path.join(folder, name) for name in sorted(found, key=lambda name: name.rstrip(b"/"))]


def is_object_name(name: bytes) -> bool:
    """By extension, or none: no dot among the last four characters."""
    return name.lower().endswith(EXTENSIONS) or b"." not in name[-4:]
