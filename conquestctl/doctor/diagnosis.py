"""Facts in, findings out. Pure.

`examination` finds out the facts; `machine` judges what there is beside the fleet. What is in order says so too, or
nobody would know what was looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from conquestctl.doctor.facts import EngineFacts, Facts, Folder, InstanceFacts, Place
from conquestctl.doctor.findings import Finding, fault, ok, problem, warning
from conquestctl.doctor.machine import check_engine, check_images, check_network, check_packages, check_python
from conquestctl.doctor.ways import check_ways
from conquestctl.engine.base import State
from conquestctl.errors import ExitStatus, StorageError
from conquestctl.fleet.clashes import Clash, clashes
from conquestctl.fleet.mountinfo import IN_MEMORY, NETWORKED

MEGABYTE = 1_000_000
LITTLE_SPACE = 2000 * MEGABYTE
"""A few studies more."""
NO_SPACE = 100 * MEGABYTE
"""The database and the logs need some of it."""

LIVELY = frozenset([State.RUNNING, State.RESTARTING, State.PAUSED])


def check_instances(facts: Facts) -> Iterator[Finding]:
    """Every folder can be read, and no two want the same."""
    fleet = facts.fleet
    if fleet.fault:
        yield fault("instances", fleet.fault)
    for broken in fleet.broken:
        yield fault("instances", broken.error)
    found = clashes([one.instance for one in fleet.instances])
    yield from map(_clash, found)
    if not (fleet.fault or fleet.broken or found):
        count = len(fleet.instances)
        hint = "" if count else "Make one: conquestctl create ct1"
        yield ok("instances", f"{count or 'no'} instance{'s' * (count != 1)} in {fleet.root}", hint)


def _clash(clash: Clash) -> Finding:
    """Two with one AE title run, and whoever sends to them mixes them up; with one port or project name they do not."""
    words = {"port": "PORT=...", "AE title": "AETITLE=..."}.get(clash.what, "COMPOSE_PROJECT_NAME=... --force")
    hint = f"Give one another: conquestctl set {clash.instances[-1]} {words}"
    if clash.what == "AE title":
        return warning("instances", clash.message, hint)
    return problem("instances", ExitStatus.CONFLICT, clash.message, hint)


def check_files(facts: Facts) -> Iterator[Finding]:
    """The files that are first read at a start."""
    found = [fault("files", error) for one in facts.fleet.instances for error in one.file_faults]
    yield from found
    if facts.fleet.instances and not found:
        yield ok("files", "the configuration of every instance can be read")


def check_ports(facts: Facts) -> Iterator[Finding]:
    """Nobody else has an instance's port. Which ones are our own is not known when the engine does not say."""
    instances = facts.fleet.instances
    if facts.fleet.unobserved or (facts.engine.uses_docker and not facts.engine.docker) or not instances:
        return
    found = [finding for one in instances if (finding := _port(one, facts)) is not None]
    yield from found
    if not found:
        running = sum(one.state in LIVELY for one in instances)
        yield ok("ports", f"{running} in use by their instances, {len(instances) - running} free")


def _port(one: InstanceFacts, facts: Facts) -> Finding | None:
    if one.state in LIVELY:
        return None
    instance = one.instance
    change = f"Stop that, or choose another: conquestctl set {instance.name} PORT=..."
    published = facts.engine.docker.published if facts.engine.docker and facts.engine.uses_docker else ()
    owners = [p.owner for p in published if p.port == instance.port and instance.project not in p.owner.split()]
    if owners:
        what = f"port {instance.port} of {instance.name} is taken by {owners[0]}"
        return problem("ports", ExitStatus.CONFLICT, what, change, instance.name)
    if one.listening and not (facts.engine.uses_docker and isinstance(one.listening, StorageError)):
        return fault("ports", one.listening)  # Docker's own process may use the ports below 1024
    if instance.port in facts.fleet.elsewhere:
        what = f"port {instance.port} of {instance.name} belongs to {facts.fleet.elsewhere[instance.port]} as well"
        return warning("ports", what, f"Only one of them can run. {change}", instance.name)
    return None


def check_rights(facts: Facts) -> Iterator[Finding]:
    """The server may write where it has to, and we in the fleet's folder."""
    fleet = facts.fleet
    found = [finding for one in fleet.instances for finding in _rights(one, facts.engine)]
    if not fleet.writable and not fleet.fault:
        what = f"this user may not write in {fleet.root}: create and rm will fail"
        hint = "Choose another folder with --root, or have the owner give this one away with chown."
        in_the_way = [] if fleet.instances else [problem("rights", ExitStatus.STORAGE, what, hint)]
        found = [*(in_the_way or [warning("rights", what, hint)]), *found]
    yield from found
    if not found and not fleet.fault:
        yield ok("rights", "all folders can be written to" if fleet.instances else f"{fleet.root} can be written to")


def _rights(one: InstanceFacts, engine: EngineFacts) -> Iterator[Finding]:
    """The first folder in the way is enough: one command repairs all of them."""
    instance = one.instance
    if not any(folder.path == instance.mount for folder in one.folders):
        hint = "The folder is part of the instance; bring it back or create the instance anew."
        what = f"{instance.mount} is missing"
        yield problem("rights", ExitStatus.STORAGE, what, hint, instance.name)
        return
    run_as = instance.settings.get("RUN_AS", "") if engine.uses_docker else ""
    for folder in one.folders:
        if may_write(folder, run_as):
            continue
        who = f"{run_as} (RUN_AS)" if run_as else "this user"
        what = f"{who} may not write in {folder.path}, which belongs to {folder.uid}:{folder.gid}"
        hint = f"sudo chown -R {run_as or '$(id -u):$(id -g)'} {instance.mount}"
        yield problem("rights", ExitStatus.STORAGE, what, hint, instance.name)
        return


def may_write(folder: Folder, run_as: str) -> bool:
    """Whether `uid:gid` may make files in a folder, by its access bits; whether this user may, without `run_as`.

    In its container not even root has the capability to pass over them.
    """
    if not run_as:
        return folder.ours
    uid, gid = map(int, run_as.strip().split(":"))
    shift = 6 if uid == folder.uid else 3 if gid == folder.gid else 0
    return folder.mode >> shift & 0o3 == 0o3


def check_file_systems(facts: Facts) -> Iterator[Finding]:
    """The database lies on a file system whose locks SQLite can trust."""
    places = _places(facts)
    found = [finding for names, place in places if (finding := _file_system(names, place)) is not None]
    yield from found
    kinds = dict.fromkeys(place.mount.kind for _, place in places if place.mount)
    if kinds and not found:
        yield ok("file system", ", ".join(kinds))


def _file_system(names: str, place: Place) -> Finding | None:
    mount = place.mount
    if mount is None:
        return None
    where = f"{names}: {mount.point} is {mount.kind}"
    if mount.kind in NETWORKED:
        what = f"{where}, shared with another machine: SQLite's locks and shared memory are not dependable there"
        return warning("file system", what, "The database may be damaged: keep the fleet on a local disk (--root).")
    if mount.kind in IN_MEMORY:
        what = f"{where}, memory: it is empty after a reboot"
        return warning("file system", what, "Keep the fleet on a disk (--root).")
    return None


def check_space(facts: Facts) -> Iterator[Finding]:
    """There is room for images."""
    places = _places(facts)
    short = [(names, place.free) for names, place in places if place.free < LITTLE_SPACE]
    for names, free in short:
        what = f"{names}: {free // MEGABYTE} MB free"
        hint = "Free some space: df -h shows the disks, conquestctl status the images of each instance."
        if free < NO_SPACE:
            yield problem("space", ExitStatus.STORAGE, what, hint)
        else:
            yield warning("space", what, hint)
    if places and not short:
        yield ok("space", f"{min(place.free for _, place in places) / 1e9:.0f} GB free")


def _places(facts: Facts) -> list[tuple[str, Place]]:
    """The places of the instances, one per mount, with the names of those there; the fleet's own when it is empty."""
    places: dict[object, tuple[list[str], Place]] = {}
    for one in facts.fleet.instances:
        if one.place:
            places.setdefault(one.place.mount, ([], one.place))[0].append(one.instance.name)
    if not places and facts.fleet.place:
        return [(str(facts.fleet.root), facts.fleet.place)]
    return [(_few(names), place) for names, place in places.values()]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    check_python,
    check_packages,
    check_engine,
    check_images,
    check_network,
    check_instances,
    check_files,
    check_ports,
    check_ways,
    check_rights,
    check_file_systems,
    check_space,
)


def diagnose(facts: Facts) -> list[Finding]:
    """Judge everything, in the order in which it should be repaired."""
    return [finding for check in CHECKS for finding in check(facts)]
