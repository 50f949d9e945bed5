"""Putting the files of another database in force, as a whole: decided by one file, finished by whoever comes next.

Up to that file nothing that counts has changed, and a kill leaves the old database in force. From then on the new one
is: whoever starts, stops or moves the instance finishes what a kill has interrupted, step by step, each of which may be
done twice. Meanwhile there is no compose file, so that docker-compose cannot start anything that is half the old and
half the new.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from conquestctl.errors import StorageError
from conquestctl.fleet.database import FOLDER, SECRETS
from conquestctl.fleet.databasechange import DECISION, MOVING_FILE, STAGE, Staged, give_as
from conquestctl.fleet.hold import hold
from conquestctl.fleet.instance import COMPOSE_FILE, ENV_FILE
from conquestctl.fleet.render import DICOM_INI, RECORD
from conquestctl.fleet.scan import Broken, Fleet
from conquestctl.fleet.storage import replace_file, storage_errors, sync_folder, sync_trees, write_synced

WAIT = 120.0
"""Seconds for another conquestctl that is at work on the instance."""
_FILES = {
    "rendered.json": RECORD,
    ENV_FILE: ENV_FILE,
    "dicom.ini.j2": DICOM_INI,
    COMPOSE_FILE: COMPOSE_FILE,
}
"""New file -> the one it replaces; the compose file is the last."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The steps, as paths relative to the instance's folder."""

    kept: str
    """Folder that gets the old files."""
    out: Sequence[tuple[str, str]]
    """What the old database consists of, and where it goes."""
    into: Sequence[tuple[str, str]]
    """What the new one consists of, and its place."""

    @property
    def keeps(self) -> list[str]:
        """What the old database and its files are in afterwards."""
        apart = [after for _, after in self.out if not after.startswith(f"{self.kept}/")]
        return [self.kept, *apart]


def switch(staged: Staged, now: datetime) -> list[Path]:
    """Put the new files in force; what is kept of the old ones. Raises `StorageError`; then nothing has changed."""
    folder = staged.instance.folder
    with storage_errors("the new database could not be put in force, the old one is", staged.instance.name):
        plan = _plan(staged, now)
        _refuse_mounts(folder, plan)
        sync_trees([staged.folder])
        write_synced(staged.folder / f"{DECISION}.new", json.dumps(asdict(plan)).encode())
        (staged.folder / f"{DECISION}.new").rename(staged.folder / DECISION)
        sync_folder(staged.folder)
    finish(folder)
    return [folder / name for name in plan.keeps]


def finish(folder: Path) -> bool:
    """Carry out what was decided for the instance in this folder, if anything was. Raises `StorageError`."""
    stage = folder / STAGE
    try:
        plan = Switch(**json.loads((stage / DECISION).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return False
    with storage_errors(f"cannot finish putting the new database of {folder.name} in force", folder.name):
        kept = folder / plan.kept
        kept.mkdir(exist_ok=True)
        give_as(folder, kept)
        for name in _FILES.values():
            _keep_copy(folder / name, kept / Path(name).name)
        (folder / COMPOSE_FILE).unlink(missing_ok=True)
        for before, after in plan.out:
            if (folder / before).exists() and not (folder / after).exists():
                (folder / before).rename(folder / after)
        for before, after in plan.into:
            if (folder / before).exists():
                (folder / before).rename(folder / after)
        for name, place in _FILES.items():
            replace_file(folder / place, (stage / name).read_bytes())
        (folder / COMPOSE_FILE).chmod((kept / COMPOSE_FILE).stat().st_mode & 0o7777)
        sync_folder(folder)
        (stage / DECISION).unlink()
        shutil.rmtree(stage)
    return True


def finish_all(root: Path) -> list[str]:
    """Finish what kills have interrupted in a fleet; the names. Raises `ConflictError`, `StorageError`."""
    decided = [path.parents[2] for path in root.glob(f"*/{STAGE}/{DECISION}")] if root.is_dir() else []
    finished = []
    for entry in Fleet.open(root).entries if decided else ():
        if entry.folder not in decided:
            continue
        if isinstance(entry, Broken):
            finished += [entry.name] if finish(entry.folder) else []
            continue
        with hold([entry], WAIT) as refused:
            for error in refused.values():
                raise error
            finished += [entry.name] if finish(entry.folder) else []
    return finished


def _plan(staged: Staged, now: datetime) -> Switch:
    folder = staged.instance.folder
    stamp = _free_stamp(folder, f"{now:%Y%m%d-%H%M%S}")
    kept = f"old-database-{stamp}"
    out = [(name, f"{kept}/{name}") for name in (FOLDER, SECRETS) if (folder / name).exists()]
    if staged.old_file is not None and staged.old_file.is_relative_to(folder):
        names = [path.relative_to(folder).as_posix() for path in _with_journal(staged.old_file)]
        out += [(name, f"{name}.old-{stamp}") for name in names]
    into = [(f"{STAGE}/{name}", name) for name in (FOLDER, SECRETS) if (staged.folder / name).exists()]
    if staged.file is not None:
        name = staged.file.relative_to(folder).as_posix()
        into.append((name + MOVING_FILE, name))
    return Switch(kept, out, into)


def _free_stamp(folder: Path, stamp: str) -> str:
    """A part of names that is new: two moves within a second must not keep their old databases in one place."""
    stamps = itertools.chain([stamp], (f"{stamp}-{number}" for number in itertools.count(2)))
    return next(each for each in stamps if not (folder / f"old-database-{each}").exists())


def _with_journal(file: Path) -> list[Path]:
    names = (file.name, f"{file.name}-wal", f"{file.name}-shm")
    return [path for name in names if (path := file.with_name(name)).exists()]


def _refuse_mounts(folder: Path, plan: Switch) -> None:
    for name, _ in plan.out:
        if (folder / name).is_mount():
            raise StorageError(
                f"{folder / name} is a file system of its own, which cannot be kept under another name",
                hint="Put its files into a folder of the instance, without a mount, and move again.",
            )


def _keep_copy(file: Path, copy: Path) -> None:
    """Once, and whole: what has been replaced already is not the old one any more."""
    if copy.exists() or not file.exists():
        return
    temporary = copy.with_name(f".{copy.name}.new")
    temporary.unlink(missing_ok=True)
    write_synced(temporary, file.read_bytes())
    temporary.chmod(file.stat().st_mode & 0o7777)
    give_as(file, temporary)
    temporary.rename(copy)
