"""What the tests against a real Docker engine share: instances whose server is a few lines of Python."""

from __future__ import annotations

import functools
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conquestctl.engine import images
from conquestctl.engine.docker import DockerEngine, connect
from conquestctl.engine.endpoint import find_endpoint, probe
from conquestctl.errors import EngineError
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.settings import DEFAULT_IMAGE
from tests.ports import free_port

if TYPE_CHECKING:
    import requests

IMAGE = DEFAULT_IMAGE
"""Our own, built when the first test asks for the engine: it has python3 and a shell, which is all these need."""

SERVER = """\
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), sys.exit(0)))
server = socket.create_server(("0.0.0.0", int(os.environ["PORT"])))
open("/conquest/mount/started", "w").close()
print("ready", flush=True)
while True:
    server.accept()[0].sendall(os.environ["AETITLE"].encode())
"""

COMPOSE = """\
services:
  {name}:
    image: ${{IMAGE}}
    container_name: ${{COMPOSE_PROJECT_NAME}}
    init: true
    user: ${{RUN_AS}}
    read_only: true
    tmpfs:
      - /tmp:size=16m
    cap_drop:
      - ALL
    security_opt:
      - no-new-privileges:true
    pids_limit: 64
    restart: unless-stopped
    logging:
      driver: json-file
      options:
        max-size: "1m"
        max-file: "2"
    extra_hosts:
      - host.docker.internal:host-gateway
    environment:
      AETITLE: ${{AETITLE}}
      PORT: ${{PORT}}
    ports:
      - "${{BIND}}:${{PORT}}:${{PORT}}"
    volumes:
      - ./mount:/conquest/mount
      - ./server.py:/server.py:ro
    networks:
      - fleet
    healthcheck:
      disable: true
    entrypoint: ["python3", "/server.py"]
networks:
  fleet:
    external: true
    name: ${{FLEET_NETWORK}}
"""


def docker_environ() -> dict[str, str]:
    """The environment that leads to the engine under test; skips the test when none answers."""
    environ = dict(os.environ)
    try:
        probe(find_endpoint(environ))
    except EngineError as error:
        private = os.environ.get("CONQUESTCTL_NO_ENGINE")
        pytest.skip(f"{error.message}; no private one either: {private}" if private else error.message)
    return environ


def open_engine() -> DockerEngine:
    """The engine under test, which has our image."""
    environ = docker_environ()
    engine = DockerEngine(connect(find_endpoint(environ)), environ)
    have_image()
    return engine


@functools.cache
def have_image() -> None:
    """Build our image once per test run, on CONQUESTCTL_BASE: the private engine has one that needs no network."""
    environ = docker_environ()
    source = images.Source.of_environ(environ, may_pull=True)
    images.ensure(connect(find_endpoint(environ)), IMAGE, source, lambda _line: None)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Until the condition holds; fails the test, saying what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)


def says(port: int) -> str:
    """What the server on a published port says, or nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            return connection.recv(64).decode()
    except OSError:
        return ""


@dataclass
class Fleet:
    """Instances of one test on one network, with everything removed at the end."""

    root: Path
    engine: DockerEngine
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    made: list[Instance] = field(default_factory=list)

    @property
    def network(self) -> str:
        """Name of the network."""
        return f"h-engine-{self.token}"

    def add(self, name: str, *, compose: str = COMPOSE, **changes: str) -> Instance:
        """A new instance folder."""
        folder = self.root / name
        (folder / "mount").mkdir(parents=True)
        os.chown(folder / "mount", *self._owner())
        settings = {
            "AETITLE": name.upper(),
            "PORT": str(free_port()),
            "BIND": "127.0.0.1",
            "IMAGE": IMAGE,
            "RUN_AS": ":".join(map(str, self._owner())),
            "COMPOSE_PROJECT_NAME": f"{self.network}-{name}",
            "FLEET_NETWORK": self.network,
            "FLEET_SUBNET": "10.213.0.0/22",
        } | changes
        (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        (folder / "docker-compose.yml").write_text(compose.format(name=name))
        (folder / "server.py").write_text(SERVER)
        made = Instance(
            name, folder, settings["AETITLE"], int(settings["PORT"]), settings["BIND"], settings["IMAGE"],
            settings["COMPOSE_PROJECT_NAME"], settings["FLEET_NETWORK"], settings,
        )  # fmt: skip
        self.made.append(made)
        return made

    def up(self, *names: str) -> list[Instance]:
        """Add and start instances; returns when each answers."""
        added = [self.add(name) for name in names]
        self.engine.prepare(added)
        for one in added:
            self.engine.create(one)
            self.engine.start(one)
        for one in added:
            wait_for(lambda one=one: says(one.port) == one.ae_title, f"{one.name} to answer")  # type: ignore[misc]
        return added

    def clear(self) -> None:
        """Remove every container and network of this test, whoever made it."""
        client = self.engine.client
        for one in client.containers(all=True, filters={"name": [self.network]}):
            client.remove_container(one["Id"], force=True)
        for network in client.networks():
            if network["Name"].startswith(self.network):
                client.remove_network(network["Id"])

    @staticmethod
    def _owner() -> tuple[int, int]:
        return (1234, 1234) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


class Requests:
    """Counts what goes to the engine."""

    def __init__(self, engine: DockerEngine) -> None:
        self.paths: list[str] = []
        engine.client.hooks["response"].append(self._seen)

    def _seen(self, response: requests.Response, *_: object, **__: object) -> None:
        self.paths.append(response.request.path_url.partition("?")[0])
