"""DICOM nodes outside the fleet that its instances know: `acrnema.map` in the fleet's own folder. Pure.

The file has the syntax of the server's. A line may end in `only=ct1,mr1`, which a server would ignore: the instances
that know this node. Comments and lines that are not understood survive every edit.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conquestctl.errors import ConflictError, InvalidError
from conquestctl.fleet.addresses import IsOwn, Reader, own_host, seen_by, sibling_host
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.maplines import FIELDS, ONLY, is_compression, line_fault, words_of
from conquestctl.fleet.names import check_ae_title, check_port
from dgate.config.amap import DEFAULT_COMPRESSION, Line, Node, end_of_entries, entry_lines
from dgate.config.faults import Fault
from dgate.config.identity import ae_title_fault

FILE = "acrnema.map"
HEAD = b"""\
# DICOM nodes outside this fleet: AE title, host, port, compression (un when left out), only=INSTANCE,... (all when
# left out). `conquestctl node add` and `node rm` edit this file; after an edit by hand: conquestctl up --all
# localhost is this machine; what a container has to write instead is found out.
"""

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_NOWHERE = {"0.0.0.0", "::"}
_LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class FleetNode:
    """One node outside the fleet."""

    ae: str
    host: str
    port: int
    compression: str = DEFAULT_COMPRESSION
    only: tuple[str, ...] = ()
    """Names of the instances that know it; empty for all."""
    line: int = 0

    def known_to(self, name: str) -> bool:
        """Whether an instance of this name is to know it."""
        return not self.only or name in self.only

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def checked_node(
    ae: str, host: str, port: str, compression: str = DEFAULT_COMPRESSION, only: Sequence[str] = ()
) -> FleetNode:
    """Return the node with every value checked. Raises `InvalidError` for the first bad one."""
    title = check_ae_title(ae)
    if "*" in title:
        raise InvalidError(
            f"AE title {title!r} is a pattern, not a node", hint="Patterns go into the acrnema.map of an instance."
        )
    if fault := ae_title_fault(title):
        raise InvalidError(f"AE title {title!r} {fault}")
    if len(host) > _LONGEST_HOST or not (_NAME.fullmatch(host) or _is_ipv6(host)):
        raise InvalidError(f"{host!r} is no host name or IP address")
    if host in _NOWHERE:
        raise InvalidError(f"{host} is an address to listen on, not one to send to", hint="This machine is localhost.")
    if not is_compression(compression):
        hint = "For example un (uncompressed), as (as stored), ul, j2 (JPEG lossless), jk (JPEG 2000)."
        raise InvalidError(f"{compression!r} is no compression code", hint=hint)
    return FleetNode(title, host, check_port(port), compression, tuple(dict.fromkeys(only)))


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


def parse_nodes(data: bytes, file: str) -> tuple[list[FleetNode], list[Fault]]:
    """Read a map; what cannot be used of it is left out and named. Of two lines with one AE title the first counts."""
    nodes: dict[str, FleetNode] = {}
    faults: list[Fault] = []
    for line in entry_lines(data):
        found = _node(data, line, file)
        if isinstance(found, Fault):
            faults.append(found)
        elif found.ae in nodes:
            faults.append(_repeated(found, nodes[found.ae], file))
        else:
            nodes[found.ae] = found
    return list(nodes.values()), faults


def _node(data: bytes, line: Line, file: str) -> FleetNode | Fault:
    fault = line_fault(data, line, file)
    if fault:
        return fault
    node, words = line.node, words_of(data, line)
    only = [word.removeprefix(ONLY) for word in words[FIELDS:] if word.startswith(ONLY)]
    names = [name for text in only for name in text.split(",") if name]
    try:
        found = checked_node(node.ae, node.host, node.port, node.compression, names)
    except InvalidError as error:
        return Fault(file, node.line, node.ae, error.message, fatal=False)
    return FleetNode(found.ae, found.host, found.port, found.compression, found.only, node.line)


def _repeated(node: FleetNode, earlier: FleetNode, file: str) -> Fault:
    message = f"not used, because line {earlier.line} has this AE title already, at {earlier.address}"
    return Fault(file, node.line, node.ae, message, fatal=False)


def added(data: bytes, node: FleetNode, file: str) -> bytes:
    """Return the file with the node in it; one that is there gets the new compression and instances.

    Raises `ConflictError` when its AE title is there with another address.
    """
    present = next((one for one in parse_nodes(data, file)[0] if one.ae == node.ae), None)
    if present is None:
        at = end_of_entries(data)
        before = b"\n" if at == len(data) and data and not data.endswith(b"\n") else b""
        return data[:at] + before + _line(node) + b"\n" + data[at:] if data else HEAD + _line(node) + b"\n"
    if (present.host, present.port) != (node.host, node.port):
        raise ConflictError(
            f"AE title {node.ae} is taken: {file}:{present.line} has it at {present.address}",
            hint=f"To change it: conquestctl node rm {node.ae}, then add it again.",
        )
    line = next(line for line in entry_lines(data) if line.node.line == present.line)
    return data[: line.fields[0][0]] + _line(node) + _cut(data, line)[line.fields[0][0] :]


def without(data: bytes, ae: str) -> bytes:
    """Return the file without the lines of an AE title; a comment on such a line stays."""
    for line in reversed([line for line in entry_lines(data) if line.node.ae == ae]):
        start = data.rfind(b"\n", 0, line.fields[0][0]) + 1
        data = _cut(data, line)
        end = data.find(b"\n", start) + 1 or len(data)
        if not data[start:end].strip():
            data = data[:start] + data[end:]
    return data


def _cut(data: bytes, line: Line) -> bytes:
    """The fields taken out, and nothing else: there may be comments between and behind them."""
    for start, end in reversed(line.fields):
        data = data[:start] + data[end:]
    return data


def _line(node: FleetNode) -> bytes:
    only = f" {ONLY}{','.join(node.only)}" if node.only else ""
    return f"{node.ae:<16} {node.host:<20} {node.port:<6} {node.compression}{only}".encode()


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Everybody an instance of the fleet may know."""

    instances: Sequence[Instance]
    nodes: Sequence[FleetNode]
    readers: Mapping[str, Reader]
    """How each instance runs, or would."""
    is_own: IsOwn

    def entries_of(self, instance: Instance) -> list[Node]:
        """Return what belongs into an instance's map: itself, its siblings, the fleet's nodes; each AE title once."""
        reader = self.readers[instance.name]
        own = Node(instance.ae_title, own_host(reader, instance), str(instance.port))
        siblings = (
            Node(one.ae_title, sibling_host(reader, one, self.readers[one.name]), str(one.port))
            for one in self.instances
            if one.name != instance.name
        )
        nodes = (
            Node(one.ae, seen_by(reader, one.host, self.is_own), str(one.port), one.compression)
            for one in self.nodes
            if one.known_to(instance.name)
        )
        entries: dict[str, Node] = {}
        for entry in (own, *siblings, *nodes):
            if not ae_title_fault(entry.ae):
                entries.setdefault(entry.ae, entry)
        return list(entries.values())

    def neighbours_of(self, instance: Instance) -> list[Node]:
        """Return the same without the instance itself."""
        return [entry for entry in self.entries_of(instance) if entry.ae != instance.ae_title]


def refusals(instances: Iterable[Instance], nodes: Iterable[FleetNode], file: str) -> list[str]:
    """Return who cannot be in a map: with a title that a map cannot hold, or called like an instance. In sentences."""
    owners = {one.ae_title: one.name for one in instances}
    sentences = [
        f"{name}: no other instance can know it, because its AE title {title!r} {fault}"
        for title, name in owners.items()
        if (fault := ae_title_fault(title))
    ]
    for node in nodes:
        if node.ae in owners:
            where = f"{file}:{node.line}"
            sentences.append(f"{where}: not used, because instance {owners[node.ae]} has the AE title {node.ae}")
    return sentences
