"""The fleet is what a scan of its folders finds; there is no second registry."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from conquestctl.errors import ConquestError, InvalidError, NotFoundError, UsageError
from conquestctl.fleet.envfile import read
from conquestctl.fleet.instance import COMPOSE_FILE, ENV_FILE, Instance
from conquestctl.fleet.settings import instance_from
from conquestctl.fleet.storage import storage_errors

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Broken:
    """A folder that is meant as an instance but cannot be used as it is."""

    name: str
    folder: Path
    error: ConquestError
    settings: Mapping[str, str]
    """What could be read of `.env`; empty when nothing could."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All instances of one folder, as they were when it was opened."""

    root: Path
    entries: tuple[Instance | Broken, ...]
    """Sorted the way people count: ct2 before ct10."""

    @classmethod
    def open(cls, root: Path, environ: Mapping[str, str] = os.environ) -> Fleet:
        """Read every instance under `root`; a folder that is not there yet is an empty fleet.

        Raises `StorageError` when the folder cannot be read. Broken instances are kept as such and hide nobody.
        """
        root = Path(os.path.abspath(root))  # noqa: PTH100 -- resolve() would follow a link the user chose to use
        names = sorted(_instance_names(root), key=natural)
        return cls(root, tuple(load(root / name, environ) for name in names))

    def instances(self) -> list[Instance]:
        """Return the instances that can be used."""
        return [entry for entry in self.entries if isinstance(entry, Instance)]

    def broken(self) -> list[Broken]:
        """Return those that cannot."""
        return [entry for entry in self.entries if isinstance(entry, Broken)]

    def get(self, name: str) -> Instance:
        """Return one instance by name. Raises `NotFoundError` naming the near one, or what is wrong with that one."""
        entry = self.entry(name)
        if isinstance(entry, Broken):
            raise entry.error
        return entry

    def entry(self, name: str) -> Instance | Broken:
        """Return one instance, broken or not. Raises `NotFoundError`."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise NotFoundError(f"there is no instance {name!r} in {self.root}", hint=self._near(name))

    def select(self, names: Sequence[str], *, all_: bool = False) -> list[Instance]:
        """Return the instances meant by names, globs or `--all`, each once, in the order asked for.

        A broken one is an error when it was named, or when nothing else matched; a glob or `--all` leaves it out, see
        `broken_among`. Raises `NotFoundError` for what matches nothing, `UsageError` for no or two kinds of choice.
        """
        chosen: dict[str, Instance] = {}
        for pattern in self._patterns(names, all_):
            if not is_glob(pattern):
                chosen.setdefault(pattern, self.get(pattern))
                continue
            found = [entry for entry in self.entries if fnmatchcase(entry.name, pattern)]
            good = {entry.name: entry for entry in found if isinstance(entry, Instance)}
            if not good:
                raise self._nothing(pattern, found)
            chosen = {**chosen, **{name: entry for name, entry in good.items() if name not in chosen}}
        return list(chosen.values())

    def broken_among(self, names: Sequence[str], *, all_: bool = False) -> list[Broken]:
        """Return the broken instances that a choice would have covered, to be reported beside the others."""
        patterns = ["*"] if all_ else names
        return [one for one in self.broken() if any(fnmatchcase(one.name, pattern) for pattern in patterns)]

    def _patterns(self, names: Sequence[str], all_: bool) -> Sequence[str]:
        if all_ and names:
            raise UsageError("both names and --all were given", hint="Leave one of them out.")
        if not all_ and not names:
            raise UsageError("no instance was named", hint="Name some (globs work: 'ct*'), or use --all.")
        return ["*"] if all_ else names

    def _nothing(self, pattern: str, found: Sequence[Instance | Broken]) -> ConquestError:
        for entry in found:
            if isinstance(entry, Broken):
                return entry.error
        if not self.entries:
            return NotFoundError(f"there is no instance in {self.root}", hint="Make one: conquestctl create ct1")
        return NotFoundError(f"no instance in {self.root} matches {pattern!r}", hint=self._near(pattern))

    def _near(self, name: str) -> str:
        known = [entry.name for entry in self.entries]
        if not known:
            return "The fleet is empty. Make an instance: conquestctl create ct1"
        near = difflib.get_close_matches(name.lower(), known, n=1)
        if near:
            return f"Did you mean {near[0]}?"
        return "There are: " + ", ".join(known[:10]) + (" …" if len(known) > 10 else "")


def load(folder: Path, environ: Mapping[str, str] = os.environ) -> Instance | Broken:
    """Read one instance folder; whatever is wrong with it is in the result."""
    settings: Mapping[str, str] = {}
    try:
        path = folder / ENV_FILE
        if not path.exists():
            raise InvalidError(f"{path} is missing", hint=f"Without it {COMPOSE_FILE} has no values.")
        file = read(path, environ)
        settings = file.values
        return instance_from(folder.name, folder, file)
    except ConquestError as error:
        error.instance = folder.name
        return Broken(folder.name, folder, error, settings)


def port_claims(entries: Sequence[Instance | Broken]) -> list[tuple[int, str]]:
    """Return each instance's port with its owner in words; a broken one's too, if it can be read."""
    ports = ((entry.settings.get("PORT", "").strip(), entry) for entry in entries)
    return [(int(port), f"instance {entry.name} in {entry.folder.parent}") for port, entry in ports if _is_number(port)]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that counts like people do: ct2 before ct10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name))


def is_glob(text: str) -> bool:
    """Whether the text has a wildcard of the shell in it."""
    return any(c in text for c in "*?[")


def folder_names(root: Path) -> list[str]:
    """Names of everything under `root`, hidden things left out; none if it does not exist. Raises `StorageError`."""
    with storage_errors(f"cannot read the fleet in {root}"):
        try:
            return [name for name in os.listdir(root) if not name.startswith(".")]  # noqa: PTH208 -- names, not paths
        except FileNotFoundError:
            return []


def _instance_names(root: Path) -> Iterable[str]:
    """A folder is meant as an instance when it has `.env` or a compose file."""
    for name in folder_names(root):
        if any(os.path.isfile(os.path.join(root, name, file)) for file in (ENV_FILE, COMPOSE_FILE)):  # noqa: PTH113, PTH118
            yield name
