"""The stack that copies an index: the old database server, the new one, and between them the instance's own image.

Made from the two compose files, the one that counts and the one that is to count, so that whatever a person has written
there about the databases holds. A local process needs no stack. Pure but for the two runners.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from conquestctl.engine.compose import Bind, ComposeStack, Healthcheck, Service, read_stack
from conquestctl.engine.process import environment
from conquestctl.errors import EngineError, InvalidError
from conquestctl.fleet.database import SERVICE
from conquestctl.fleet.databasechange import MOVING_SERVICE, STAGE, Staged

if TYPE_CHECKING:
    from conquestctl.engine.docker import DockerEngine

MOVING_GRACE = 5 * 10**9
"""Nanoseconds for the new server to end in: while it makes its first files it would not hear a signal for long."""
INSIDE = "/conquest"
"""The folder that holds `mount/`, in a container."""


def run_in_containers(engine: DockerEngine, staged: Staged) -> Iterator[bytes]:
    """Copy, and give what is said about it. Raises `EngineError` and what the engine raises."""
    engine.prepare([staged.instance])
    return engine.run_instead(staged.instance, move_stack(staged))


def run_as_process(staged: Staged, environ: Mapping[str, str]) -> Iterator[bytes]:
    """The same with a local process, which ends when nobody wants to hear more."""
    child = subprocess.Popen(
        [sys.executable, *staged.command],
        cwd=staged.instance.folder,
        env=environment(staged.instance, environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert child.stdout is not None  # noqa: S101 -- asked for
        yield from child.stdout
    finally:
        child.terminate()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def move_stack(staged: Staged) -> ComposeStack:
    """See above. Raises `InvalidError` for a compose file without the instance's own service."""
    current, then, name = read_stack(staged.instance), staged.stack(), staged.instance.name
    if name not in current.services or name not in then.services:
        raise InvalidError(f"there is no service {name} in {staged.instance.compose_file}", instance=name)
    services: dict[str, Service] = {}
    secrets = dict(current.secrets)
    if staged.old.own:
        services[SERVICE] = replace(_server(current, staged), restart="no")
    if staged.new.own:
        services[MOVING_SERVICE] = _renamed(_server(then, staged))
        secrets |= {f"moving_{key}": path for key, path in then.secrets.items()}
    services[name] = _copier(staged, current.services[name], then.services[name], tuple(services))
    return ComposeStack(services, {**current.networks, **then.networks}, secrets)


def _server(stack: ComposeStack, staged: Staged) -> Service:
    if SERVICE not in stack.services:
        raise EngineError(f"there is no service {SERVICE} in the compose file of {staged.instance.name}")
    return stack.services[SERVICE]


def _renamed(server: Service) -> Service:
    """The new server beside the old one. What it has said to be written outlasts its end however that comes."""
    secrets = tuple(replace(one, source=f"moving_{one.source}") for one in server.secrets)
    named = replace(server, name=MOVING_SERVICE, container_name="", secrets=secrets)
    return replace(named, restart="no", stop_grace_period=MOVING_GRACE)


def _copier(staged: Staged, current: Service, then: Service, servers: tuple[str, ...]) -> Service:
    """The server's own container with another program in it, in the networks of both stacks and on no port."""
    return replace(
        current,
        entrypoint=("python3",),
        command=staged.command,
        restart="no",
        ports=(),
        tty=False,
        networks={**current.networks, **then.networks},
        volumes=(*current.volumes, Bind(staged.folder, f"{INSIDE}/{STAGE}", read_only=True)),
        healthcheck=Healthcheck(test=("NONE",)),
        depends_on=servers,
        healthy_first=servers,
    )
