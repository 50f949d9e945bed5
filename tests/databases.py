"""Which database the index of a test is in: SQLite, or one of a real server that the test run starts for itself.

CONQUESTCTL_DATABASES names those that the index's tests are run with, `sqlite` alone by default; `all` is all three.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.database_servers import (
    CARELESS_MARIADB,
    CARELESS_POSTGRES,
    PASSWORD,
    SERVERS,
    USER,
    DatabaseServer,
)

SQLITE = "sqlite"
NAME = "conquest_test"
OPTIONS = {"postgres": CARELESS_POSTGRES, "mariadb": CARELESS_MARIADB}
DROP_ALL = {
    "postgres": "DROP SCHEMA public CASCADE; CREATE SCHEMA public;",
    "mariadb": f"DROP DATABASE {NAME}; CREATE DATABASE {NAME};",
}


def asked_for() -> list[str]:
    """The databases that the index's tests are run with."""
    words = os.environ.get("CONQUESTCTL_DATABASES", SQLITE).replace(",", " ").split()
    return [SQLITE, *SERVERS] if "all" in words else words


def params(names: list[str]) -> list[Any]:
    return [pytest.param(name, marks=() if name == SQLITE else pytest.mark.database) for name in names]


@dataclass
class Databases:
    """The servers of a test run, each started when first asked for."""

    folder: Path
    running: dict[str, DatabaseServer]

    def server(self, name: str) -> DatabaseServer:
        """A server with a database; the reason is told where there is none."""
        why = SERVERS[name].missing()
        if why:
            pytest.skip(why)
        if name not in self.running:
            server = SERVERS[name](self.folder / name, OPTIONS[name])
            server.start()
            server.create(NAME)
            self.running[name] = server
        return self.running[name]

    def clear(self, name: str) -> None:
        """Empty the database of a server."""
        self.running[name].sql(DROP_ALL[name], NAME)

    def end(self) -> None:
        for server in self.running.values():
            server.stop(signal.SIGKILL)
        shutil.rmtree(self.folder)


def databases() -> Databases:
    folder = Path(tempfile.mkdtemp(prefix="dgate-databases-"))
    folder.chmod(0o711)
    return Databases(folder, {})


def settings_of(server: DatabaseServer, name: str = NAME) -> dict[str, Any]:
    """The fields of `Settings` that lead to a database of this server."""
    return {
        "driver": server.driver.lower(),
        "database": name,
        "sql_host": f"127.0.0.1:{server.port}",
        "username": USER,
        "password": PASSWORD,
    }
