"""Whether the parts of a compose file fit together: names that refer to something, networks, the order of services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from conquestctl.engine.composefield import Field
from conquestctl.engine.composetop import RUNS_IT
from conquestctl.fleet.instance import HOST_NETWORK

if TYPE_CHECKING:
    from conquestctl.engine.compose import ComposeStack, Service


def check_somebody_is_there(services: Mapping[str, Service], entry: Field, values: Mapping[str, str]) -> None:
    """Raise `InvalidError` where `.env` names the machine's network and the file does not; `values` is `.env`."""
    if values.get("NETWORK") == HOST_NETWORK and not any(service.network_mode for service in services.values()):
        raise entry.error(f".env says NETWORK={HOST_NETWORK}, and no service has `network_mode: {HOST_NETWORK}`")


def check_references(service: Service, entry: Field, stack: ComposeStack) -> None:
    """Raise `InvalidError` for a name that nothing in the file has, and for a service that nobody could reach."""
    parts = entry.items()
    for key in service.networks:
        if key not in stack.networks:
            raise parts["networks"].error(f"there is no network `{key}` in this file")
    for name in service.depends_on:
        if name not in stack.services:
            raise parts["depends_on"].error(f"there is no service `{name}` in this file")
    for secret in service.secrets:
        if secret.source not in stack.secrets:
            raise parts["secrets"].error(f"there is no secret `{secret.source}` in this file")
    if not service.networks and not service.network_mode:
        hint = "Name the fleet's network under `networks:`, as in the files that conquestctl creates. " + RUNS_IT
        raise entry.error("the service is in no network", hint=hint)


def check_host_network(service: Service, entry: Field, values: Mapping[str, str]) -> None:
    """One in the machine's network publishes nothing, and `.env` says it too: maps are made from `.env` alone."""
    if not service.network_mode:
        return
    parts = entry.items()
    for key in ("networks", "ports"):
        if key in parts:
            raise parts[key].error(f"with `network_mode: {HOST_NETWORK}` there can be no `{key}`")
    if values.get("NETWORK") != HOST_NETWORK:
        why = f"`network_mode: {HOST_NETWORK}` needs the line NETWORK={HOST_NETWORK} in .env, or maps would be wrong"
        raise parts["network_mode"].error(why)


def refuse_circle(services: Mapping[str, Service], entry: Field) -> None:
    """Take away services whose needs are met until none is left; what stays is a circle."""
    left = {name: set(service.depends_on) for name, service in services.items()}
    while ready := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in ready:
            del left[name]
    if left:
        raise entry.error(f"these services wait for one another: {', '.join(sorted(left))}")
