"""A server process in a folder of its own, and what it holds: threads, descriptors, memory, temporary files."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgate.config.inifile import IniFile
from dgate.config.settings import load_settings
from dgate.index.schema import ensure_database
from tests.dgate.archive.support import CT1, dataset, kfactor
from tests.dgate.net.conftest import wait_for
from tests.dgate.net.raw import RawClient
from tests.ports import free_port

from .client import SOP_UID, Client

REPOSITORY = Path(__file__).parents[3]
CONFIG = REPOSITORY / "templates" / "mount" / "config"
SHORT = {"handshake": 0.5, "pdu": 0.5, "message": 0.7, "send": 0.7, "linger": 0.3, "grace": 5.0}
"""Deadlines that a test can wait for. How many there may be of what is as delivered."""
INI = """[sscscp]
MicroPACS = sscscp
MyACRNema = ORACLE
TCPPort = {port}
SQLite = 1
SQLServer = {database}
MAGDevice0 = {data}/
MAGDeviceFullThreshHold = -1
TroubleLog = PacsTrouble.log
UserLog = PacsUser.log
EnableComputedFields = 1
"""
QUIET_THREADS = 9
"""The main thread, the doorkeeper, the watch folder's, and as many idle ones as are kept for the next peers."""
MEMORY_SLACK = 16 * 1024
"""In kB: what the allocator may keep to itself after a case."""


@dataclass(frozen=True)
class Level:
    """What a process holds. Descriptors that a bounded cache keeps (folders, connections to the index) do not count."""

    threads: int
    sockets: int
    files: int
    memory: int
    temporaries: int


class Site:
    """The process, its folder, its log."""

    def __init__(
        self,
        folder: Path,
        *,
        times: Mapping[str, float] = SHORT,
        ini: str = "",
        sops: str = "",
        data: Path | None = None,
        database: Path | None = None,
    ) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self.database = database or folder / "conquest.db3"
        self.times = dict(times)
        self.port = free_port()
        self.output = folder / "stdout"
        self.process: subprocess.Popen[bytes] | None = None
        self.data.mkdir(exist_ok=True)
        self._configure(ini, sops)

    def _configure(self, ini: str, sops: str) -> None:
        for name in ("dicom.sql", "dgate.dic"):
            (self.folder / name).write_bytes((CONFIG / name).read_bytes())
        (self.folder / "dgatesop.lst").write_text((CONFIG / "dgatesop.lst").read_text() + sops)
        (self.folder / "acrnema.map").touch()
        text = INI.format(port=self.port, data=self.data, database=self.database) + ini
        (self.folder / "dicom.ini").write_text(text)
        self.make_database()

    def make_database(self) -> None:
        """Make the tables where there are none."""
        text = (self.folder / "dicom.ini").read_bytes()
        settings, faults = load_settings(IniFile.parse(text), str(self.folder))
        assert not faults
        ensure_database(settings, kfactor())

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        module = "tests.dgate.hostile.serving"
        words = [sys.executable, "-m", module, json.dumps(self.times), "-v", f"-w{self.folder}", "-q127.0.0.1"]
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(words, cwd=REPOSITORY, stdout=out, stderr=subprocess.STDOUT)
        wait_for(self._answers, 30, self.log)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        with suppress(OSError, AssertionError):
            self.still_serves()
            return True
        return False

    def still_serves(self) -> None:
        with RawClient(self.port) as client:
            client.associate()
            assert client.echo() == 0
            client.release()

    def warm_up(self) -> None:
        """Have everything loaded and opened once."""
        with Client(self.port) as client:
            assert client.store(dataset(CT1)) == 0
            assert client.find("IMAGE", {SOP_UID: b""})[0] == 0
            client.release()
        with RawClient(self.port) as stranger:
            stranger.send(b"GET / HTTP/1.1\r\n\r\n")  # for PacsTrouble.log to be opened
            stranger.everything()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """End it, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def know(self, *lines: str) -> None:
        """Make these lines the acrnema.map of the running server."""
        (self.folder / "acrnema.map").write_text("\n".join(lines) + "\n")
        before = self.log().count("Configuration read again")
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log().count("Configuration read again") > before, context=self.log)

    def log(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for_line(self, text: str) -> None:
        wait_for(lambda: text in self.log(), context=lambda: self.log()[-2000:])

    # -- what there is

    def files(self) -> list[str]:
        """Every object file below the device."""
        found = (path.relative_to(self.data) for path in self.data.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.parts[0] not in (".spool", "printer_files"))

    def temporaries(self) -> list[str]:
        spool = self.data / ".spool"
        return [path.name for path in spool.iterdir() if path.name.endswith(".tmp")] if spool.is_dir() else []

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            connection.text_factory = bytes
            return connection.execute(sql).fetchall()

    def images(self) -> int:
        return int(self.rows("SELECT COUNT(*) FROM DICOMImages")[0][0])

    def level(self) -> Level:
        status = Path(f"/proc/{self.pid}/status").read_text()
        targets = self._descriptors()
        sockets = sum(target.startswith("socket:") for target in targets)
        cached = sum(self._is_cached(target) for target in targets)
        return Level(
            threads=_field(status, "Threads"),
            sockets=sockets,
            files=len(targets) - sockets - cached,
            memory=_field(status, "VmRSS"),
            temporaries=len(self.temporaries()),
        )

    def _descriptors(self) -> list[str]:
        found = []
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(str(entry.readlink()))
        return found

    def _is_cached(self, target: str) -> bool:
        is_folder = target.startswith(str(self.data)) and Path(target).is_dir()
        return target.startswith(str(self.database)) or is_folder

    def quiet_level(self) -> Level:
        """The level when no connection is left but the listening socket."""
        wait_for(lambda: self.level().sockets == 1)
        return self.level()

    def forget_peak(self) -> int:
        """Begin to measure the peak of the memory anew; what it is now, in kB."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        return self.peak()

    def peak(self) -> int:
        """The most memory since `forget_peak`, in kB."""
        return _field(Path(f"/proc/{self.pid}/status").read_text(), "VmHWM")

    def wait_until_back(self, before: Level) -> None:
        """All that a case took has been given back."""
        wait_for(lambda: self._is_back(before), 15, lambda: f"{before} -> {self.level()}: {self._descriptors()}")

    def _is_back(self, before: Level) -> bool:
        now = self.level()
        return (
            now.threads <= max(before.threads, QUIET_THREADS)
            and now.sockets <= before.sockets
            and now.files <= before.files
            and now.temporaries <= before.temporaries
            and now.memory <= before.memory + MEMORY_SLACK
        )


def _field(status: str, name: str) -> int:
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name + ":"))
