"""What an engine is: the one interface that Docker and local processes share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from conquestctl.fleet.instance import Instance


class State(StrEnum):
    """State of an instance as its engine sees it."""

    ABSENT = "absent"
    """Nothing exists: never started, or taken down."""
    CREATED = "created"
    """A container exists that was never started."""
    RUNNING = "running"
    RESTARTING = "restarting"
    """The container keeps exiting and its restart policy keeps starting it."""
    PAUSED = "paused"
    EXITED = "exited"
    """It ran and ended; `Observed.exit_code` says how."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What runs (or not) for one instance."""

    instance: str
    state: State = State.ABSENT
    handle: str = ""
    """Container id, or pid as text; empty when absent."""
    spec_hash: str = ""
    """Our hash of what it was created from; empty when something else (docker-compose) made it."""
    exit_code: int | None = None
    address: str = ""
    """`host:port` really published or listened on, empty when not running."""
    image: str = ""
    missing: tuple[str, ...] = ()
    """Other services of the stack that do not run, its database server for one."""


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A host port held by something that the engine runs."""

    address: str
    port: int
    owner: str
    """In words, for messages: `container conquest-1a2b-ct1`."""


@dataclass(frozen=True, slots=True)
class Captured:
    """What a command that ran inside left behind."""

    status: int
    out: bytes
    err: bytes


class Engine(Protocol):
    """Where instances run. Every method may raise `EngineError`; none prints.

    All calls are safe from several threads. `observe` and `published_ports` make one engine call each, however many
    instances there are.
    """

    name: str
    """`docker` or `process`."""

    def prepare(self, instances: Sequence[Instance]) -> None:
        """Make what all of them share (network; image check). Called once per `up`, before any `create`."""

    def observe(self, instances: Sequence[Instance]) -> dict[str, Observed]:
        """The state of every given instance, keyed by name; absent ones are included as ABSENT."""

    def spec_hash(self, instance: Instance) -> str:
        """Hash of what `create` would make now. Raises `InvalidError` with file and line for a broken compose file."""

    def create(self, instance: Instance) -> None:
        """Make it, not started. An existing container of that instance is an error: `remove` first."""

    def start(self, instance: Instance) -> None:
        """Start what `create` made; returns when the engine has accepted it, not when it answers."""

    def stop(self, instance: Instance, timeout: float | None = None) -> None:
        """SIGTERM, then SIGKILL after `timeout` seconds; by default after the time that the instance's stack allows.

        Stopping a stopped one is not an error.
        """

    def remove(self, instance: Instance) -> None:
        """Remove a stopped container and nothing else; data stays. Absent is not an error."""

    def logs(self, instance: Instance, *, tail: int | None = None, follow: bool = False) -> Iterator[bytes]:
        """Chunks of the console output, oldest first; with `follow` until it ends."""

    def execute(self, instance: Instance, command: Sequence[str]) -> int:
        """Run a command inside, attached to our standard streams; returns its exit status."""

    def capture(self, instance: Instance, command: Sequence[str]) -> Captured:
        """Run a command inside, without input, and return what it wrote. Raises `EngineError` when it does not run."""

    def published_ports(self) -> list[PublishedPort]:
        """Every host port that anything on this engine publishes, running or created."""
