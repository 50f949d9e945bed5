"""Finding out what `doctor` judges by. It asks, and changes nothing of what it looks at.

Whatever cannot be found out is part of the answer: a broken package, an engine that does not answer and a folder that
cannot be read each leave the other questions standing.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from conquestctl.doctor.facts import (
    Docker,
    EngineFacts,
    Facts,
    FleetFacts,
    Folder,
    Image,
    InstanceFacts,
    MapFacts,
    Place,
)
from conquestctl.doctor.neighbours import distant_hosts, loopback_only, map_facts, neighbourhood, unknown_hosts
from conquestctl.engine.base import Observed
from conquestctl.engine.endpoint import Endpoint, find_endpoint, probe
from conquestctl.engine.pidfile import process_identity
from conquestctl.engine.process import ProcessEngine, require_free
from conquestctl.errors import ConquestError, EngineError, InvalidError, StorageError
from conquestctl.fleet import subnet
from conquestctl.fleet.addresses import Reader
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.known import known_roots, state_folder
from conquestctl.fleet.maps import read_nodes
from conquestctl.fleet.mountinfo import Mount, mount_of, read_mounts
from conquestctl.fleet.nodes import FleetNode, Neighbourhood
from conquestctl.fleet.scan import Fleet, port_claims
from conquestctl.fleet.settings import DEFAULT_IMAGE
from conquestctl.neighbourtable import places
from dgate.config.faults import Fault

if TYPE_CHECKING:
    from docker import APIClient

    from conquestctl.engine.base import Engine
    from conquestctl.engine.docker import DockerEngine

PACKAGES = ("docker", "jinja2", "pydicom", "pynetdicom", "requests", "rich", "yaml")
"""What commands import when they first need it. Without typer nobody gets as far as here."""

FOR_DOCKER = frozenset(["docker", "requests", "yaml"])

WRITTEN = ("", "config", "data", "dbase", "logs")
"""Folders of `mount/` that the server writes to; the first is itself."""


def examine(root: Path, choice: str, environ: Mapping[str, str]) -> Facts:
    """Ask everything once. Raises nothing that has to do with the state of packages, engine or fleet."""
    packages = broken_packages()
    fleet, fault = _open(root, environ)
    facts, docker = _engine(choice, environ, fleet.instances(), packages)
    engine = docker if facts.uses_docker else ProcessEngine(environ)
    return Facts(
        python=sys.version_info[:3],
        packages=packages,
        engine=facts,
        fleet=_fleet(fleet, fault, facts, engine, environ),
        routes=subnet.host_routes(),
        pool=environ.get("CONQUESTCTL_POOL") or subnet.DEFAULT_POOL,
        neighbour_places=None if facts.is_remote else places(),
    )


def broken_packages(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the packages that cannot be imported, and why."""
    broken = {}
    for name in names:
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 -- a damaged package fails in its own way, and that is the answer
            broken[name] = str(error) or type(error).__name__
    return broken


def _open(root: Path, environ: Mapping[str, str]) -> tuple[Fleet, ConquestError | None]:
    try:
        return Fleet.open(root, environ), None
    except ConquestError as error:
        return Fleet(root, ()), error


def _engine(
    choice: str, environ: Mapping[str, str], instances: Sequence[Instance], packages: Mapping[str, str]
) -> tuple[EngineFacts, DockerEngine | None]:
    endpoint, engine, docker, why_not = None, None, None, None
    try:
        endpoint = find_endpoint(environ)
        probe(endpoint)
        engine = _connect(endpoint, environ, packages)
        docker = _docker(engine, instances, environ)
    except ConquestError as error:
        why_not = error
    apart = _processes_told_apart()
    return EngineFacts(choice, endpoint, docker, why_not, _expected(endpoint), apart), engine if docker else None


def _connect(endpoint: Endpoint, environ: Mapping[str, str], packages: Mapping[str, str]) -> DockerEngine:
    broken = sorted(FOR_DOCKER & packages.keys())
    if broken:
        raise EngineError(f"the Docker engine at {endpoint} cannot be used without the Python package {broken[0]}")
    from conquestctl.engine.docker import DockerEngine, connect

    return DockerEngine(connect(endpoint), environ)


def _expected(endpoint: Endpoint | None) -> bool:
    """Whether somebody named an engine, or one has left its socket here: then its silence is worth a warning."""
    if endpoint is None or endpoint.source:
        return True
    return os.path.lexists(urlsplit(endpoint.url).path)


def _processes_told_apart() -> bool:
    with suppress(EngineError):
        return process_identity(os.getpid()) is not None
    return False


def _docker(engine: DockerEngine, instances: Sequence[Instance], environ: Mapping[str, str]) -> Docker:
    from conquestctl.engine.docker_errors import translated

    client = engine.client
    with translated():
        version = str(client.version(api_version=False)["Version"])
        networks = _networks(client)
        images = _images(client, instances, environ)
    return Docker(version, images, networks, engine.published_ports())


def _networks(client: APIClient) -> dict[str, list[IPv4Network]]:
    found: dict[str, list[IPv4Network]] = {}
    for network in client.networks():
        configs = (network.get("IPAM") or {}).get("Config") or []
        subnets = subnet.parse_subnets(config["Subnet"] for config in configs if config.get("Subnet"))
        found.setdefault(network["Name"], []).extend(subnets)
    return found


def _images(client: APIClient, instances: Sequence[Instance], environ: Mapping[str, str]) -> list[Image]:
    """Those the instances ask for; the default one for a fleet that has none yet."""
    names = dict.fromkeys(instance.image for instance in instances) or [DEFAULT_IMAGE]
    return [_image(client, name, environ) for name in names]


def _image(client: APIClient, name: str, environ: Mapping[str, str]) -> Image:
    from conquestctl.engine import images
    from conquestctl.engine.image_context import DEFAULT_BASE

    present = images.exists(client, name)
    if name != DEFAULT_IMAGE:
        return Image(name, present)
    built = next((image for image in images.list_(client) if image.tag == name), None)
    base = environ.get("CONQUESTCTL_BASE") or (built.base if built else "") or DEFAULT_BASE
    stale = built is not None and not built.current
    return Image(name, present, stale, base, images.exists(client, base))


def _fleet(
    fleet: Fleet, fault: ConquestError | None, facts: EngineFacts, engine: Engine | None, environ: Mapping[str, str]
) -> FleetFacts:
    instances = fleet.instances()
    observed, unobserved = _observe(engine, instances)
    mounts = read_mounts()
    home = next(path for path in (fleet.root, *fleet.root.parents) if path.exists())
    nodes, node_faults, node_fault = _nodes(fleet.root)
    around = _neighbourhood(fleet, nodes, facts, engine, environ)
    return FleetFacts(
        root=fleet.root,
        writable=home.is_dir() and os.access(home, os.W_OK | os.X_OK),
        place=_place(home, mounts),
        fault=fault or node_fault,
        instances=[_instance(one, observed, facts, mounts, around) for one in instances],
        broken=fleet.broken(),
        unobserved=unobserved,
        elsewhere=_elsewhere(fleet.root, environ),
        nodes=nodes,
        node_faults=node_faults,
        unknown_hosts=unknown_hosts(nodes),
        distant_hosts=distant_hosts(nodes),
        loopback_only=loopback_only(node.port for node in nodes),
    )


def _nodes(root: Path) -> tuple[list[FleetNode], list[Fault], ConquestError | None]:
    try:
        return *read_nodes(root), None
    except ConquestError as error:
        return [], [], error


def _neighbourhood(
    fleet: Fleet, nodes: Sequence[FleetNode], facts: EngineFacts, engine: Engine | None, environ: Mapping[str, str]
) -> Neighbourhood:
    """Ask both engines what runs: a process is one whatever the fleet runs on otherwise."""
    processes = ProcessEngine(environ)
    engines = [processes, engine] if engine and facts.uses_docker else [processes]
    default = Reader.CONTAINER if facts.uses_docker else Reader.PROCESS
    return neighbourhood(fleet.instances(), nodes, engines, default)


def _observe(engine: Engine | None, instances: Sequence[Instance]) -> tuple[dict[str, Observed], ConquestError | None]:
    try:
        return (engine.observe(instances) if engine and instances else {}), None
    except ConquestError as error:
        return {}, error


def _elsewhere(root: Path, environ: Mapping[str, str]) -> dict[int, str]:
    """Ports of this user's other fleets. They are only a hint, so a fleet that cannot be read has none."""
    claims: dict[int, str] = {}
    with suppress(OSError):
        for other in known_roots(state_folder(environ)):
            if other != root:
                claims.update(port_claims(_open(other, environ)[0].entries))
    return claims


def _instance(
    instance: Instance,
    observed: Mapping[str, Observed],
    facts: EngineFacts,
    mounts: Sequence[Mount],
    around: Neighbourhood,
) -> InstanceFacts:
    known = map_facts(instance, around)
    return InstanceFacts(
        instance,
        observed.get(instance.name, Observed(instance.name)).state,
        None if facts.is_remote else _not_listening(instance),
        _file_faults(instance, with_compose=facts.uses_docker),
        [found for name in WRITTEN if (found := _folder(instance.mount / name)) is not None],
        _place(instance.mount / "data", mounts),
        known if isinstance(known, MapFacts) else None,
        known if isinstance(known, ConquestError) else None,
    )


def _not_listening(instance: Instance) -> ConquestError | None:
    try:
        require_free(instance)
    except ConquestError as error:
        return error
    return None


def _file_faults(instance: Instance, *, with_compose: bool) -> list[ConquestError]:
    """What is wrong with the files that only a start reads. Local processes do not read the compose file."""
    faults = []
    for check in (_check_compose, _check_template) if with_compose else (_check_template,):
        try:
            check(instance)
        except ConquestError as error:
            faults.append(error)
    return faults


def _check_compose(instance: Instance) -> None:
    """Read the compose file as `up` does. Raises `InvalidError` with file and line, `StorageError`."""
    with suppress(ImportError):  # without the YAML library, which is a finding of its own
        from conquestctl.engine.compose import read_stack

        read_stack(instance)


def _check_template(instance: Instance) -> None:
    """Render `dicom.ini.j2` as the server will. Raises `InvalidError` with file and line, `StorageError`."""
    from dgate.config.rendering import RenderError, render_dicom_ini

    path = instance.mount / "config" / "dicom.ini.j2"
    try:
        render_dicom_ini(path.read_bytes(), b"", instance.ae_title, instance.port, template_name=str(path))
    except RenderError as error:
        raise InvalidError(str(error), hint="Correct that line.", instance=instance.name) from None
    except FileNotFoundError:
        hint = "It is the template of dicom.ini: copy it from another instance."
        raise InvalidError(f"{path} is missing", hint=hint, instance=instance.name) from None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}", instance=instance.name) from None


def _folder(path: Path) -> Folder | None:
    """Return what is known of a folder; None when it is not there or lies where we may not look."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Folder(path, status.st_uid, status.st_gid, status.st_mode, os.access(path, os.W_OK | os.X_OK))


def _place(path: Path, mounts: Sequence[Mount]) -> Place | None:
    try:
        resolved = path.resolve(strict=True)
        return Place(mount_of(resolved, mounts), shutil.disk_usage(resolved).free)
    except (OSError, RuntimeError):  # not there, or links that lead in a circle
        return None
