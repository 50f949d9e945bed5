"""Labels on what we make: Compose's own, so that its commands see our containers, and ours, which `up` goes by."""

from __future__ import annotations

from collections.abc import Mapping

from conquestctl.fleet.instance import Instance

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
NUMBER = "com.docker.compose.container-number"
VERSION = "com.docker.compose.version"
CONFIG_HASH = "com.docker.compose.config-hash"
WORKING_DIR = "com.docker.compose.project.working_dir"
CONFIG_FILES = "com.docker.compose.project.config_files"
NETWORK = "com.docker.compose.network"

INSTANCE = "org.conquestctl.instance"
FLEET = "org.conquestctl.fleet"
SPEC = "org.conquestctl.spec"
"""Hash of what the container was made from; the only thing that decides about making it anew."""
PUBLISHED = "org.conquestctl.published"
"""Host ports the container takes when it runs: the engine's list names them only while it does."""
CONTEXT = "org.conquestctl.context"
"""On our image: hash of the sources it was built from."""
BASE = "org.conquestctl.base"
"""On our image: the image it was built on, so that a rebuild takes the same."""

COMPOSE_VERSION = "1.29.2"
"""The Compose whose behaviour we follow; it reads the label back and expects a version there."""

NETWORK_KEY = "fleet"
"""The shared network's key in every compose file."""


def stack_labels(instance: Instance, service: str) -> dict[str, str]:
    """Labels of one container that do not depend on what it is made from."""
    return {
        PROJECT: instance.project,
        SERVICE: service,
        ONE_OFF: "False",
        NUMBER: "1",
        VERSION: COMPOSE_VERSION,
        WORKING_DIR: str(instance.folder),
        CONFIG_FILES: str(instance.compose_file),
        INSTANCE: instance.name,
        FLEET: instance.network,
    }


def spec_labels(spec: str) -> dict[str, str]:
    """The labels that carry the hash; Compose wants one of its own on every container that it is to list."""
    return {SPEC: spec, CONFIG_HASH: spec}


def network_labels(network: str) -> dict[str, str]:
    """Labels of the shared network. Its project is the network itself, so that no stack counts it as its own."""
    return {PROJECT: network, NETWORK: NETWORK_KEY, FLEET: network}


def own_network_labels(instance: Instance, key: str) -> dict[str, str]:
    """Labels of a network that belongs to one stack; Compose's own are those it puts there itself."""
    return {
        PROJECT: instance.project,
        NETWORK: key,
        VERSION: COMPOSE_VERSION,
        INSTANCE: instance.name,
        FLEET: instance.network,
    }


def is_one_off(labels: Mapping[str, str]) -> bool:
    """A container of `docker-compose run`: it belongs to the project and is not the service."""
    return labels.get(ONE_OFF, "False").lower() == "true"
