"""Making instance folders: all of those asked for, or none.

Each is built in a hidden folder beside its place and gets its name by one rename, so whoever looks sees a whole
instance or none, wherever the power goes off. What a killed `create` leaves is hidden, and swept by the next one.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from conquestctl.engine.base import PublishedPort
from conquestctl.errors import ConflictError
from conquestctl.fleet import subnet
from conquestctl.fleet.allocate import Host, Wish, choose_ports, taken_ports, this_host
from conquestctl.fleet.database import refuse_shared_folder
from conquestctl.fleet.databasefiles import database_view, put_database_files
from conquestctl.fleet.identity import Identity, all_settings, identity_of, subnets_of
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.known import known_roots, remember
from conquestctl.fleet.lock import Say, allocation_lock, fleet_lock, silent
from conquestctl.fleet.mountinfo import read_mounts
from conquestctl.fleet.names import check_free
from conquestctl.fleet.render import FOLDERS, Render, View, renderer
from conquestctl.fleet.request import Request, refuse_repeats, refuse_title
from conquestctl.fleet.scan import Broken, Fleet, folder_names, load, port_claims
from conquestctl.fleet.storage import storage_errors, sync_folder, sync_trees

BEING_MADE = ".new-"
BEING_PURGED = ".purged-"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is asked of everything outside the fleet's folder."""

    environ: Mapping[str, str]
    published: Sequence[PublishedPort] = ()
    """What the Docker engine publishes, if one answers."""
    host: Host | None = None
    """None: the machine we run on."""
    say: Say = silent
    """Told once if another process has to be waited for."""


def create(fleet: Fleet, requests: Sequence[Request], around: Surroundings) -> list[Instance]:
    """Make the instances and return them, in order. Raises without having made any of them.

    `ConflictError` for a name, AE title or port that is taken or a lock that another process keeps, `InvalidError` for
    a bad value, `StorageError` for a disk that is full or not ours to write.
    """
    wanted = [request.checked() for request in requests]
    refuse_repeats(wanted)
    with storage_errors(f"cannot make the fleet's folder {fleet.root}"):
        fleet.root.mkdir(parents=True, exist_ok=True)
    _refuse_shared(fleet.root, wanted)
    render = renderer()
    with allocation_lock(around.environ, say=around.say) as state, fleet_lock(fleet.root, say=around.say):
        fleet = Fleet.open(fleet.root, around.environ)
        others = [Fleet.open(root, around.environ) for root in known_roots(state) if root != fleet.root]
        _require_free(fleet, wanted)
        ports = _allocate([fleet, *others], wanted, around)
        identity = identity_of(fleet, others, lambda used: _new_subnet(used, around.environ))
        servers = _servers([fleet, *others], wanted, identity, around.environ)
        sweep(fleet.root)
        names = [request.name for request in wanted]
        with storage_errors(f"cannot create {_few(names)} in {fleet.root}, nothing was made"):
            remember(state, fleet.root)
            with _all_or_none(fleet.root, names) as folders:
                for request, port, server, folder in zip(wanted, ports, servers, folders, strict=True):
                    _build(folder, request, port, server, identity, render)
    return [_made(fleet.root / name, around.environ) for name in names]


def _require_free(fleet: Fleet, wanted: Sequence[Request]) -> None:
    existing = folder_names(fleet.root)
    owners = {entry.settings.get("AETITLE", "").strip(): entry.name for entry in fleet.entries}
    for request in wanted:
        check_free(request.name, existing)
        refuse_title(request, owners)


def _allocate(fleets: Sequence[Fleet], wanted: Sequence[Request], around: Surroundings) -> list[int]:
    claims = port_claims([entry for fleet in fleets for entry in fleet.entries])
    wishes = [Wish(request.name, request.bind, request.port) for request in wanted]
    return choose_ports(wishes, taken_ports(claims, around.published), around.host or this_host())


def _refuse_shared(root: Path, wanted: Sequence[Request]) -> None:
    if any(request.database.local for request in wanted):
        refuse_shared_folder(root, read_mounts())


def _servers(
    fleets: Sequence[Fleet], wanted: Sequence[Request], identity: Identity, environ: Mapping[str, str]
) -> list[str]:
    """Return the subnet of each one's private network, empty without a database server in the stack."""
    if not any(request.database.own for request in wanted):
        return [""] * len(wanted)
    pool = subnet.parse_pool(environ.get("CONQUESTCTL_POOL") or subnet.DEFAULT_POOL)
    used = subnets_of(settings for fleet in fleets for settings in all_settings(fleet))
    taken = [*subnet.host_routes(), *subnet.parse_subnets({*used, identity.subnet})]
    chosen: list[str] = []
    for request in wanted:
        if request.database.own:
            taken.append(subnet.choose_small(pool, taken))
        chosen.append(str(taken[-1]) if request.database.own else "")
    return chosen


def _new_subnet(used: Collection[str], environ: Mapping[str, str]) -> str:
    pool = subnet.parse_pool(environ.get("CONQUESTCTL_POOL") or subnet.DEFAULT_POOL)
    taken: list[IPv4Network] = [*subnet.host_routes(), *subnet.parse_subnets(used)]
    return str(subnet.choose_subnet(pool, taken))


@contextmanager
def _all_or_none(root: Path, names: Sequence[str]) -> Iterator[list[Path]]:
    """Give a hidden folder per name to build in; after the block all get their names, or all are gone.

    Ctrl-C is no exception. The fleet's lock is held all the time, so nobody has started to use one that is taken back.
    """
    mark = secrets.token_hex(4)
    folders = {name: root / f".{name}{BEING_MADE}{mark}" for name in names}
    built = False
    try:
        yield list(folders.values())
        sync_trees(list(folders.values()))
        built = True
        for name, folder in folders.items():
            _place(folder, root / name)
        sync_folder(root)
    except BaseException:
        for name, folder in folders.items():
            if built and not folder.exists():  # it has its name already
                (root / name).rename(folder)
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _place(folder: Path, place: Path) -> None:
    if os.path.lexists(place):  # rename() would silently replace an empty folder
        raise ConflictError(f"{place} has just been made by somebody else", instance=place.name)
    folder.rename(place)


def _build(folder: Path, request: Request, port: int, database_subnet: str, identity: Identity, render: Render) -> None:
    """Write everything of one instance into its hidden folder."""
    folder.mkdir()
    owner = _owner(folder)
    run_as = request.run_as or "{}:{}".format(*owner)
    database = database_view(request.database, run_as, database_subnet)
    view = View(
        name=request.name,
        ae_title=request.ae_title,
        port=port,
        bind=request.bind,
        image=request.image,
        run_as=run_as,
        project=identity.project(request.name),
        network=identity.network,
        subnet=identity.subnet,
        database=database,
        host_network=request.host_network,
    )
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, content in render(view).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _give(folder, owner)
    if database is not None:
        put_database_files(folder, database, run_as)


def _owner(folder: Path) -> tuple[int, int]:
    """Who is to own a new folder: whoever made it, but root makes it for the owner of the fleet (`sudo`)."""
    status = (folder.parent if os.geteuid() == 0 else folder).stat()
    return status.st_uid, status.st_gid


def _give(folder: Path, owner: tuple[int, int]) -> None:
    if os.geteuid() != 0 or owner == (0, 0):
        return
    for path, _, files in os.walk(folder):
        for place in (path, *(os.path.join(path, file) for file in files)):  # noqa: PTH118 -- os.walk gives texts
            os.chown(place, *owner)


def sweep(root: Path) -> None:
    """Remove what killed runs left. The caller holds the fleet's lock, so nothing of this kind is in use."""
    for folder in root.glob(".*"):
        if BEING_MADE in folder.name or BEING_PURGED in folder.name:
            shutil.rmtree(folder, ignore_errors=True)


def _made(folder: Path, environ: Mapping[str, str]) -> Instance:
    """Read back what was written, as everybody else will."""
    entry = load(folder, environ)
    if isinstance(entry, Broken):
        raise entry.error
    return entry


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
