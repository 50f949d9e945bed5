"""Which engine instances run on, and why, in one line.

The socket is tried before the Docker SDK is imported: on a machine without Docker its half second is not paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from conquestctl.engine.endpoint import Endpoint, find_endpoint, probe
from conquestctl.errors import EngineError, UsageError

if TYPE_CHECKING:
    from conquestctl.engine.base import Engine
    from conquestctl.engine.docker import DockerEngine


def select_engine(choice: str, environ: Mapping[str, str]) -> tuple[Engine, str]:
    """The engine for `docker`, `process` or `auto`, and a line that says which it is and why.

    `auto` takes Docker where an engine answers and local processes elsewhere. Raises `EngineError` when `docker` was
    asked for and does not answer.
    """
    if choice == "process":
        return _process(), "local processes, as asked"
    if choice not in {"docker", "auto"}:
        raise UsageError(f"there is no engine called {choice!r}", hint="Use docker, process or auto.")
    try:
        engine, endpoint = _docker(environ)
    except EngineError as error:
        if choice == "docker":
            raise
        return _process(), f"local processes, because {error.message}"
    return engine, f"containers on the Docker engine at {endpoint}"


def docker_engine(environ: Mapping[str, str]) -> DockerEngine:
    """The Docker engine. Raises `EngineError` that says why when none can be used."""
    return _docker(environ)[0]


def _docker(environ: Mapping[str, str]) -> tuple[DockerEngine, Endpoint]:
    endpoint = find_endpoint(environ)
    probe(endpoint)
    from conquestctl.engine.docker import DockerEngine, connect

    return DockerEngine(connect(endpoint), environ), endpoint


def _process() -> Engine:
    from conquestctl.engine.process import ProcessEngine

    return ProcessEngine()
