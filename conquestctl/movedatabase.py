"""The index of an instance from one database to another: prepared, copied, compared, and only then put in force."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conquestctl.engine.base import Engine, State
from conquestctl.errors import ConflictError, ConquestError, EngineError, UsageError
from conquestctl.fleet import subnet
from conquestctl.fleet.database import Database, refuse_shared_folder
from conquestctl.fleet.databasechange import Staged, database_of, discard, require_room, stage
from conquestctl.fleet.databaseswitch import switch
from conquestctl.fleet.hold import hold
from conquestctl.fleet.identity import all_settings, subnets_of
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.known import known_roots
from conquestctl.fleet.lock import allocation_lock
from conquestctl.fleet.mountinfo import Mount, read_mounts
from conquestctl.fleet.scan import Fleet

if TYPE_CHECKING:
    from conquestctl.fleet.create import Surroundings

BUSY_SECONDS = 10.0
LAST_WORDS = 5
Report = Callable[[str, str], None]
"""`report(name, text)`: what the instance is at."""
_LIVE = {State.RUNNING: "is running", State.RESTARTING: "keeps restarting", State.PAUSED: "is paused"}
_NO_COPIER = "That needs our own server (dgate) in the image of the instance."


@dataclass(frozen=True, slots=True)
class Moved:
    """What was done: a row count and a checksum for each table, and what the old database is kept in."""

    instance: str
    old: Database
    new: Database
    tables: Sequence[Mapping[str, Any]]
    kept: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Means:
    """What a move needs of the world: the engine that copies, all engines the instance may run on, and the disk."""

    engine: Engine
    engines: Sequence[Engine]
    around: Surroundings
    free: Callable[[Path], int] = lambda place: shutil.disk_usage(place).free
    mounts: Callable[[], Sequence[Mount]] = read_mounts


def move(fleet: Fleet, name: str, new: Database, means: Means, report: Report, now: datetime) -> Moved:
    """Move the index of a stopped instance. Raises with the old database in force and everything as it was.

    `ConflictError` for an instance that runs, `UsageError` for a database that it has already, `StorageError`,
    `InvalidError` for files that were edited by hand, `EngineError` for a copy that failed or is not the same.
    """
    instance = fleet.get(name)
    with hold([instance], BUSY_SECONDS, lambda _: report(name, "waiting for another conquestctl")) as refused:
        for error in refused.values():
            raise error
        refuse_live(instance, means.engines)
        old = database_of(instance)
        _refuse_pointless(instance, old, new, means.engine)
        if new.local:
            refuse_shared_folder(instance.folder, means.mounts())
        staged = stage(instance, new, _subnet(fleet, instance, new, means.around.environ))
        try:
            require_room(staged, means.free)
            tables = _copied(staged, means, report)
            refuse_live(instance, means.engines)
            with allocation_lock(means.around.environ, say=means.around.say) as state:
                _refuse_taken_subnet(fleet, staged, known_roots(state))
                kept = switch(staged, now)
        except BaseException:
            discard(staged)
            raise
    return Moved(name, old, new, tables, kept)


def refuse_live(instance: Instance, engines: Sequence[Engine]) -> None:
    """Raise `ConflictError` if an engine says that the instance runs, or would run again by itself."""
    for engine in engines:
        seen = engine.observe([instance])[instance.name]
        if seen.state in _LIVE:
            raise ConflictError(
                f"{instance.name} {_LIVE[seen.state]}; its index can be moved while it is down only",
                hint=f"First: conquestctl down {instance.name}",
                instance=instance.name,
            )


def _refuse_pointless(instance: Instance, old: Database, new: Database, engine: Engine) -> None:
    same = (old.kind, old.image) == (new.kind, new.image)
    if same and (new.local or (old.host, old.name) == (new.host, new.name)):
        raise UsageError(f"the index of {instance.name} is in that database already", instance=instance.name)
    if engine.name != "docker" and old.own:
        raise UsageError(
            f"the database of {instance.name} is a container of its stack, which a local process cannot reach",
            hint=f"conquestctl --engine docker database move {instance.name} ...",
            instance=instance.name,
        )


def _subnet(fleet: Fleet, instance: Instance, new: Database, environ: Mapping[str, str]) -> str:
    """Of the private network: the one there is stays, a new one is chosen as for a new instance."""
    known = instance.settings.get("DATABASE_SUBNET", "")
    if not new.own or known:
        return known if new.own else ""
    pool = subnet.parse_pool(environ.get("CONQUESTCTL_POOL") or subnet.DEFAULT_POOL)
    with allocation_lock(environ) as state:
        fleets = [fleet, *(Fleet.open(root, environ) for root in known_roots(state) if root != fleet.root)]
    used = subnets_of(settings for one in fleets for settings in all_settings(one))
    return str(subnet.choose_small(pool, [*subnet.host_routes(), *subnet.parse_subnets(used)]))


def _refuse_taken_subnet(fleet: Fleet, staged: Staged, roots: Sequence[Path]) -> None:
    """Another `create` may have chosen the same one while the index was copied. The caller holds the lock."""
    ours = staged.then.settings.get("DATABASE_SUBNET", "")
    fleets = [Fleet.open(root) for root in {fleet.root, *roots}]
    others = [one.settings for each in fleets for one in each.entries if one.folder != staged.instance.folder]
    if ours and ours in subnets_of(others):
        raise ConflictError(f"the subnet {ours} was taken by another instance meanwhile", hint="Move again.")


def _copied(staged: Staged, means: Means, report: Report) -> Sequence[Mapping[str, Any]]:
    """Copy and compare; what the copier says of each table. Raises `EngineError` unless all is the same."""
    name, verdict, words = staged.instance.name, {}, [""]
    report(name, "preparing")
    with closing(_run(staged, means)) as lines:
        for line in _lines(lines):
            event = _event(line)
            if event is None:
                words = [*words, line][-LAST_WORDS:]
            elif event["event"] in {"moved", "refused"}:
                verdict = event
            else:
                report(name, _progress(event))
    if verdict.get("event") == "moved":
        return list(verdict["tables"])
    if verdict:
        raise _failed(f"the index of {name} was not moved, {verdict['reason']}", "", name)
    said = "\n  ".join(filter(None, words)) or "nothing"
    raise _failed(f"the index of {name} was not moved: the copy ended early; it said: {said}", _NO_COPIER, name)


def _failed(message: str, hint: str, name: str) -> ConquestError:
    return EngineError(message, hint=hint or "The old database is in force, as before.", instance=name)


def _run(staged: Staged, means: Means) -> Any:
    from conquestctl.engine import movestack

    if means.engine.name == "docker":
        from conquestctl.engine.docker import DockerEngine

        if isinstance(means.engine, DockerEngine):
            return movestack.run_in_containers(means.engine, staged)
    return movestack.run_as_process(staged, means.around.environ)


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Whole lines, however they come."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace").rstrip() for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")


def _event(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def _progress(event: Mapping[str, Any]) -> str:
    if event["event"] == "copying":
        return f"copying {event['table']}: {event['done']} of {event['rows']} rows"
    return f"{event['table']}: {event['rows']} rows, the same in both"
