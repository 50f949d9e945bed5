"""The wait of one container of a stack for the health of another, as `condition: service_healthy` asks for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from conquestctl.engine.docker_errors import translated
from conquestctl.errors import EngineError, NotReadyError

if TYPE_CHECKING:
    from docker import APIClient

HEALTHY_SECONDS = 180.0
"""A database that is made anew on a slow disk takes its time; a faulty one ends long before."""
LOG_LINES = 5
OWNER = "The folder {}/ of {} and all in it have to belong to its user, DATABASE_RUN_AS in .env: chown -R"


def wait_healthy(client: APIClient, container: str, service: str, instance: str) -> None:
    """Return when the container is healthy.

    Raises `EngineError` with the last it said when it has ended or is unhealthy, or has no health check at all;
    `NotReadyError` when it is neither for too long.
    """
    deadline = time.monotonic() + HEALTHY_SECONDS
    pause = 0.1
    while True:
        with translated(instance):
            state = client.inspect_container(container)["State"]
        health = (state.get("Health") or {}).get("Status", "")
        if health == "healthy" and state["Running"]:
            return
        if why := _hopeless(state, health):
            raise _failed(client, container, service, f"the service {service} of {instance} {why}", instance)
        if time.monotonic() > deadline:
            message = f"the service {service} of {instance} was not healthy within {HEALTHY_SECONDS:g} s"
            raise NotReadyError(message, hint=_hint(instance, service), instance=instance)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def _hopeless(state: dict[str, Any], health: str) -> str:
    """Why there is nothing to wait for, or nothing."""
    if state.get("Restarting") or not state["Running"]:
        return f"ended with exit code {state['ExitCode']}"
    if health == "unhealthy":
        return "is unhealthy"
    return "" if health else "is to be healthy first, and has no health check"


def _failed(client: APIClient, container: str, service: str, message: str, instance: str) -> EngineError:
    with translated(instance):
        log: Any = client.logs(container, tail=LOG_LINES)
    lines = bytes(log).decode("utf-8", "replace").splitlines()
    said = "".join(f"\n  {line}" for line in lines if line.strip())
    hint = OWNER.format(service, instance) if "ermission denied" in said else ""
    return EngineError(message + (f"; it said:{said}" if said else ""), hint=hint, instance=instance)


def _hint(instance: str, service: str) -> str:
    return f"`docker-compose logs {service}` in the folder of {instance} shows what it is at."
