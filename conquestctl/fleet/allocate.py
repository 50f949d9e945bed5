"""Choice of ports: pure, given what is taken; and the questions to the host that say what is."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from conquestctl.engine.base import PublishedPort
from conquestctl.errors import ConflictError
from conquestctl.fleet.names import LAST_PORT

FIRST_PORT = 5678
"""Where looking for a free port begins: the port of Conquest's own documentation."""

Bound = Callable[[str, int], bool]


@dataclass(frozen=True, slots=True)
class Host:
    """The two questions about ports that the machine answers; tests ask somebody else."""

    bound: Bound
    """`bound(address, port)`: whether something listens there."""
    holder: Callable[[int], str]
    """Who listens on a port, in words; empty when that cannot be seen."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A port to be chosen for one instance: this one, or any if `port` is None."""

    instance: str
    bind: str
    port: int | None = None


def choose_ports(wishes: Sequence[Wish], taken: Mapping[int, str], host: Host) -> list[int]:
    """Return a port for each wish, in order: those asked for as asked, the others from 5678 upward.

    `taken` maps ports to their owner in words. Raises `ConflictError` naming who has a port that was asked for, and
    when there is none left.
    """
    given: dict[int, str] = {}
    for wish in wishes:
        if wish.port is not None:
            _require_free(wish, {**taken, **given}, host)
            given[wish.port] = f"{wish.instance}, made in the same command"
    free = _free_ports({*taken, *given})
    return [wish.port if wish.port is not None else _next_free(free, wish, host) for wish in wishes]


def _require_free(wish: Wish, taken: Mapping[int, str], host: Host) -> None:
    port = wish.port or 0
    owner = taken.get(port) or (_listener(port, host) if host.bound(wish.bind, port) else "")
    if owner:
        raise ConflictError(
            f"port {port} is taken by {owner}",
            hint="Leave --port out to get a free one, or choose another.",
            instance=wish.instance,
        )


def _listener(port: int, host: Host) -> str:
    return host.holder(port) or "a process that this user may not look at"


def _free_ports(taken: set[int]) -> Iterator[int]:
    return (port for port in range(FIRST_PORT, LAST_PORT + 1) if port not in taken)


def _next_free(candidates: Iterator[int], wish: Wish, host: Host) -> int:
    """Take the first candidate nobody listens on, on any address: two servers on one port confuse people."""
    for port in candidates:
        if not host.bound(wish.bind, port) and not host.bound("0.0.0.0", port):
            return port
    raise ConflictError(f"no port from {FIRST_PORT} to {LAST_PORT} is free", instance=wish.instance)


def taken_ports(claims: Iterable[tuple[int, str]], published: Iterable[PublishedPort]) -> dict[int, str]:
    """Return ports with their owner in words: instances first, because they say more than a container's name."""
    taken: dict[int, str] = {}
    for port, owner in (*claims, *((one.port, one.owner) for one in published)):
        taken.setdefault(port, owner)
    return taken


def is_bound(address: str, port: int) -> bool:
    """Whether something on this host listens there.

    An address this host does not have, or a port we may not bind, tells nothing: then it counts as free, and starting
    the instance will say more.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that is closing does not count
            probe.bind((address, port))
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def this_host() -> Host:
    """Ask the machine we run on."""
    from conquestctl.engine.holder import port_holder

    return Host(is_bound, port_holder)
