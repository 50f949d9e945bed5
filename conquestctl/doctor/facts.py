"""The facts `doctor` judges by, as values: what `examination` found out about Python, the engine and the fleet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from conquestctl.engine.base import PublishedPort, State
from conquestctl.engine.endpoint import Endpoint
from conquestctl.errors import ConquestError
from conquestctl.fleet.addresses import Reader
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.mountinfo import Mount
from conquestctl.fleet.nodes import FleetNode
from conquestctl.fleet.scan import Broken
from dgate.config.amap import Node
from dgate.config.faults import Fault


@dataclass(frozen=True, slots=True)
class Image:
    """An image that instances ask for, as the engine has it."""

    name: str
    present: bool
    stale: bool = False
    """Ours, built from other sources than this program has."""
    base: str = ""
    """What ours would be built on; empty for others'."""
    base_present: bool = False


@dataclass(frozen=True, slots=True)
class Docker:
    """What an engine that answers has to say."""

    version: str
    images: Sequence[Image]
    networks: Mapping[str, Sequence[IPv4Network]]
    published: Sequence[PublishedPort]


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The engine asked for, and what answers."""

    choice: str
    """`docker`, `process` or `auto`."""
    endpoint: Endpoint | None = None
    """Where Docker is looked for; None when a context that is not there was named."""
    docker: Docker | None = None
    why_not: ConquestError | None = None
    """Why `docker` is None."""
    docker_expected: bool = False
    """Somebody named this engine, or left its socket there."""
    processes_told_apart: bool = True

    @property
    def uses_docker(self) -> bool:
        """Whether instances would run as containers."""
        return self.choice == "docker" or (self.choice == "auto" and self.docker is not None)

    @property
    def is_remote(self) -> bool:
        """Whether that engine has other ports and folders than this machine."""
        return self.uses_docker and self.endpoint is not None and not self.endpoint.url.startswith("unix:")


@dataclass(frozen=True, slots=True)
class Folder:
    """Owner and rights of a folder."""

    path: Path
    uid: int
    gid: int
    mode: int
    ours: bool
    """Whether this user may write to it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder as a place to store things."""

    mount: Mount | None
    """None where the system does not say."""
    free: int
    """Bytes that may still be written there."""


@dataclass(frozen=True, slots=True)
class MapFacts:
    """An instance's `acrnema.map` and what belongs into it."""

    reader: Reader
    data: bytes
    entries: Sequence[Node]
    """What its block should hold, itself included."""
    read_by_containers: bool = False
    """Whether some instance of the fleet is a container."""


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance and what is around it."""

    instance: Instance
    state: State = State.ABSENT
    listening: ConquestError | None = None
    """Why its port cannot be listened on now."""
    file_faults: Sequence[ConquestError] = ()
    """What is wrong with its compose file and its `dicom.ini.j2`."""
    folders: Sequence[Folder] = ()
    """Those the server writes to, as far as they are there."""
    place: Place | None = None
    """Where its images and its database are."""
    map: MapFacts | None = None
    map_fault: ConquestError | None = None
    """Why its map cannot be read."""


@dataclass(frozen=True, slots=True)
class FleetFacts:
    """The folder of the fleet."""

    root: Path
    writable: bool
    """Whether this user may make something in it, or in the nearest folder above it that is there."""
    place: Place | None
    """What is there of it as a place to store things."""
    fault: ConquestError | None = None
    """Why it cannot be read."""
    instances: Sequence[InstanceFacts] = ()
    broken: Sequence[Broken] = ()
    unobserved: ConquestError | None = None
    """Why it is not known what runs."""
    elsewhere: Mapping[int, str] = field(default_factory=dict)
    """Ports that instances of this user's other fleets have, with their owner in words."""
    nodes: Sequence[FleetNode] = ()
    """Nodes outside the fleet that its instances know."""
    node_faults: Sequence[Fault] = ()
    """What is wrong with the lines of the fleet's own map."""
    unknown_hosts: Mapping[str, str] = field(default_factory=dict)
    """Hosts of these nodes that have no address here, and why."""
    distant_hosts: Collection[str] = ()
    """Those that are other machines."""
    loopback_only: Collection[int] = ()
    """Ports of these nodes on which this machine listens, but only on its loopback."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything at once."""

    python: tuple[int, int, int]
    packages: Mapping[str, str]
    """The packages that cannot be imported, and why."""
    engine: EngineFacts
    fleet: FleetFacts
    routes: Sequence[IPv4Network]
    pool: str
    """CONQUESTCTL_POOL as it is set."""
    neighbour_places: int | None = None
    """Room in the kernel's table of neighbours, where that can be asked."""
