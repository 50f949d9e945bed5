"""What a fleet is called in Docker, and its subnet: chosen with its first instance, then taken from a sibling."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conquestctl.fleet.scan import Fleet
from conquestctl.fleet.settings import KEYS


@dataclass(frozen=True, slots=True)
class Identity:
    """Names shared by the instances of a fleet."""

    network: str
    """`conquest-<fleet id>`, also the beginning of every project name."""
    subnet: str

    def project(self, name: str) -> str:
        """COMPOSE_PROJECT_NAME of an instance."""
        return f"{self.network}-{name}"


def identity_of(fleet: Fleet, others: Iterable[Fleet], new_subnet: Callable[[Collection[str]], str]) -> Identity:
    """Return what the first usable sibling says, so that a moved fleet keeps its names; else a new identity.

    `new_subnet(used)` chooses a subnet, given those of this user's other fleets.
    """
    for settings in all_settings(fleet):
        if all(key in settings for key in ("FLEET_NETWORK", "FLEET_SUBNET")):
            return Identity(settings["FLEET_NETWORK"], KEYS["FLEET_SUBNET"].check(settings["FLEET_SUBNET"]))
    known = [settings for other in others for settings in all_settings(other)]
    network = new_network(fleet.root, {settings.get("FLEET_NETWORK", "") for settings in known})
    return Identity(network, new_subnet(subnets_of(known)))


def subnets_of(known: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the subnets that these `.env` files speak of, of fleets and of databases."""
    return {settings.get(key, "") for settings in known for key in ("FLEET_SUBNET", "DATABASE_SUBNET")}


def new_network(root: Path, used: Collection[str]) -> str:
    """Name a fleet by the hash of its path; a fleet that was moved away from there may still have that name."""
    for attempt in range(len(used) + 1):
        text = str(root.resolve()) + (f"#{attempt}" if attempt else "")
        network = f"conquest-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"
        if network not in used:
            return network
    raise AssertionError("more names than there are fleets cannot all be used")


def all_settings(fleet: Fleet) -> list[Mapping[str, str]]:
    """Return the `.env` of every instance, also of broken ones: their port and names are not free either."""
    return [entry.settings for entry in fleet.entries]
