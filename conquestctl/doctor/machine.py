"""What a machine needs to run instances: Python, packages, an engine, an image, a network. Pure, as `doctor` is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from conquestctl.doctor.facts import EngineFacts, Facts, Image
from conquestctl.doctor.findings import Finding, fault, ok, problem, warning
from conquestctl.errors import ConquestError, ExitStatus
from conquestctl.fleet import subnet
from conquestctl.neighbourtable import MORE_ROOM, shortage

OLDEST_PYTHON = (3, 11)


def check_python(facts: Facts) -> Iterator[Finding]:
    """The interpreter is not older than what we are written for."""
    version = "Python {}.{}.{}".format(*facts.python)
    if facts.python >= OLDEST_PYTHON:
        yield ok("python", version)
        return
    oldest = "{}.{}".format(*OLDEST_PYTHON)
    hint = f"Install Python {oldest} or newer, and conquestctl into a virtual environment of it."
    yield problem("python", ExitStatus.FAILURE, f"{version} is too old", hint)


def check_packages(facts: Facts) -> Iterator[Finding]:
    """Everything that commands import later can be imported."""
    for name, why in facts.packages.items():
        what = f"the Python package {name} cannot be imported: {why}"
        hint = "Install conquestctl again: python -m pip install --force-reinstall conquestctl"
        yield problem("packages", ExitStatus.FAILURE, what, hint)
    if not facts.packages:
        yield ok("packages", "all can be imported")


def check_engine(facts: Facts) -> Iterator[Finding]:
    """Something to run instances on."""
    engine = facts.engine
    yield _which_engine(engine)
    if engine.is_remote and engine.docker:
        what = f"the engine at {engine.endpoint} is another machine's: it mounts folders and publishes ports there"
        yield warning("engine", what, f"It needs {facts.fleet.root} under the same path.")
    if not engine.uses_docker and not engine.processes_told_apart:
        what = "cannot tell which local processes run: neither /proc nor ps shows this one"
        yield problem("engine", ExitStatus.ENGINE, what, "Install procps.")
    if facts.fleet.unobserved:
        yield fault("engine", facts.fleet.unobserved)


def _which_engine(engine: EngineFacts) -> Finding:
    if engine.choice == "process":
        other = "the Docker engine" if engine.docker else "the same"
        return ok("engine", f"local processes, as asked; auto would take {other}")
    if engine.docker:
        asked = "auto takes" if engine.choice == "auto" else "as asked,"
        return ok("engine", f"{asked} the Docker engine {engine.docker.version} at {engine.endpoint}")
    why = engine.why_not.message if engine.why_not else "no Docker engine answers"
    hint = engine.why_not.hint if engine.why_not else ""
    if engine.choice == "docker":
        return problem("engine", ExitStatus.ENGINE, why, hint)
    what = f"auto takes local processes: {why}"
    return warning("engine", what, hint) if engine.docker_expected else ok("engine", what)


def check_images(facts: Facts) -> Iterator[Finding]:
    """Every image that is asked for is on the engine, or can be made without fetching anything unasked."""
    if facts.engine.docker and facts.engine.uses_docker:
        yield from map(_image, facts.engine.docker.images)


def _image(image: Image) -> Finding:
    if image.present and not image.stale:
        return ok("image", f"{image.name} is there")
    if not image.base:
        hint = f"Fetch it: docker pull {image.name} - or bring it in: conquestctl image load FILE"
        what = f"{image.name} is not on this engine"
        return problem("image", ExitStatus.NOT_FOUND, what, hint)
    what = f"{image.name} was built from other sources than these" if image.present else f"{image.name} is not built"
    if not image.base_present:
        what = f"{what}, and its base {image.base} is not there to build it on"
        hint = "Fetch and build: conquestctl image build - or without network: conquestctl image load FILE"
        return problem("image", ExitStatus.NOT_FOUND, what, hint)
    what = f"{what}; its base {image.base} is there, so `up` builds it"
    hint = "To have it done: conquestctl image build. It needs a network if the base has no python3."
    return warning("image", what, hint)


def check_network(facts: Facts) -> Iterator[Finding]:
    """The fleet's network is there, or there is a subnet for it that hides nothing this host talks to."""
    docker = facts.engine.docker
    if not facts.fleet.instances:
        yield _pool(facts, [one for subnets in (docker.networks if docker else {}).values() for one in subnets])
    elif docker and facts.engine.uses_docker:
        wanted = {one.instance.network: one.instance.settings.get("FLEET_SUBNET", "") for one in facts.fleet.instances}
        for name, asked in wanted.items():
            yield _network(name, asked, facts)
        yield from _neighbours(facts)


def _neighbours(facts: Facts) -> Iterator[Finding]:
    """The more containers, the more pairs of them that may talk at once."""
    room, count = facts.neighbour_places, len(facts.fleet.instances)
    what = shortage(count, count, room) if room is not None else ""
    if what:
        yield warning("network", what, f"More room: {MORE_ROOM} - and in a file in /etc/sysctl.d to keep it.")


def _pool(facts: Facts, taken: Sequence[IPv4Network]) -> Finding:
    try:
        free = subnet.choose_subnet(subnet.parse_pool(facts.pool), [*facts.routes, *taken])
    except ConquestError as error:
        return fault("network", error)
    return ok("network", f"{free} of the pool {facts.pool} is free for a new fleet")


def _network(name: str, asked: str, facts: Facts) -> Finding:
    from conquestctl.engine.networks import Wanted, choose_subnet

    networks = facts.engine.docker.networks if facts.engine.docker else {}
    if name in networks:
        subnets, what = list(networks[name]), f"{name} is there"
    else:
        taken = [one for subnets in networks.values() for one in subnets]
        try:
            subnets = [choose_subnet(Wanted(name, asked, facts.pool), taken)]
        except ConquestError as error:
            return fault("network", error)
        what = f"{name} is not there yet, `up` makes it"
    what = f"{what} with {', '.join(map(str, subnets)) or 'no subnet'}"
    routes = [] if facts.engine.is_remote else hidden_routes(subnets, facts.routes)
    if not routes:
        return ok("network", what)
    what = f"{what}, which overlaps the route of this host to {', '.join(map(str, routes))}"
    hint = f"To reach what is behind it: conquestctl down --all, docker network rm {name}, FLEET_SUBNET in every .env."
    return warning("network", what, hint)


def hidden_routes(subnets: Sequence[IPv4Network], routes: Sequence[IPv4Network]) -> list[IPv4Network]:
    """Return the routes that overlap one of the subnets; the route to the network's own bridge is no stranger."""
    return [route for route in routes if route not in subnets and any(route.overlaps(one) for one in subnets)]
