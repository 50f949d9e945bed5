"""Changing `.env` of an instance: checked like at creation, and everything else in the file left as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conquestctl.engine.base import PublishedPort
from conquestctl.errors import ConflictError, InvalidError
from conquestctl.fleet.allocate import Wish, choose_ports, taken_ports, this_host
from conquestctl.fleet.create import Surroundings
from conquestctl.fleet.envfile import EnvFile, edited, parse, read
from conquestctl.fleet.instance import ENV_FILE, Instance
from conquestctl.fleet.known import known_roots
from conquestctl.fleet.lock import allocation_lock, fleet_lock
from conquestctl.fleet.scan import Fleet, port_claims
from conquestctl.fleet.settings import KEYS, canonical_key, checked, instance_from
from conquestctl.fleet.storage import replace_file, storage_errors


@dataclass(frozen=True, slots=True)
class Change:
    """What `set` did: values before and after, of the keys that changed."""

    instance: Instance
    old: Mapping[str, str | None]
    """None: the key was not there."""
    new: Mapping[str, str]
    restart_needed: bool
    """Whether a running server goes on with the old values until it is started anew."""


def set_values(
    fleet: Fleet, name: str, values: Mapping[str, str], around: Surroundings, *, force: bool = False
) -> Change:
    """Change settings of one instance, also to repair a broken one; keys may be short names (`port`).

    `force` lets in keys of one's own and those that tie the instance to Docker. Raises `NotFoundError`,
    `InvalidError` for an unknown key or bad value, `ConflictError` for a port or AE title that is taken,
    `StorageError`; then nothing was changed.
    """
    fleet.entry(name)
    with allocation_lock(around.environ, say=around.say) as state, fleet_lock(fleet.root, say=around.say):
        fleet = Fleet.open(fleet.root, around.environ)
        folder = fleet.entry(name).folder
        file = read(folder / ENV_FILE, around.environ)
        new = _wanted(file, values, force=force)
        old = {key: file.values.get(key) for key in new}
        text = edited(file, new)
        instance = instance_from(name, folder, parse(text, file.source, around.environ))
        others = [Fleet.open(root, around.environ) for root in known_roots(state) if root != fleet.root]
        _require_free(instance, new, [fleet, *others], around)
        if new:
            with storage_errors(f"cannot write {file.source}, nothing was changed", name):
                replace_file(folder / ENV_FILE, text.encode("utf-8"))
    return Change(instance, old, new, _restart_needed(instance, new))


def _wanted(file: EnvFile, values: Mapping[str, str], *, force: bool) -> dict[str, str]:
    """Return the values that differ from the file's, by the real names of their keys."""
    wanted: dict[str, str] = {}
    for word, value in values.items():
        key = canonical_key(word, file.values, force=force)
        if key in wanted:
            raise InvalidError(f"{key} is given twice")
        wanted[key] = checked(key, value)
    return {key: value for key, value in wanted.items() if file.values.get(key) != value}


def _require_free(instance: Instance, new: Mapping[str, str], fleets: Sequence[Fleet], around: Surroundings) -> None:
    siblings = [entry for entry in fleets[0].entries if entry.name != instance.name]
    if "AETITLE" in new:
        for entry in siblings:
            if entry.settings.get("AETITLE", "").strip() == instance.ae_title:
                raise ConflictError(
                    f"AE title {instance.ae_title} is taken by instance {entry.name}",
                    hint="Within a fleet each instance needs its own.",
                    instance=instance.name,
                )
    if "PORT" in new:
        others = [entry for fleet in fleets for entry in fleet.entries if entry.folder != instance.folder]
        taken = taken_ports(port_claims(others), _not_ours(around.published, instance))
        wish = Wish(instance.name, instance.bind, instance.port)
        choose_ports([wish], taken, around.host or this_host())


def _not_ours(published: Sequence[PublishedPort], instance: Instance) -> list[PublishedPort]:
    return [one for one in published if instance.project not in one.owner.split()]


def _restart_needed(instance: Instance, new: Mapping[str, str]) -> bool:
    """A key of one's own matters to the container only if the compose file mentions it."""
    own = [key for key in new if key not in KEYS]
    if len(own) < len(new):
        return True
    try:
        compose = instance.compose_file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return any(key in compose for key in own)
