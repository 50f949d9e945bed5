"""An instance folder as the reference describes it, and the real program in it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.dgate.net.conftest import wait_for
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[3]
CONFIG = REPOSITORY / "templates" / "mount" / "config"
RUNNING = "is running as threaded server"

Ini = Mapping[str, object]
_empty_database: list[bytes] = []


def program(folder: Path, *words: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run dgate to its end in an instance folder, from another working directory."""
    return subprocess.run(
        [sys.executable, "-m", "dgate", f"-w{folder}", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


class Node:
    """One instance and its process."""

    def __init__(self, folder: Path, keys: Ini | None = None, *, ini: str = "", amap: str = "", sops: str = "") -> None:
        """`keys` go over the usual ones, None leaves one out; `ini` is put behind them as it is."""
        self.folder = folder
        self.port = free_port()
        self.data = folder / "data"
        self.database = folder / "conquest.db3"
        self.output = folder / "stdout"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        self.data.mkdir()
        for name in ("dicom.sql", "dgate.dic"):
            (folder / name).write_bytes((CONFIG / name).read_bytes())
        (folder / "dgatesop.lst").write_text((CONFIG / "dgatesop.lst").read_text() + sops)
        (folder / "acrnema.map").write_text(amap)
        self.configure(keys or {}, ini)

    def configure(self, keys: Ini, ini: str = "") -> None:
        usual: dict[str, object] = {
            "MicroPACS": "sscscp",
            "MyACRNema": "ORACLE",
            "TCPPort": self.port,
            "SQLite": 1,
            "SQLServer": self.database,
            "MAGDevice0": f"{self.data}/",
            "MAGDeviceFullThreshHold": 1,
            "TroubleLog": "PacsTrouble.log",
            "UserLog": "PacsUser.log",
        }
        usual.update(keys)
        lines = [f"{key} = {value}" for key, value in usual.items() if value is not None]
        (self.folder / "dicom.ini").write_text("\n".join(["[sscscp]", *lines, ini, ""]))

    # -- the process

    def initialise(self) -> None:
        """`dgate -i`, done once for all instances that have the same tables."""
        if not _empty_database:
            done = program(self.folder, "-i")
            assert done.returncode == 0, done.stderr
            _empty_database.append(self.database.read_bytes())
        self.database.write_bytes(_empty_database[0])

    def start(self, *words: str) -> None:
        since = self.mark() if self.output.exists() else 0
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dgate", "-v", f"-w{self.folder}", *words],
                cwd=self.folder,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        wait_for(lambda: self._runs(since), 30, self.log)

    def _runs(self, since: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return RUNNING in self.log()[since:]

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def read_again(self) -> None:
        """SIGHUP, and what was changed counts."""
        mark = self.mark()
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        self.line("Configuration read again", mark)

    def forget(self) -> None:
        """Empty the index of the running server and its device, as somebody else would."""
        with closing(sqlite3.connect(self.database)) as connection:
            for table in ("DICOMPatients", "DICOMStudies", "DICOMSeries", "DICOMImages"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
            connection.commit()
        for name in self.files():
            (self.data / name).unlink()

    # -- what can be seen of it

    def log(self) -> str:
        return self.output.read_text(errors="replace")

    def lines(self, since: int = 0) -> list[str]:
        return self.log()[since:].splitlines()

    def mark(self) -> int:
        return len(self.log())

    def line(self, start: str, since: int = 0) -> str:
        """The line that begins so; waits for it."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [line for line in self.lines(since) if line.startswith(start)]
            return bool(found)

        wait_for(there, context=lambda: f"{start!r} not in:\n" + "\n".join(self.lines(since)))
        return found[0]

    def trouble(self) -> list[str]:
        """PacsTrouble.log without its time stamps."""
        path = self.folder / "PacsTrouble.log"
        return [line[25:] for line in path.read_text(errors="replace").splitlines()] if path.exists() else []

    def user(self) -> list[str]:
        """PacsUser.log without its time stamps."""
        path = self.folder / "PacsUser.log"
        return [line[25:] for line in path.read_text().splitlines()] if path.exists() else []

    def files(self, folder: Path | None = None) -> list[str]:
        """Every object file below the device."""
        root = folder or self.data
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.parts[0] not in (".spool", "printer_files"))

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            connection.text_factory = lambda raw: raw.decode("latin-1")
            return connection.execute(sql, values).fetchall()

    def value(self, sql: str, *values: object) -> object:
        found = self.rows(sql, *values)
        assert len(found) == 1, found
        return found[0][0]


@contextmanager
def running(node: Node, *, initialise: bool = True, words: tuple[str, ...] = ()) -> Iterator[Node]:
    try:
        if initialise:
            node.initialise()
        node.start(*words)
        yield node
        assert node.process is None or node.process.poll() is not None or node.stop() == 0
    finally:
        node.kill()
    for sign in ("Traceback", "internal fault"):
        assert sign not in node.log(), node.log()
