"""Bringing every map of a fleet up to date: each instance's block, from the folders and the fleet's own nodes.

Nothing is remembered: whoever changes a name, port, AE title or node calls `follow` afterwards. A running server
looks at its map once a second, and a file is replaced as a whole, so it needs no restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from conquestctl.errors import ConflictError, ConquestError, InvalidError, NotFoundError
from conquestctl.fleet.addresses import GATEWAY, IsOwn, Reader, is_loopback, is_own_host
from conquestctl.fleet.amapblock import outside, overruled, with_block
from conquestctl.fleet.instance import MOUNT, Instance
from conquestctl.fleet.lock import Say, fleet_lock, silent
from conquestctl.fleet.nodes import FILE, FleetNode, Neighbourhood, added, parse_nodes, refusals, without
from conquestctl.fleet.scan import Fleet
from conquestctl.fleet.storage import SYNCS_AT_ONCE, replace_file, storage_errors
from dgate.config.amap import Node
from dgate.config.faults import Fault

IN_INSTANCE = Path(MOUNT, "config", "acrnema.map")

Readers = Callable[[Sequence[Instance]], Mapping[str, Reader]]
"""How each of these instances runs, or would."""
Edit = Callable[[bytes, str], bytes]
"""From the content of the fleet's own map, and its path for messages, to the new content."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of it."""

    changed: tuple[str, ...] = ()
    """Instances whose map is another one now."""
    remarks: tuple[str, ...] = ()
    """What a person should know: entries of theirs that go before ours, lines that are not understood."""
    failed: Mapping[str, ConquestError] = field(default_factory=dict)
    """Instances whose map could not be read or written, by name."""


def follow(
    root: Path, readers: Readers, *, say: Say = silent, is_own: IsOwn = is_own_host, edit: Edit | None = None
) -> Followed:
    """Write the block of every map that is out of date; before that, `edit` the fleet's own nodes.

    Raises `ConflictError` for the lock, `StorageError` for the fleet's own files, and what `edit` raises: then nothing
    was changed. One instance's map that cannot be written does not keep the others from it.
    """
    if edit is None and not root.is_dir():
        return Followed()
    with storage_errors(f"cannot make the fleet's folder {root}"):
        root.mkdir(parents=True, exist_ok=True)
    with fleet_lock(root, say=say):
        fleet = Fleet.open(root)
        data = read_map(root / FILE)
        if edit is not None:
            new = edit(data, str(root / FILE))
            _write(root / FILE, data, new)
            data = new
        return _follow(fleet, data, readers, is_own)


def _follow(fleet: Fleet, data: bytes, readers: Readers, is_own: IsOwn) -> Followed:
    file = str(fleet.root / FILE)
    nodes, faults = parse_nodes(data, file)
    instances = fleet.instances()
    around = Neighbourhood(instances, nodes, readers(instances), is_own)
    remarks = [*map(str, faults), *refusals(instances, nodes, file)]
    changed, failed = [], {}
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        results = list(pool.map(lambda one: _renew(one, around), instances))
    for instance, result in zip(instances, results, strict=True):
        if isinstance(result, ConquestError):
            failed[instance.name] = result
            continue
        remarks += result[1]
        if result[0]:
            changed.append(instance.name)
    return Followed(tuple(changed), tuple(remarks), failed)


def _renew(instance: Instance, around: Neighbourhood) -> tuple[bool, list[str]] | ConquestError:
    """Write one map if need be: whether it was, and what is to be said about it."""
    try:
        old = read_instance_map(instance)
        if old is None:
            return False, []  # the server says so at its start, and doctor before it
        entries = around.entries_of(instance)
        new = with_block(old, entries)
        _write(instance.folder / IN_INSTANCE, old, new)
    except ConquestError as error:
        error.instance = instance.name
        return error
    return new != old, remarks_on(instance, new, entries, around.readers[instance.name])


def remarks_on(instance: Instance, data: bytes, entries: Sequence[Node], reader: Reader) -> list[str]:
    """Return what the user's own lines do to a map, as sentences. Pure."""
    path = instance.folder / IN_INSTANCE
    said = [
        f"{path}:{node.line} goes before the fleet's {ours.ae}: {node.host}:{node.port} and not {ours.host}:{ours.port}"
        for ours, node in overruled(data, entries)
        if ours.ae != instance.ae_title
    ]
    return [*said, *map(str, loopbacks(instance, data, reader))]


def loopbacks(instance: Instance, data: bytes, reader: Reader) -> list[Fault]:
    """Return the user's entries with an address that means the container itself."""
    if reader is Reader.PROCESS:
        return []
    file = str(instance.folder / IN_INSTANCE)
    return [
        Fault(file, node.line, node.ae, f"{node.host} is the container itself; this machine is {GATEWAY}", fatal=False)
        for node in outside(data)
        if is_loopback(node.host) and node.ae != instance.ae_title
    ]


def add_node(node: FleetNode, instances: Sequence[Instance]) -> Edit:
    """Return the edit that adds a node. It raises `ConflictError` for an AE title that is taken, `NotFoundError`."""

    def edit(data: bytes, file: str) -> bytes:
        _require_free(node, instances)
        return added(data, node, file)

    return edit


def import_nodes(nodes: Sequence[FleetNode], instances: Sequence[Instance], refused: list[str]) -> Edit:
    """Return the edit that adds those of many that can be; why the others cannot goes into `refused`."""

    def edit(data: bytes, file: str) -> bytes:
        for node in nodes:
            try:
                data = add_node(node, instances)(data, file)
            except ConquestError as error:
                refused.append(f"line {node.line}: {error.message}")
        return data

    return edit


def remove_node(ae: str) -> Edit:
    """Return the edit that removes a node. It raises `NotFoundError` when there is none, naming those that are."""

    def edit(data: bytes, file: str) -> bytes:
        new = without(data, ae)
        if new == data:
            known = ", ".join(node.ae for node in parse_nodes(data, file)[0]) or "none"
            raise NotFoundError(f"there is no node {ae!r} in {file}", hint=f"There are: {known}.")
        return new

    return edit


def _require_free(node: FleetNode, instances: Sequence[Instance]) -> None:
    for instance in instances:
        if instance.ae_title == node.ae:
            raise ConflictError(
                f"AE title {node.ae} is taken by instance {instance.name}, which every other instance knows anyway"
            )


def read_nodes(root: Path) -> tuple[list[FleetNode], list[Fault]]:
    """Read the fleet's own nodes; none where there is no file. Raises `StorageError`."""
    return parse_nodes(read_map(root / FILE), str(root / FILE))


def read_instance_map(instance: Instance) -> bytes | None:
    """Read an instance's map; None where there is no folder for one.

    Raises `StorageError`, and `InvalidError` for a link or pipe: the server may write there, and root would follow it.
    """
    path = instance.folder / IN_INSTANCE
    if not path.parent.is_dir():
        return None
    with storage_errors(f"cannot read {path}", instance.name):
        if path.exists() and not path.is_file():
            raise InvalidError(f"{path} is no file", hint="Put it out of the way.", instance=instance.name)
        if path.resolve() != instance.mount.resolve() / IN_INSTANCE.relative_to(MOUNT):
            message = f"{path} is a link to another place, where nothing is written"
            raise InvalidError(message, hint="Put the file itself there.", instance=instance.name)
    return read_map(path)


def read_map(path: Path) -> bytes:
    """Read a map; empty when there is none. Raises `StorageError`."""
    with storage_errors(f"cannot read {path}"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""


def _write(path: Path, old: bytes, new: bytes) -> None:
    if new == old:
        return
    with storage_errors(f"cannot write {path}, it stays as it was"):
        replace_file(path, new)
