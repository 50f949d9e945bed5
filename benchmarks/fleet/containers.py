"""What needs a Docker engine: twenty instances against bare calls and docker-compose, and sixty at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from benchmarks.fleet.commands import compose
from benchmarks.fleet.figures import Figure, Line, Missing, Samples, interleaved, median, ratio
from benchmarks.fleet.place import FailedError, Place, temporary_place
from conquestctl.engine import images
from conquestctl.engine.docker import DockerEngine
from conquestctl.engine.select import docker_engine
from conquestctl.errors import EngineError
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.settings import DEFAULT_IMAGE

MANY, SIXTY = 20, 60
THREADS = 8
BARE_BAR, COMPOSE_BAR, ECHO_BAR, CALLS_BAR = 1.3, 0.2, 2.0, 1.0
UP = f"`up` of {MANY}, until all answer C-ECHO,"
AGAINST_BARE = f"{UP} against {THREADS} threads of bare SDK calls, until all are started"
AGAINST_COMPOSE = f"{UP} against `docker-compose up -d` folder by folder"
STATUS_CALLS = f"`status` of {SIXTY} running instances, engine calls against those for one"
ECHO_TIME = f"`echo --all` of {SIXTY}"
ALL_RUN = f"instances of {SIXTY} that do not run, on default address pools"
EVERYTHING = (AGAINST_BARE, AGAINST_COMPOSE, STATUS_CALLS, ECHO_TIME, ALL_RUN)


def container_lines(rounds: int) -> Iterator[Line]:
    """All lines, or each with the reason why it is missing."""
    try:
        engine = docker_engine(os.environ)
    except EngineError as error:
        yield from (Missing(what, error.message) for what in EVERYTHING)
        return
    with temporary_place("docker") as place:
        _have_image(place, engine)
        yield from _twenty(place, engine, rounds)
    with temporary_place("docker") as place:
        yield from _sixty(place, engine, rounds)


def _have_image(place: Place, engine: DockerEngine) -> None:
    """Our image there and made from what is in this checkout: building is not what is measured."""
    place.conquestctl("image", "build")
    if not images.exists(engine.client, DEFAULT_IMAGE):
        raise FailedError(f"there is no image {DEFAULT_IMAGE}")


def _twenty(place: Place, engine: DockerEngine, rounds: int) -> Iterator[Line]:
    place.conquestctl("create", "node", "--count", str(MANY))
    instances = place.fleet()
    engine.ensure_networks(instances)
    program, why = compose()
    alone: list[float] = []
    works = {
        "conquestctl up": lambda: _then_remove(engine, instances, lambda: place.conquestctl("up", "--all")),
        "bare SDK": lambda: _then_remove(engine, instances, lambda: _bare(place, alone)),
    }
    if program:
        works["docker-compose"] = lambda: _then_remove(
            engine, instances, lambda: sum(place.seconds(program, "up", "-d", cwd=one.folder) for one in instances)
        )
    samples: Samples = interleaved(rounds, works)
    ours = samples["conquestctl up"]
    bare = {"bare SDK": samples["bare SDK"], "its calls alone": alone}
    yield ratio(AGAINST_BARE, {"conquestctl up": ours, **bare}, BARE_BAR)
    if program:
        both = {"conquestctl up": ours, "docker-compose": samples["docker-compose"], **bare}
        yield ratio(AGAINST_COMPOSE, both, COMPOSE_BAR)
    else:
        yield Missing(AGAINST_COMPOSE, why)
    engine.remove_networks(instances)


def _bare(place: Place, alone: list[float]) -> float:
    """Run the bare program as a process, as `up` is one; what its calls took goes into `alone`."""
    command = (sys.executable, "-m", "benchmarks.fleet.bare", str(place.folder / "instances"), str(THREADS))
    began = time.perf_counter()
    done = subprocess.run(command, env=place.environ, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise FailedError(f"the bare SDK calls failed: {done.stderr}")
    alone.append(float(done.stdout))
    return took


def _then_remove(engine: DockerEngine, instances: list[Instance], work: Any) -> float:
    """Measure with nothing there before, and take away what there is afterwards."""
    try:
        return float(work())
    finally:
        _remove(engine, instances)


def _remove(engine: DockerEngine, instances: list[Instance]) -> None:
    projects = {one.project for one in instances}
    mine = [
        one["Id"]
        for one in engine.client.containers(all=True)
        if (one["Labels"] or {}).get("com.docker.compose.project") in projects
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda container: engine.client.remove_container(container, force=True), mine))


def _sixty(place: Place, engine: DockerEngine, rounds: int) -> Iterator[Line]:
    place.conquestctl("create", "node", "--count", str(SIXTY))
    instances = place.fleet()
    try:
        took = place.conquestctl("up", "--all")
        yield from _of_sixty(place, engine, instances, rounds)
        running = sum(one["State"] == "running" for one in engine.client.containers(all=True) if _is_of(one, instances))
        yield Figure(ALL_RUN, SIXTY - running, "", 0, {"up --all, s": [took]})
    finally:
        _remove(engine, instances)
        with suppress(EngineError):
            engine.remove_networks(instances)


def _is_of(container: dict[str, Any], instances: list[Instance]) -> bool:
    return (container["Labels"] or {}).get("com.docker.compose.project") in {one.project for one in instances}


def _of_sixty(place: Place, engine: DockerEngine, instances: list[Instance], rounds: int) -> Iterator[Line]:
    one, all_ = _calls(engine, instances[:1]), _calls(engine, instances)
    times = interleaved(
        rounds,
        {
            "status": lambda: place.conquestctl("status", "--json"),
            "echo --all": lambda: place.conquestctl("echo", "--all", "--json"),
        },
    )
    calls: Samples = {"calls for all": [all_], "calls for one": [one], "seconds of the command": times["status"]}
    yield Figure(STATUS_CALLS, all_ / one, "x", CALLS_BAR, calls)
    yield median(ECHO_TIME, "s", {"echo --all": times["echo --all"]}, ECHO_BAR)


def _calls(engine: DockerEngine, instances: list[Instance]) -> int:
    """How many requests `status` sends to the engine."""
    from conquestctl.status import status

    seen: list[str] = []

    def count(response: Any, *_: object, **__: object) -> None:
        seen.append(response.request.path_url)

    engine.client.hooks["response"].append(count)
    try:
        status(instances, engine)
    finally:
        engine.client.hooks["response"].remove(count)
    return len(seen)
