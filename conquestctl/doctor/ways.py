"""What keeps nodes from reaching one another, as far as files and this machine show it. Pure.

What only shows on the wire (a firewall, a server that is down) is said by `echo --mesh` and `route`.
"""

from __future__ import annotations

from collections.abc import Iterator

from conquestctl.doctor.facts import Facts, InstanceFacts, MapFacts
from conquestctl.doctor.findings import Finding, fault, ok, warning
from conquestctl.fleet.addresses import GATEWAY, Reader, is_loopback
from conquestctl.fleet.amapblock import outside, with_block
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.maplines import line_fault, swallowing_comments
from conquestctl.fleet.maps import IN_INSTANCE, remarks_on
from conquestctl.fleet.nodes import FILE, FleetNode, refusals
from dgate.config.amap import AcrNemaMap, entry_lines

CHECK = "nodes"


def check_ways(facts: Facts) -> Iterator[Finding]:
    """Every map leads to everybody who should be known, under an address that is right for who reads it."""
    fleet = facts.fleet
    file = str(fleet.root / FILE)
    said = [*map(str, fleet.node_faults), *refusals([one.instance for one in fleet.instances], fleet.nodes, file)]
    found = [warning(CHECK, sentence, f"Correct that line of {file}.") for sentence in said]
    for one in fleet.instances:
        found += _instance(one)
    found += [*_local_nodes(facts), *_unknown_hosts(facts), *_unreachable_from_outside(facts)]
    yield from found
    if fleet.instances and not found:
        count = len(fleet.nodes)
        outer = f", and {count} node{'s' * (count != 1)} outside the fleet" if count else ""
        yield ok(CHECK, f"every map has all other instances{outer}", "Whether they answer: conquestctl echo --mesh")


def _instance(one: InstanceFacts) -> Iterator[Finding]:
    if one.map_fault:
        yield fault(CHECK, one.map_fault)
    if one.map is None:
        return
    instance, known = one.instance, one.map
    if with_block(known.data, known.entries) != known.data:
        yield warning(CHECK, _outdated(instance, known), f"conquestctl up {instance.name}", instance.name)
    hint = f"Correct that line of {instance.folder / IN_INSTANCE}."
    sentences = [*remarks_on(instance, known.data, known.entries, known.reader), *_lines(instance, known)]
    yield from (warning(CHECK, sentence, hint, instance.name) for sentence in sentences)
    if known.reader is Reader.PROCESS and known.read_by_containers and is_loopback(instance.bind):
        what = f"{instance.name} listens on {instance.bind} of this machine: the fleet's containers cannot reach it"
        yield warning(CHECK, what, f"conquestctl set {instance.name} BIND=0.0.0.0", instance.name)


def _outdated(instance: Instance, known: MapFacts) -> str:
    amap = AcrNemaMap.parse(known.data)
    missing = [entry.ae for entry in known.entries if amap.find(entry.ae) is None]
    what = f"{', '.join(missing)} missing" if missing else "another address, or somebody who is gone"
    return f"the map of {instance.name} is not up to date: {what}"


def _lines(instance: Instance, known: MapFacts) -> Iterator[str]:
    """What is wrong with single lines that are the user's own."""
    file = str(instance.folder / IN_INSTANCE)
    theirs = {node.line: node for node in outside(known.data)}
    for line in entry_lines(known.data):
        found = line_fault(known.data, line, file) if line.node.line in theirs else None
        if found:
            yield str(found)
    yield from map(str, swallowing_comments(known.data, file))
    titles = {entry.ae.lower(): entry.ae for entry in known.entries}
    for node in theirs.values():
        title = titles.get(node.ae.lower(), node.ae)
        if title != node.ae:
            yield f"{file}:{node.line}: {node.ae} is called {title}: in AE titles capital and small letters differ"


def _local_nodes(facts: Facts) -> Iterator[Finding]:
    """A server on this machine's loopback is out of reach for containers."""
    for node in facts.fleet.nodes:
        if node.port in facts.fleet.loopback_only and _known_as_gateway(facts, node):
            what = f"{node.ae} listens on 127.0.0.1:{node.port} only: containers do not reach it there"
            yield warning(CHECK, what, "Have it listen on 0.0.0.0, or on the address of Docker's bridge.")


def _known_as_gateway(facts: Facts, node: FleetNode) -> bool:
    maps = [one.map for one in facts.fleet.instances if one.map]
    return any(entry.ae == node.ae and entry.host == GATEWAY for known in maps for entry in known.entries)


def _unknown_hosts(facts: Facts) -> Iterator[Finding]:
    for node in facts.fleet.nodes:
        why = facts.fleet.unknown_hosts.get(node.host)
        if why:
            what = f"the host {node.host} of {node.ae} is not known here: {why}"
            yield warning(CHECK, what, f"Use its IP address: conquestctl node rm {node.ae}, then node add.")


def _unreachable_from_outside(facts: Facts) -> Iterator[Finding]:
    """They can send to another machine, which cannot answer: a C-MOVE from there, say, never comes back to them."""
    distant = [node for node in facts.fleet.nodes if node.host in facts.fleet.distant_hosts]
    inner = [one.instance for one in facts.fleet.instances if is_loopback(one.instance.bind)]
    for instance in inner:
        known = [node.ae for node in distant if node.known_to(instance.name)]
        if known:
            what = f"{instance.name} is published on {instance.bind} only: {', '.join(known)} cannot reach it"
            hint = f"If it has to: conquestctl set {instance.name} BIND=0.0.0.0"
            yield warning(CHECK, what, hint, instance.name)
