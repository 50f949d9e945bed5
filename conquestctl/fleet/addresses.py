"""Under which host name or address who reaches whom. Pure, but for one question to this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from enum import StrEnum

from conquestctl.fleet.instance import Instance

GATEWAY = "host.docker.internal"
"""The machine itself as containers see it; the compose file maps it with `host-gateway`."""
LOOPBACK = "127.0.0.1"
LOCALHOST = frozenset(["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"])

IsOwn = Callable[[str], bool]
"""Whether a host name or address is this machine's own."""


class Reader(StrEnum):
    """Who reads a map: the same words mean another machine inside a container."""

    CONTAINER = "container"
    PROCESS = "process"


def is_loopback(host: str) -> bool:
    """Whether a host means whoever asks: `localhost`, `127.0.0.0/8`, `::1`."""
    if host.lower().rstrip(".") in LOCALHOST:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def seen_by(reader: Reader, host: str, is_own: IsOwn) -> str:
    """Return the host of a node outside the fleet as `reader` has to write it; other machines' stay as given."""
    if host.lower() == GATEWAY or is_loopback(host) or is_own(host):
        return GATEWAY if reader is Reader.CONTAINER else LOOPBACK
    return host


def sibling_host(reader: Reader, sibling: Instance, runs_as: Reader) -> str:
    """Return the host of another instance of the fleet: its service name between containers.

    A process reaches it where it is published or listens; a container reaches a process through the machine.
    """
    if reader is Reader.PROCESS:
        return sibling.host
    return sibling.name if runs_as is Reader.CONTAINER else GATEWAY


def own_host(reader: Reader, instance: Instance) -> str:
    """Return the host of the server's own entry, which only it uses, as `dgate.start` writes it."""
    return LOOPBACK if reader is Reader.CONTAINER or instance.bind in {"0.0.0.0", "::"} else instance.bind


def is_own_host(host: str) -> bool:
    """Whether this machine has the address, or is called so. No name server is asked."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        names = {socket.gethostname().lower()}
        return host.lower().rstrip(".") in names
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
