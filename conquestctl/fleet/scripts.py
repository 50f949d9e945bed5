"""Lua scripts of an instance: files in mount/scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from conquestctl.errors import ConflictError, InvalidError, NotFoundError
from conquestctl.fleet.instance import MOUNT, Instance
from conquestctl.fleet.lock import Say, fleet_lock, silent
from conquestctl.fleet.luasyntax import can_check, syntax_fault
from conquestctl.fleet.storage import replace_file, storage_errors

FOLDER = Path(MOUNT, "scripts")
LINE = "../scripts/{}"
"""A converter line that runs a script: relative to the folder of dicom.ini, in a container and as a local process."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\.lua")


@dataclass(frozen=True, slots=True)
class Script:
    """One file."""

    name: str
    size: int

    @property
    def line(self) -> str:
        """The converter line that runs it."""
        return LINE.format(self.name)


def list_scripts(instance: Instance) -> list[Script]:
    """Those that are there, by name. Raises `StorageError`."""
    folder = instance.folder / FOLDER
    with storage_errors(f"cannot read {folder}", instance.name):
        files = sorted(path for path in folder.glob("*.lua") if path.is_file()) if folder.is_dir() else []
        return [Script(path.name, path.stat().st_size) for path in files]


def add_script(instance: Instance, source: Path, name: str = "", *, force: bool = False, say: Say = silent) -> Script:
    """Copy a script into the instance, under another name if one is given.

    Raises `NotFoundError` for no such file, `InvalidError` for a name that a converter line cannot hold or a script
    that is no Lua, `ConflictError` for one that is there and another one (unless `force`), `StorageError`.
    """
    name = _checked_name(name or source.name)
    code = _read(source)
    fault = syntax_fault(code)
    if fault is not None:
        raise InvalidError(f"{source}:{fault[0]}: {fault[1]}", instance=instance.name)
    if not can_check():
        say("there is no Lua on this machine: the script was not checked")
    target = instance.folder / FOLDER / name
    with fleet_lock(instance.folder.parent, say=say), storage_errors(f"cannot write {target}", instance.name):
        target.parent.mkdir(exist_ok=True)
        if target.parent.resolve() != instance.mount.resolve() / "scripts" or target.is_symlink():
            raise InvalidError(f"{target} is a link to another place, where nothing is written", instance=instance.name)
        if target.exists() and not force and target.read_bytes() != code:
            hint = "Write over it with --force, or choose another name with --as."
            raise ConflictError(f"{instance.name} has another script {name}", hint=hint, instance=instance.name)
        replace_file(target, code)
    return Script(name, len(code))


def _checked_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise InvalidError(
            f"{name!r} is no name for a script in a converter line",
            hint="Letters, digits, _ . - and .lua at the end; choose one with --as.",
        )
    return name


def _read(source: Path) -> bytes:
    if not source.is_file():
        raise NotFoundError(f"{source}: no such file")
    with storage_errors(f"cannot read {source}"):
        return source.read_bytes()
