"""PostgreSQL and MariaDB for tests and measurements: Debian's programs, a private data folder, a free port of loopback.

Nothing of the system's own servers is touched. As root they run as the users their packages made, since neither of them
agrees to run as root.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tools.debian import find

START_SECONDS = 60.0
USER, PASSWORD = "dgate", "test password 'with' quotes"
CARELESS_POSTGRES = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
CARELESS_MARIADB = ("innodb-flush-log-at-trx-commit=0", "innodb-doublewrite=0", "innodb-flush-method=nosync")
"""For tests that do not ask what a loss of power does: nobody waits for the disk."""


class DatabaseServer(ABC):
    """One server; `start` and `stop` as often as wanted, its data stays."""

    name = ""
    driver = ""
    """What Conquest's dicom.ini calls it."""
    program = ""
    package = ""
    account = ""
    """The user it runs as when we are root."""
    ending = signal.SIGTERM
    """The signal that ends it without waiting for its clients."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        """Make the data folder, in one that anybody may go through; `options` are the server's own."""
        self.folder = folder
        self.options = tuple(options)
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port = int(sock.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        if os.geteuid() == 0:
            account = pwd.getpwnam(self.account)
            os.chown(folder, account.pw_uid, account.pw_gid)
        self._initialise()

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be had here; empty when it can."""
        return "" if cls._find() else f"{cls.program} is not installed (Debian: apt-get install {cls.package})"

    @classmethod
    @abstractmethod
    def _find(cls) -> str | None:
        """The server's program."""

    @abstractmethod
    def _initialise(self) -> None:
        """Make the data folder and our user."""

    @abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    @abstractmethod
    def sql(self, text: str, database: str = "") -> str:
        """Run statements as the administrator; what they print. Raises `subprocess.CalledProcessError`."""

    @abstractmethod
    def create(self, database: str) -> None:
        """Make a database that our user may do everything with."""

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        if self._process is None:
            raise LookupError(f"{self.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers. Raises TimeoutError with the end of its log."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_account(), *self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                tail = (self.folder / "server.log").read_text(errors="replace")[-1500:]
                raise TimeoutError(f"{self.name} did not start:\n{tail}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals | None = None) -> None:
        """End it and wait, whoever is connected; SIGKILL is a crash, of all its processes at once."""
        process, self._process = self._process, None
        if process is None:
            return
        helpers = _below(process.pid) if how == signal.SIGKILL else []
        process.send_signal(how or self.ending)
        process.wait(START_SECONDS)
        _kill(helpers)

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except subprocess.CalledProcessError:
            return False
        return True

    def run(self, command: Sequence[str], text: str = "") -> str:
        """Run a program of the package's as the server's user; its output."""
        done = subprocess.run(
            [*self._as_account(), *command], input=text, capture_output=True, text=True, check=True, cwd=self.folder
        )
        return done.stdout

    def _as_account(self) -> list[str]:
        if os.geteuid() != 0:
            return ["setpriv", "--pdeathsig", "KILL"]
        user = ["--reuid", self.account, "--regid", self.account, "--clear-groups"]
        return ["setpriv", *user, "--pdeathsig", "KILL"]


class Postgres(DatabaseServer):
    """PostgreSQL as Debian packages it; authentication as in the official image."""

    name = "postgres"
    driver = "PostGres"
    program = "postgres"
    package = "postgresql"
    account = "postgres"
    ending = signal.SIGINT

    @classmethod
    def _find(cls) -> str | None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        return str(found[-1]) if found else None

    def _initialise(self) -> None:
        self._tool = Path(self._find() or "").parent
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self.run([
            str(self._tool / "initdb"), "--pgdata", str(self.folder / "data"), "--username", USER, "--encoding", "UTF8",
            "--locale", "C.UTF-8", "--no-sync", "--auth-local", "trust", "--auth-host", "scram-sha-256",
            "--pwfile", str(secret),
        ])  # fmt: skip

    def command(self) -> list[str]:
        """See `DatabaseServer`."""
        sockets = f"unix_socket_directories={self.folder}"
        settings = ["listen_addresses=127.0.0.1", f"port={self.port}", sockets, *self.options]
        return [self._find() or "", "-D", str(self.folder / "data"), *(word for s in settings for word in ("-c", s))]

    def sql(self, text: str, database: str = "") -> str:
        """See `DatabaseServer`."""
        words = [
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-U",
            USER,
        ]
        return self.run([str(self._tool / "psql"), *words, database or "postgres"], text)

    def create(self, database: str) -> None:
        """See `DatabaseServer`."""
        self.sql(f"CREATE DATABASE {database}")


class MariaDB(DatabaseServer):
    """MariaDB as Debian packages it."""

    name = "mariadb"
    driver = "MySQL"
    program = "mariadbd"
    package = "mariadb-server"
    account = "mysql"

    @classmethod
    def _find(cls) -> str | None:
        return find("mariadbd")

    def _initialise(self) -> None:
        self.run([
            "mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ])  # fmt: skip

    def command(self) -> list[str]:
        """See `DatabaseServer`."""
        folder = self.folder
        settings = [f"datadir={folder}/data", f"socket={folder}/socket", f"pid-file={folder}/pid", f"port={self.port}"]
        settings += ["bind-address=127.0.0.1", "skip-name-resolve", *self.options]
        return [self._find() or "", "--no-defaults", *(f"--{setting}" for setting in settings)]

    def sql(self, text: str, database: str = "") -> str:
        """See `DatabaseServer`."""
        words = ["--no-defaults", f"--socket={self.folder}/socket", "--user=root", "--skip-column-names", "--batch"]
        return self.run(["mariadb", *words, *([database] if database else [])], text)

    def create(self, database: str) -> None:
        """See `DatabaseServer`."""
        secret = PASSWORD.replace("'", "''")
        self.sql(
            f"CREATE DATABASE {database}; CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{secret}'; "
            f"GRANT ALL ON {database}.* TO {USER}@'%';"
        )


SERVERS: dict[str, type[DatabaseServer]] = {"postgres": Postgres, "mariadb": MariaDB}


def _below(pid: int) -> list[int]:
    """The children of a process. PostgreSQL's are in sessions of their own, and outlive a killed parent for a while."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _kill(helpers: Sequence[int]) -> None:
    """What holds the data folder goes as well; nobody can take it over before."""
    for pid in helpers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + START_SECONDS
    while any(_runs(pid) for pid in helpers):
        if time.monotonic() > until:
            raise TimeoutError(f"processes {helpers} do not end")
        time.sleep(0.005)


def _runs(pid: int) -> bool:
    """A process that only waits for somebody to take notice of its end holds nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
