"""The one bridge that a fleet shares: made once, whoever asks for it and however many at the same time.

The engine itself allows several networks of the same name and checks for it in a way that eight threads get past, so
the making happens under a lock on the fleet's folder. It also has room for about thirty networks in its own address
pools; ours gets a subnet of its own instead.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from conquestctl.engine import labels
from conquestctl.engine.docker_errors import from_api, reason, translated
from conquestctl.errors import InvalidError, StorageError
from conquestctl.fleet import subnet as subnets
from conquestctl.fleet.hold import NO_LOCKS_HERE

if TYPE_CHECKING:
    from docker import APIClient


@dataclass(frozen=True, slots=True)
class Wanted:
    """A network to be there: its name, the subnet asked for in `.env` (may be empty), and the pool to fall back on."""

    name: str
    subnet: str
    pool: str = subnets.DEFAULT_POOL


def ensure(client: APIClient, wanted: Wanted, fleet_root: Path) -> None:
    """Make the network unless it is there.

    A subnet that another network has already, or that would hide what this machine has a route to, is not insisted on,
    because no address is ever written down: the next free one of the pool serves as well. Raises `ConflictError` when
    the pool is used up, `InvalidError` for a subnet or pool that is none.
    """
    with translated():
        if _named(client, wanted.name):
            return
        with _locked(fleet_root):
            if not _named(client, wanted.name):
                _create(client, wanted)


def remove(client: APIClient, name: str) -> None:
    """Remove the network; absent is not an error. Raises `EngineError` while a container is in it."""
    with translated():
        for network in _named(client, name):
            with suppress(NotFound):  # somebody else was faster
                client.remove_network(network["Id"])


def choose_subnet(wanted: Wanted, taken: Sequence[IPv4Network]) -> IPv4Network:
    """The subnet asked for when nobody has it, else the first free one of the pool. Raises as `ensure`."""
    if wanted.subnet:
        asked = _asked(wanted.subnet)
        if not any(asked.overlaps(other) for other in taken):
            return asked
    return subnets.choose_subnet(subnets.parse_pool(wanted.pool), taken)


def _asked(text: str) -> IPv4Network:
    try:
        return IPv4Network(text.strip())
    except ValueError as error:
        raise InvalidError(f"FLEET_SUBNET is not a subnet: {error}", hint="It looks like 10.213.0.0/22.") from None


def _create(client: APIClient, wanted: Wanted) -> None:
    """Make it; when the engine knows of an overlap that its list did not show (a host route), try the next one."""
    taken = [*subnets_of(client), *subnets.host_routes()]
    while True:
        chosen = choose_subnet(wanted, taken)
        try:
            made = client.create_network(
                wanted.name,
                driver="bridge",
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(chosen))]),
                check_duplicate=True,
                labels=labels.network_labels(wanted.name),
            )
        except APIError as error:
            if "overlap" not in reason(error).lower():
                if error.status_code == 409 and _named(client, wanted.name):
                    return  # made from another machine in the same moment
                raise from_api(error, None) from error
            taken = [*taken, chosen]
        else:
            _settle(client, wanted.name, made["Id"])
            return


def _settle(client: APIClient, name: str, ours: str) -> None:
    """Two machines without a common lock may both have made it: the older one stays, and both agree which that is."""
    found = sorted(_named(client, name), key=lambda network: (network["Created"], network["Id"]))
    if len(found) > 1 and found[0]["Id"] != ours:
        client.remove_network(ours)


def _named(client: APIClient, name: str) -> list[dict[str, str]]:
    return [network for network in client.networks(names=[name]) if network["Name"] == name]


def subnets_of(client: APIClient) -> list[IPv4Network]:
    """The subnets of every network on the engine."""
    configs = [config for network in client.networks() for config in (network.get("IPAM") or {}).get("Config") or []]
    return subnets.parse_subnets(config["Subnet"] for config in configs if config.get("Subnet"))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock on the folder itself: no file to leave behind, and reading rights are enough."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror}") from None
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    """Where a network file system cannot lock, `_settle` alone is what keeps it one network."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            raise StorageError(f"{folder}: cannot lock it: {error.strerror}") from None
