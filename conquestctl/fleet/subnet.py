"""Choice of the subnet of a fleet's network.

Docker's own address pools are used up after about thirty networks, and it does not look at a VPN's routes. So each
fleet gets a small subnet of a pool that is ours, free of everything this host already has a route to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from conquestctl.errors import ConflictError, InvalidError

DEFAULT_POOL = "10.213.0.0/16"
PREFIX = 22
"""1021 instances: more than one machine runs."""

SMALL_PREFIX = 29
"""Six addresses: the bridge's own, the server's, the database's."""

_OTHER_POOLS = ("172.29.0.0/16", "192.168.240.0/20", "100.100.0.0/16")
"""Private ranges to propose when the pool is used up."""

ROUTES = Path("/proc/net/route")


def parse_pool(text: str) -> IPv4Network:
    """Return the pool in CONQUESTCTL_POOL. Raises `InvalidError`."""
    try:
        pool = IPv4Network(text.strip())
    except ValueError as error:
        raise InvalidError(f"CONQUESTCTL_POOL: {error}", hint=f"It looks like {DEFAULT_POOL}.") from None
    if pool.prefixlen > 29:
        raise InvalidError(f"CONQUESTCTL_POOL: {pool} has too few addresses", hint="Use a /29 or larger, better a /16.")
    return pool


def choose_subnet(pool: IPv4Network, taken: Sequence[IPv4Network]) -> IPv4Network:
    """Return the first subnet of the pool that overlaps nothing taken. Raises `ConflictError` with another pool."""
    subnet = _first_free(pool, taken)
    if subnet is None:
        others = (other for other in _OTHER_POOLS if _first_free(IPv4Network(other), taken))
        proposal = next(others, "A.B.C.0/22")
        raise ConflictError(
            f"no subnet of {pool} is free for the fleet's network: routes or other networks cover it",
            hint=f"Set CONQUESTCTL_POOL to a range that is free here, for example: export CONQUESTCTL_POOL={proposal}",
        )
    return subnet


def choose_small(pool: IPv4Network, taken: Sequence[IPv4Network]) -> IPv4Network:
    """Return the last free subnet of the pool for one stack and its database. Raises `ConflictError`.

    From the end, so that those of the fleets, taken from the beginning, stay whole.
    """
    first, step = int(pool.network_address), 1 << (32 - SMALL_PREFIX)
    start = int(pool.broadcast_address) + 1 - step
    while start >= first:
        candidate = IPv4Network((start, SMALL_PREFIX))
        blocking = next((other for other in taken if candidate.overlaps(other)), None)
        if blocking is None:
            return candidate
        start = min(start, int(blocking.network_address)) - step
    raise ConflictError(
        f"no subnet of {pool} is free for a database: routes or other networks cover it",
        hint="Set CONQUESTCTL_POOL to a range that is free here, for example: export CONQUESTCTL_POOL=172.29.0.0/16",
    )


def _first_free(pool: IPv4Network, taken: Sequence[IPv4Network]) -> IPv4Network | None:
    candidates = pool.subnets(new_prefix=max(PREFIX, pool.prefixlen))
    return next((one for one in candidates if not any(one.overlaps(other) for other in taken)), None)


def parse_routes(table: str) -> list[IPv4Network]:
    """Return the destinations of a `/proc/net/route` table; the default route covers everything and says nothing."""
    networks = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[7] != "00000000":
            networks.append(IPv4Network((_address(fields[1]), int(fields[7], 16).bit_count()), strict=False))
    return networks


def _address(hexadecimal: str) -> bytes:
    """Turn the kernel's host-order number into the address it stands for."""
    return struct.pack("=I", int(hexadecimal, 16))


def host_routes(path: Path = ROUTES) -> list[IPv4Network]:
    """Return what this host has routes to; nothing on systems that do not say it this way."""
    try:
        return parse_routes(path.read_text(encoding="ascii"))
    except OSError:
        return []


def parse_subnets(texts: Iterable[str]) -> list[IPv4Network]:
    """Return those texts that are IPv4 networks; others cannot overlap with ours."""
    networks = []
    for text in texts:
        try:
            networks.append(IPv4Network(text, strict=False))
        except ValueError:
            continue
    return networks
