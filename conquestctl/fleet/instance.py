"""An instance as its folder states it: frozen values, read once, trusted inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COMPOSE_FILE = "docker-compose.yml"
ENV_FILE = ".env"
MOUNT = "mount"
HOST_NETWORK = "host"
"""Value of NETWORK for the machine's own network; without that line it is the fleet's."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One DICOM node of the fleet; made by `fleet.scan`, never by hand outside tests.

    `settings` is the whole `.env` as text, unknown keys included; the typed fields are its validated part.
    """

    name: str
    folder: Path
    """Absolute. Holds `.env`, `docker-compose.yml` and `mount/`."""
    ae_title: str
    port: int
    bind: str
    """Host address the port is published on; `127.0.0.1` unless asked otherwise."""
    image: str
    project: str
    """COMPOSE_PROJECT_NAME: unique on the engine, and the container's name."""
    network: str
    """FLEET_NETWORK: name of the bridge network shared by the fleet."""
    settings: Mapping[str, str]

    @property
    def mount(self) -> Path:
        """The folder mounted at /conquest/mount."""
        return self.folder / MOUNT

    @property
    def compose_file(self) -> Path:
        """The rendered compose file."""
        return self.folder / COMPOSE_FILE

    @property
    def has_server(self) -> bool:
        """Whether its stack has a database server of its own."""
        return bool(self.settings.get("DATABASE_IMAGE"))

    @property
    def on_host(self) -> bool:
        """Whether its container is in the machine's own network, as a local process would be."""
        return self.settings.get("NETWORK") == HOST_NETWORK

    @property
    def host(self) -> str:
        """The address under which this machine reaches the port: a wildcard bind is reached on loopback."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind, self.bind)
