"""Taking an instance out of the fleet. Without `purge` nothing is deleted: the folder moves out of the way, whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from conquestctl.engine.base import Observed, State
from conquestctl.errors import ConflictError
from conquestctl.fleet.create import BEING_PURGED
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.lock import Say, fleet_lock, silent
from conquestctl.fleet.scan import Fleet
from conquestctl.fleet.storage import storage_errors, sync_folder

REMOVED = ".removed"
"""Folder in the fleet's root that keeps removed instances; hidden, so no scan finds them."""

_LIVE = {State.RUNNING: "is running", State.RESTARTING: "keeps restarting", State.PAUSED: "is paused"}


def refuse_live(observed: Iterable[Observed]) -> None:
    """Raise `ConflictError` if an engine says that one of them runs, or would run again by itself."""
    for one in observed:
        if one.state in _LIVE:
            name = one.instance
            raise ConflictError(
                f"{name} {_LIVE[one.state]}; nothing was removed", hint=f"First: conquestctl down {name}", instance=name
            )


def remove(fleet: Fleet, name: str, *, purge: bool = False, now: datetime, say: Say = silent) -> Path | None:
    """Remove a stopped instance; the caller made sure that it is stopped.

    Without `purge` its whole folder (settings, images, database, logs) is moved to
    `<root>/.removed/<name>-<date>-<time>`, which is returned; moving it back brings the instance back. With `purge` it
    is deleted, and None returned. Raises `NotFoundError`, `ConflictError` for the lock, `StorageError`.
    """
    fleet.entry(name)
    with fleet_lock(fleet.root, say=say):
        folder = Fleet.open(fleet.root).entry(name).folder
        with storage_errors(f"cannot remove {folder}", name):
            if purge:
                _delete(folder)
                return None
            return _keep(folder, now)


def _keep(folder: Path, now: datetime) -> Path:
    removed = folder.parent / REMOVED
    removed.mkdir(exist_ok=True)
    place = removed / f"{folder.name}-{now:%Y%m%d-%H%M%S}"
    if place.exists():
        place = removed / f"{place.name}-{secrets.token_hex(2)}"
    folder.rename(place)
    sync_folder(removed)
    sync_folder(folder.parent)
    return place


def _delete(folder: Path) -> None:
    """Rename first: a delete that is killed leaves something hidden to sweep, and not half an instance."""
    doomed = folder.with_name(f".{folder.name}{BEING_PURGED}{secrets.token_hex(4)}")
    folder.rename(doomed)
    shutil.rmtree(doomed)
    sync_folder(folder.parent)


def data_size(instance: Instance) -> tuple[int, int]:
    """Return number and total size of the files in `mount/data`: what a purge would destroy. Raises `StorageError`."""
    with storage_errors(f"cannot read {instance.folder}", instance.name):
        sizes = [path.lstat().st_size for path in (instance.mount / "data").rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
