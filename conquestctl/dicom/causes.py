"""Why one node does not reach another, as far as it can be guessed from the layer at fault; and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from conquestctl.dicom.look import Look
from conquestctl.dicom.verdict import Layer
from conquestctl.fleet.addresses import GATEWAY, Reader, is_loopback
from conquestctl.fleet.instance import Instance
from conquestctl.neighbourtable import MORE_ROOM
from dgate.config.amap import Node

CALLING_UNKNOWN, CALLED_UNKNOWN = (1, 3), (1, 7)
"""Source and reason of a rejection (PS3.8 table 9-21)."""


@dataclass(frozen=True, slots=True)
class Way:
    """From an instance to a node it should reach."""

    source: Instance
    reader: Reader
    """How the source runs."""
    wanted: Node
    """The entry that its map should have."""
    sibling: Instance | None = None
    """The instance at the other end, if it is one."""


def cause(way: Way, look: Look) -> str:
    """Return the usual cause of a failure and its cure in a sentence or two; empty when nothing is known."""
    layer, _ = look.verdict()
    if not layer:
        return ""
    return _of_entry(way, look) or _of_network(way, look, layer) or _of_association(way, look, layer)


def _of_entry(way: Way, look: Look) -> str:
    """The map leads somewhere else than it should."""
    name, entry = way.source.name, look.entry
    if entry is None or entry.port_number is None:
        return f"Have the fleet's entries written: conquestctl up {name}"
    if way.reader is Reader.CONTAINER and is_loopback(entry.host):
        return f"{entry.host} is the container itself: in line {entry.line} of its map this machine is {GATEWAY}."
    if (entry.host, entry.port) != (way.wanted.host, way.wanted.port):
        theirs = f"{way.wanted.host}:{way.wanted.port}"
        return f"Line {entry.line} of its map is not the fleet's, which would be {theirs}: take it out, or correct it."
    return ""


def _of_network(way: Way, look: Look, layer: str) -> str:
    """TCP was not connected."""
    if look.connected:
        return ""
    if way.sibling is not None:
        return _of_sibling(way.wanted, way.sibling, layer)
    entry = way.wanted
    if layer == Layer.NAME:
        return f"No name server that it asks knows {entry.host}: use the IP address."
    if layer == Layer.REFUSED and entry.host == GATEWAY:
        return (
            f"On this machine nothing listens on port {entry.port} where containers reach it. "
            "A server on 127.0.0.1 only has to listen on 0.0.0.0."
        )
    if layer == Layer.REFUSED:
        elsewhere = "" if is_loopback(entry.host) else ", and on more than its own 127.0.0.1"
        return f"Is its server running, on that port{elsewhere}?"
    return f"A firewall in between drops it, or {entry.host} is not its address."


def _of_sibling(entry: Node, sibling: Instance, layer: str) -> str:
    if layer == Layer.REFUSED and entry.host == GATEWAY:
        cure = f"conquestctl set {sibling.name} BIND=0.0.0.0"
        return f"It is a local process on {sibling.bind}; from a container it is reached with: {cure}"
    if layer in (Layer.NAME, Layer.REFUSED):
        return f"Is it running? conquestctl up {sibling.name}"
    full = f"With many containers that talk at once the kernel's table of neighbours may be full: {MORE_ROOM}"
    return f"Is it well? conquestctl status {sibling.name} - {full}"


def _of_association(way: Way, look: Look, layer: str) -> str:
    """TCP was connected."""
    facts = look.facts
    if layer == Layer.REJECTED and facts.rejected:
        if facts.rejected[1:] == CALLED_UNKNOWN:
            return f"It is called otherwise than {facts.called}: capital and small letters count."
        if facts.rejected[1:] == CALLING_UNKNOWN:
            return f"Its own list lacks {facts.calling}: add AE title, address and port {way.source.port} there."
        return ""
    if layer == Layer.NOT_DICOM:
        return "Another kind of server has this port."
    if layer == Layer.ABORTED and not facts.accepted:
        return "Nothing is behind the port (yet), or it wants TLS, or does not take connections from here."
    return ""
