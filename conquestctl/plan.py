"""Desired against observed: which step each instance needs, and why. Pure: nothing here touches an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from conquestctl.engine.base import Observed, State
from conquestctl.fleet.instance import Instance


@unique
class Action(StrEnum):
    """What is done for one instance; each word may be several calls to the engine."""

    CREATE = "create"
    """Make and start it."""
    START = "start"
    """Start what exists already."""
    RECREATE = "recreate"
    """Stop, remove, make again and start; data stays."""
    RESTART = "restart"
    """Stop and start the same thing again."""
    STOP = "stop"
    """Stop and remove; data stays."""
    REMOVE = "remove"
    """Remove what is left of one that does not run; data stays."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Desired:
    """What the folder asks for: the instance, and the hash of what the engine would make of it now."""

    instance: Instance
    spec_hash: str


@dataclass(frozen=True, slots=True)
class Step:
    """One instance, what to do with it, and the reason in words."""

    instance: str
    action: Action
    cause: str


def plan_up(desired: Sequence[Desired], observed: Mapping[str, Observed]) -> list[Step]:
    """Steps after which every instance runs as its folder asks; a second plan on the result is all `none`."""
    return [Step(one.instance.name, *_up(one, _seen(observed, one.instance))) for one in desired]


def plan_restart(desired: Sequence[Desired], observed: Mapping[str, Observed]) -> list[Step]:
    """Like `plan_up`, but one that runs as asked is stopped and started as well."""
    return [Step(one.instance.name, *_restart(one, _seen(observed, one.instance))) for one in desired]


def plan_down(instances: Sequence[Instance], observed: Mapping[str, Observed]) -> list[Step]:
    """Steps after which nothing runs or is left over; the data in the folders is not part of this."""
    return [Step(instance.name, *_down(_seen(observed, instance))) for instance in instances]


def as_text(steps: Sequence[Step]) -> str:
    """The plan as aligned lines: instance, action, cause."""
    names = max((len(step.instance) for step in steps), default=0)
    actions = max((len(step.action) for step in steps), default=0)
    return "\n".join(f"{step.instance:{names}}   {step.action:{actions}}   {step.cause}" for step in steps)


def _seen(observed: Mapping[str, Observed], instance: Instance) -> Observed:
    return observed.get(instance.name, Observed(instance.name))


def _up(desired: Desired, seen: Observed) -> tuple[Action, str]:
    decide: dict[State, Callable[[Desired, Observed], tuple[Action, str]]] = {
        State.ABSENT: lambda _desired, _seen: (Action.CREATE, "not there yet"),
        State.CREATED: _up_created,
        State.RUNNING: _up_running,
        State.EXITED: _up_exited,
        # A restart policy that keeps failing backs off for up to a minute, so starting afresh is the faster way
        # to learn whether an edited file has cured it.
        State.RESTARTING: lambda _desired, seen: (Action.RECREATE, f"keeps exiting{_code(seen)}"),
        State.PAUSED: lambda _desired, _seen: (Action.RECREATE, "paused"),
    }
    return decide[seen.state](desired, seen)


def _up_created(desired: Desired, seen: Observed) -> tuple[Action, str]:
    if seen.spec_hash == desired.spec_hash:
        return Action.START, "made earlier, never started"
    return Action.RECREATE, f"made earlier, never started; {difference(desired.instance, seen)}"


def _up_running(desired: Desired, seen: Observed) -> tuple[Action, str]:
    if seen.spec_hash == desired.spec_hash and seen.missing:
        return Action.START, f"runs without its {', '.join(seen.missing)}"
    if seen.spec_hash == desired.spec_hash:
        return Action.NONE, "already up"
    if not seen.spec_hash:
        # Somebody brought it up with docker-compose from the same file: it is theirs until they take it down.
        return Action.NONE, "already up, started by docker-compose"
    return Action.RECREATE, difference(desired.instance, seen)


def _up_exited(desired: Desired, seen: Observed) -> tuple[Action, str]:
    if seen.spec_hash == desired.spec_hash:
        return Action.START, f"exited{_code(seen)}"
    return Action.RECREATE, f"exited{_code(seen)}; {difference(desired.instance, seen)}"


def _restart(desired: Desired, seen: Observed) -> tuple[Action, str]:
    action, cause = _up(desired, seen)
    if action is Action.NONE:
        return Action.RESTART, "asked to restart"
    return action, cause


def _down(seen: Observed) -> tuple[Action, str]:
    if seen.state is State.ABSENT:
        return Action.NONE, "already down"
    if seen.state is State.CREATED:
        return Action.REMOVE, "made earlier, never started"
    if seen.state is State.EXITED:
        return Action.REMOVE, f"exited{_code(seen)}"
    return Action.STOP, seen.state.value


def _code(seen: Observed) -> str:
    return "" if seen.exit_code is None else f" ({seen.exit_code})"


def difference(instance: Instance, seen: Observed) -> str:
    """What changed between the running thing and its folder, as far as both sides show it."""
    if not seen.spec_hash:
        return "made by docker-compose"
    changes = []
    host, _, port = seen.address.rpartition(":")
    if port and port != str(instance.port):
        changes.append(f"port changed {port} -> {instance.port}")
    if host and host.strip("[]") != instance.bind:
        changes.append(f"address changed {host.strip('[]')} -> {instance.bind}")
    # An engine may know an image only by its digest, which says nothing about the name in the folder.
    if seen.image and not seen.image.startswith("sha256:") and seen.image != instance.image:
        changes.append(f"image changed {seen.image} -> {instance.image}")
    return ", ".join(changes) or "settings changed"
