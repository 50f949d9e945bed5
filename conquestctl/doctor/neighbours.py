"""Finding out what `doctor` judges maps and nodes by. It asks, and changes nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from conquestctl.doctor.facts import MapFacts
from conquestctl.engine.base import Engine
from conquestctl.engine.holder import LISTEN
from conquestctl.engine.pidfile import PROC
from conquestctl.errors import ConquestError
from conquestctl.fleet.addresses import GATEWAY, Reader, is_loopback, is_own_host
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.maps import read_instance_map
from conquestctl.fleet.nodes import FleetNode, Neighbourhood
from conquestctl.readers import readers_on

ASKED_AT_ONCE = 16
LOOPBACK_V6 = "00000000000000000000000001000000"
"""`::1` as `/proc/net/tcp6` writes it."""


def neighbourhood(
    instances: Sequence[Instance], nodes: Sequence[FleetNode], engines: Sequence[Engine], default: Reader
) -> Neighbourhood:
    """Return who should know whom, by how each instance runs or would run."""
    return Neighbourhood(instances, nodes, readers_on(engines, default)(instances), is_own_host)


def map_facts(instance: Instance, around: Neighbourhood) -> MapFacts | ConquestError | None:
    """Return an instance's map and what belongs into it; None where there is no folder for it."""
    try:
        data = read_instance_map(instance)
    except ConquestError as error:
        return error
    if data is None:
        return None
    containers = Reader.CONTAINER in around.readers.values()
    return MapFacts(around.readers[instance.name], data, around.entries_of(instance), containers)


def unknown_hosts(nodes: Iterable[FleetNode]) -> dict[str, str]:
    """Return the hosts that have no address here, and the resolver's words. `host.docker.internal` is made up."""
    hosts = [host for host in dict.fromkeys(node.host for node in nodes) if host.lower() != GATEWAY]
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        answers = pool.map(_unresolved, hosts)
        return {host: why for host, why in zip(hosts, answers, strict=True) if why}


def _unresolved(host: str) -> str:
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def distant_hosts(nodes: Iterable[FleetNode]) -> set[str]:
    """Return the hosts that are not this machine."""
    here = {GATEWAY}
    hosts = {node.host for node in nodes}
    return {host for host in hosts if host.lower() not in here and not is_loopback(host) and not is_own_host(host)}


def loopback_only(ports: Iterable[int]) -> set[int]:
    """Return those of the ports on which this machine listens, but on its loopback alone."""
    tables = []
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            tables.append((PROC / "net" / name).read_text(encoding="ascii"))
    found = listening(tables)
    return {port for port in ports if found.get(port) and all(map(_is_loopback, found[port]))}


def listening(tables: Iterable[str]) -> Mapping[int, set[str]]:
    """Return the addresses listened on, in the kernel's spelling, by port: from texts like `/proc/net/tcp`."""
    found: dict[int, set[str]] = {}
    for line in (line for table in tables for line in table.splitlines()[1:]):
        fields = line.split()
        if len(fields) > 3 and fields[3] == LISTEN:
            address, _, port = fields[1].rpartition(":")
            found.setdefault(int(port, 16), set()).add(address)
    return found


def _is_loopback(address: str) -> bool:
    """IPv4 is a number in this machine's byte order, its first byte last on all machines that run Docker."""
    return address == LOOPBACK_V6 or (len(address) == 8 and address.endswith("7F"))
