"""Networks that belong to one stack: made before its containers, gone after them. Never the one the fleet shares."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from conquestctl.engine import labels
from conquestctl.engine.composetop import Network
from conquestctl.engine.docker_errors import from_api, reason, translated
from conquestctl.engine.networks import subnets_of
from conquestctl.errors import ConflictError
from conquestctl.fleet import subnet
from conquestctl.fleet.instance import Instance

if TYPE_CHECKING:
    from docker import APIClient


def ensure(client: APIClient, instance: Instance, wanted: Iterable[Network], pool: str) -> None:
    """Make those that are not there.

    Their subnets stand in a file, so another is not just taken: raises `ConflictError` for one that something else has,
    with a free one of the `pool` as the hint.
    """
    for network in dict.fromkeys(wanted):
        with translated(instance.name):
            if not any(one["Name"] == network.name for one in client.networks(names=[network.name])):
                _create(client, instance, network, pool)


def remove(client: APIClient, instance: Instance) -> None:
    """Remove what carries the stack's own label, which the fleet's network does not. Absent is not an error."""
    with translated(instance.name):
        for network in client.networks(filters={"label": [f"{labels.PROJECT}={instance.project}"]}):
            with suppress(NotFound):  # somebody else was faster
                client.remove_network(network["Id"])


def _create(client: APIClient, instance: Instance, network: Network, pool: str) -> None:
    if any(IPv4Network(network.subnet).overlaps(route) for route in subnet.host_routes()):
        raise _taken(client, instance, network, pool)
    try:
        client.create_network(
            network.name,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=network.subnet)]),
            check_duplicate=True,
            internal=network.internal,
            labels=labels.own_network_labels(instance, network.key),
        )
    except APIError as error:
        if "overlap" not in reason(error).lower():
            raise from_api(error, instance.name) from error
        raise _taken(client, instance, network, pool) from error


def _taken(client: APIClient, instance: Instance, network: Network, pool: str) -> ConflictError:
    return ConflictError(
        f"the subnet {network.subnet} of the network {network.name} is taken by another network or a route",
        hint=_way_out(client, instance, network, pool),
        instance=instance.name,
    )


def _way_out(client: APIClient, instance: Instance, network: Network, pool: str) -> str:
    if network.subnet != instance.settings.get("DATABASE_SUBNET"):
        return f"Choose another in {instance.compose_file}."
    taken = [*subnets_of(client), *subnet.host_routes()]
    free = subnet.choose_small(subnet.parse_pool(pool), taken)
    return f"This one is free: conquestctl set {instance.name} DATABASE_SUBNET={free}"
