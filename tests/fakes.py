"""An engine in a dictionary whose containers are real DICOM nodes, and instances to run on it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conquestctl.engine.base import Captured, Observed, PublishedPort, State
from conquestctl.errors import EngineError
from conquestctl.fleet.instance import Instance
from tests.echo_server import EchoServer
from tests.ports import free_port


def make_instance(root: Path, name: str, port: int | None = None) -> Instance:
    """An instance with its folders; its port is free unless stated."""
    folder = root / name
    (folder / "mount" / "logs").mkdir(parents=True, exist_ok=True)
    return Instance(
        name=name,
        folder=folder,
        ae_title=name.upper(),
        port=free_port() if port is None else port,
        bind="127.0.0.1",
        image="conquest:1",
        project=f"conquest-abcdef-{name}",
        network="conquest-abcdef",
        settings={},
    )


@dataclass
class Container:
    """What the fake keeps per instance."""

    observed: Observed
    server: EchoServer | socket.socket | None = None


class FakeEngine:
    """`Engine` for tests. `fail[(call, instance)]` makes that call raise; `behaviour[instance]` says how it runs.

    Behaviours: `""` answers; `exit` ends with status 3 at once; `deaf` accepts connections and never answers;
    `hang up` accepts and closes, as Docker's proxy does before the server is there; `restarting` keeps ending;
    `elsewhere` runs and listens on no port of ours.
    """

    name = "fake"

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail: dict[tuple[str, str], Exception] = {}
        self.behaviour: dict[str, str] = {}
        self.hashes: dict[str, str] = {}
        self.captured: dict[str, Captured] = {}
        """What a command inside an instance leaves behind."""
        self.before_start = threading.Event()
        self.before_start.set()
        self._in_flight = 0
        self.most_in_flight = 0
        self._lock = threading.Lock()

    def prepare(self, instances: Sequence[Instance]) -> None:
        self._called("prepare", ",".join(one.name for one in instances))

    def observe(self, instances: Sequence[Instance]) -> dict[str, Observed]:
        self._called("observe", "")
        absent = {one.name: Observed(one.name) for one in instances}
        return absent | {
            one.name: self.containers[one.name].observed for one in instances if one.name in self.containers
        }

    def spec_hash(self, instance: Instance) -> str:
        self._called("spec_hash", instance.name)
        return self.hashes.get(instance.name, "1")

    def create(self, instance: Instance) -> None:
        self._called("create", instance.name)
        if instance.name in self.containers:
            raise EngineError(f"{instance.name} exists already")
        made = Observed(instance.name, State.CREATED, "id", self.hashes.get(instance.name, "1"))
        self.containers[instance.name] = Container(made)

    def start(self, instance: Instance) -> None:
        with self._lock:
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            self.before_start.wait(10)
            self._called("start", instance.name)
            self._start(instance)
        finally:
            with self._lock:
                self._in_flight -= 1

    def stop(self, instance: Instance, timeout: float | None = None) -> None:
        assert timeout is None or timeout > 0
        self._called("stop", instance.name)
        self.end(instance.name, 0)

    def remove(self, instance: Instance) -> None:
        self._called("remove", instance.name)
        self.containers.pop(instance.name, None)

    def logs(self, instance: Instance, *, tail: int | None = None, follow: bool = False) -> Iterator[bytes]:
        assert not follow
        self._called("logs", instance.name)
        yield "".join(f"line {number} of {instance.name}\n" for number in range(100 - (tail or 0), 100)).encode()

    def execute(self, instance: Instance, command: Sequence[str]) -> int:
        self._called("execute", f"{instance.name} {' '.join(command)}")
        return 7

    def capture(self, instance: Instance, command: Sequence[str]) -> Captured:
        self._called("capture", f"{instance.name} {' '.join(command)}")
        return self.captured.get(instance.name, Captured(0, b"", b""))

    def published_ports(self) -> list[PublishedPort]:
        return []

    def end(self, name: str, code: int) -> None:
        """The container ends, by our will or somebody else's."""
        container = self.containers.get(name)
        if container is None or container.observed.state is State.CREATED:
            return
        if container.server is not None:
            container.server.close()
        self.containers[name] = Container(replace(container.observed, state=State.EXITED, exit_code=code))

    def close(self) -> None:
        """Close all listening sockets."""
        for name in list(self.containers):
            self.end(name, 0)

    def count(self, call: str) -> int:
        """How often a call was made."""
        return sum(1 for made, _ in self.calls if made == call)

    def _start(self, instance: Instance) -> None:
        container = self.containers[instance.name]
        behaviour = self.behaviour.get(instance.name, "")
        container.observed = replace(container.observed, state=State.RUNNING, exit_code=None)
        if behaviour == "exit":
            container.observed = replace(container.observed, state=State.EXITED, exit_code=3)
        elif behaviour == "restarting":
            container.observed = replace(container.observed, state=State.RESTARTING, exit_code=4)
        elif behaviour == "deaf":
            container.server = socket.create_server((instance.bind, instance.port))
        elif behaviour == "hang up":
            container.server = _hanging_up(instance.bind, instance.port)
        elif behaviour != "elsewhere":
            container.server = EchoServer(instance.ae_title, instance.bind, instance.port)

    def _called(self, call: str, name: str) -> None:
        with self._lock:
            self.calls.append((call, name))
        failure = self.fail.get((call, name))
        if failure is not None:
            raise failure


def _hanging_up(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port))

    def serve() -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return listener
