"""A server that is measured: a folder of its own, started, watched and stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from benchmarks.server import processes
from benchmarks.server.link import LoadError, answers
from benchmarks.server.load import Target

START_TIMEOUT, STOP_TIMEOUT = 60.0, 60.0


class Server(ABC):
    """One instance with a folder of its own."""

    name = ""
    syncs = ""
    """What is known about its durability, and how."""
    indexed = True
    """Answers queries and retrievals."""
    large_find = True
    """Can be asked about 100 000 images."""
    huge = True
    """Takes an object of 1 GB."""
    parallel = True
    """Keeps all objects of parallel associations."""

    def __init__(self, folder: Path, sink_port: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.sink_port = sink_port
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self.prepare()

    @property
    def target(self) -> Target:
        """Where to send."""
        return Target(self.port, self.name.upper().split()[0])

    @property
    def pid(self) -> int:
        """The process that was started. Raises `LoadError` when there is none."""
        if self._process is None or self._process.poll() is not None:
            raise LoadError(f"{self.name} does not run; see its log in {self.folder}")
        return self._process.pid

    @abstractmethod
    def prepare(self) -> None:
        """Write the configuration."""

    @abstractmethod
    def command(self) -> list[str]:
        """What to run, in the folder."""

    def environment(self) -> dict[str, str]:
        """The environment to run it in."""
        return dict(os.environ)

    def start(self) -> float:
        """Start it and wait for the first answer to a C-ECHO: seconds. Raises `LoadError`."""
        with (self.folder / "server.log").open("wb") as log:
            begin = time.monotonic()
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        while not answers(self.port, self.target.ae_title):
            if self._process.poll() is not None or time.monotonic() - begin > START_TIMEOUT:
                raise LoadError(f"{self.name} did not start: {(self.folder / 'server.log').read_text()[-500:]}")
            time.sleep(0.001)
        return time.monotonic() - begin

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not care."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def retire(self) -> None:
        """Stop it and give its disk space back; the empty files stay until the whole run is over.

        ext4 does not use the inode of a file that was deleted less than a minute ago: it searches past each of them,
        and whoever creates files next pays for it (43 % of dgate's time in a profile).
        """
        self.stop()
        for folder, _, names in os.walk(self.folder):
            for name in names:
                os.truncate(Path(folder, name), 0)

    def pss(self) -> float:
        """Memory in MB."""
        return processes.pss_megabytes(self.pid)

    def cpu(self) -> float:
        """Processor seconds so far."""
        return processes.cpu_seconds(self.pid)


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
