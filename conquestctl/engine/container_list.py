"""What the engine's one listing call says about our instances. Pure: summaries in, values out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conquestctl.engine import labels
from conquestctl.engine.base import Observed, PublishedPort, State
from conquestctl.fleet.instance import HOST_NETWORK, Instance

Summary = Mapping[str, Any]

_EXIT_CODE = re.compile(r"(?:Exited|Restarting) \((-?\d+)\)")
_STATES = {
    "created": State.CREATED,
    "running": State.RUNNING,
    "restarting": State.RESTARTING,
    "paused": State.PAUSED,
    "exited": State.EXITED,
    "dead": State.EXITED,
    "removing": State.EXITED,
}
_LIVELY = (State.RUNNING, State.RESTARTING, State.PAUSED, State.EXITED, State.CREATED)


def observe(instances: Sequence[Instance], summaries: Iterable[Summary]) -> dict[str, Observed]:
    """State of every instance by name. The container may be ours or docker-compose's: the project label decides."""
    by_project: dict[str, list[Summary]] = {}
    for summary in summaries:
        own = labels_of(summary)
        if not labels.is_one_off(own):
            by_project.setdefault(own.get(labels.PROJECT, ""), []).append(summary)
    return {one.name: _observed(one, by_project.get(one.project, [])) for one in instances}


def main_container(instance: Instance, summaries: Iterable[Summary]) -> Summary | None:
    """The server's container among those of a stack: the service called like the instance, else the only service.

    Of several (docker-compose renames the old one while it recreates) the liveliest counts, then the newest.
    """
    stack = [s for s in summaries if not labels.is_one_off(labels_of(s))]
    named = [s for s in stack if labels_of(s).get(labels.SERVICE) == instance.name]
    candidates = named or (stack if len({labels_of(s).get(labels.SERVICE) for s in stack}) == 1 else [])
    return min(candidates, key=lambda s: _LIVELY.index(_state(s)), default=None)


def name_of(summary: Summary) -> str:
    """The container's name without the engine's leading slash."""
    return str((summary.get("Names") or ["/" + str(summary["Id"])[:12]])[0]).lstrip("/")


def labels_of(summary: Summary) -> Mapping[str, str]:
    """The container's labels; the engine says null for none."""
    return summary.get("Labels") or {}


def networks_of(summary: Summary) -> set[str]:
    """Names of the networks that the container is to be in."""
    return set((summary.get("NetworkSettings") or {}).get("Networks") or {})


def published(summaries: Iterable[Summary]) -> list[PublishedPort]:
    """Every host port of every container. One that does not run is asked by its label, which only ours have."""
    found: dict[PublishedPort, None] = {}
    for summary in summaries:
        owner = f"container {name_of(summary)}"
        for entry in summary.get("Ports") or []:
            if entry.get("PublicPort"):
                found[PublishedPort(entry.get("IP") or "0.0.0.0", int(entry["PublicPort"]), owner)] = None
        for entry in filter(None, labels_of(summary).get(labels.PUBLISHED, "").split(",")):
            address, _, port = entry.rpartition(":")
            if port.isdigit():
                found[PublishedPort(address.strip("[]"), int(port), owner)] = None
    return list(found)


def _observed(instance: Instance, stack: Sequence[Summary]) -> Observed:
    summary = main_container(instance, stack)
    if summary is None:
        return Observed(instance.name)
    state = _state(summary)
    exit_code = _EXIT_CODE.match(str(summary.get("Status") or ""))
    return Observed(
        instance=instance.name,
        state=state,
        handle=str(summary["Id"]),
        spec_hash=labels_of(summary).get(labels.SPEC, ""),
        exit_code=int(exit_code[1]) if exit_code else None,
        address=_address(instance, summary) if state in {State.RUNNING, State.PAUSED} else "",
        image=str(summary.get("Image") or ""),
        missing=_missing(summary, stack),
    )


def _missing(main: Summary, stack: Sequence[Summary]) -> tuple[str, ...]:
    """Other services of the stack of which no container runs."""
    states: dict[str, set[State]] = {}
    for one in stack:
        states.setdefault(str(labels_of(one).get(labels.SERVICE)), set()).add(_state(one))
    own = labels_of(main).get(labels.SERVICE)
    return tuple(sorted(name for name, seen in states.items() if name != own and State.RUNNING not in seen))


def _state(summary: Summary) -> State:
    return _STATES.get(str(summary.get("State")), State.EXITED)


def _on_host(summary: Summary) -> bool:
    """Whether it is in the machine's own network, where the engine publishes nothing."""
    return (summary.get("HostConfig") or {}).get("NetworkMode") == HOST_NETWORK


def _address(instance: Instance, summary: Summary) -> str:
    entries = [entry for entry in summary.get("Ports") or [] if entry.get("PublicPort")]
    entries.sort(key=lambda entry: (entry.get("PrivatePort") != instance.port, entry["PublicPort"], entry["IP"]))
    if not entries:
        return labels_of(summary).get(labels.PUBLISHED, "") if _on_host(summary) else ""
    address = entries[0].get("IP") or "0.0.0.0"
    return f"[{address}]:{entries[0]['PublicPort']}" if ":" in address else f"{address}:{entries[0]['PublicPort']}"
