"""A server process in a folder of its own whose converters a test writes, and what becomes of an object that is sent.

Nothing of the server is imported: it is started as an operator would, and seen from the network, the disk and its log.
"""

from __future__ import annotations

import itertools
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE, build_context

from tests.ports import free_port

REPOSITORY = Path(__file__).parents[3]
TEMPLATES = REPOSITORY / "templates" / "mount"
CONFIG = TEMPLATES / "config"
INI = """[sscscp]
MicroPACS = sscscp
MyACRNema = ORACLE
TCPPort = {port}
SQLite = 1
SQLServer = {folder}/conquest.db3
MAGDevices = 2
MAGDevice0 = {folder}/data/
MAGDevice1 = {folder}/data1/
MAGDeviceFullThreshHold = -1
UIDPrefix = 99999.99999
ForwardAssociationCloseDelay = 1
"""
SETTLED = "Configuration read again"
BEFORE = "Message ID  "
"""The last line of the log before those of converters."""
AROUND = ("FreeStore Left ", "Written file: ", "Rewritten file: ", "UPACS THREAD ")
"""Lines among them and behind them that are there without converters too."""

_numbers = itertools.count(1)


@cache
def _bytes_of(name: str) -> Path:
    found = get_testdata_file(name)
    assert isinstance(found, str), f"pydicom has no {name}"
    return Path(found)


def image(name: str = "CT_small.dcm", *, same: bool = False, **values: object) -> pydicom.Dataset:
    """One of pydicom's files, in a study of its own unless it is to keep its UIDs, with other values; None removes."""
    made = pydicom.dcmread(_bytes_of(name))
    if not same:
        study = f"1.2.3.{next(_numbers)}"
        made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = study, f"{study}.1", f"{study}.1.1"
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    for keyword, value in values.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def ct(**values: Any) -> pydicom.Dataset:
    return image(**values)


def mr(**values: Any) -> pydicom.Dataset:
    return image("MR_small.dcm", **values)


@dataclass(frozen=True)
class Seen:
    """What one C-STORE came to."""

    status: int
    log: list[str]
    """Lines that converters caused, in order."""
    whole: list[str]
    path: Path | None
    """Where the object was stored."""

    @property
    def stored(self) -> pydicom.Dataset:
        assert self.path is not None, self.whole
        return pydicom.dcmread(self.path)


class ConverterSite:
    """The process, its folder, its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder / "stdout"
        for name in ("data", "data1"):
            (folder / name).mkdir()
        for name in ("dicom.sql", "dgate.dic", "dgatesop.lst"):
            (folder / name).write_bytes((CONFIG / name).read_bytes())
        (folder / "acrnema.map").touch()
        self._write("")
        self.process: subprocess.Popen[bytes] | None = None
        self._read = 0

    # -- the process

    def start(self) -> None:
        words = [sys.executable, "-m", "dgate", f"-w{self.folder}"]
        environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}
        made = subprocess.run(
            [*words, "-v", "-r"], cwd=self.folder, env=environment, capture_output=True, timeout=60, check=False
        )
        assert made.returncode == 0, made
        self._launch([*words, "-v", "-q127.0.0.1"], environment)

    def _launch(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                words, cwd=self.folder, env=environment, stdout=out, stderr=subprocess.STDOUT
            )
        self.wait(self._listens)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def wait(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.log()[-3000:]
            time.sleep(0.005)

    def log(self) -> str:
        return self.output.read_bytes().decode("utf-8", "surrogateescape")

    # -- its configuration

    def configure(self, converters: Sequence[str] = (), ini: str = "") -> None:
        """Make these the import converters of the running server, and these the other keys and sections."""
        numbered = "".join(f"ImportConverter{number} = {line}\n" for number, line in enumerate(converters))
        self._write(numbered + ini)
        self._read_again()

    def _read_again(self) -> None:
        before = self.log().count(SETTLED)
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        self.wait(lambda: self.log().count(SETTLED) > before)

    def _write(self, more: str) -> None:
        text = INI.format(port=self.port, folder=self.folder) + more
        (self.folder / "dicom.ini").write_bytes(text.encode("latin-1"))

    def know(self, *lines: str) -> None:
        """Make these lines its acrnema.map; `configure` comes after."""
        (self.folder / "acrnema.map").write_text("\n".join(lines) + "\n")

    def write(self, name: str, content: str) -> Path:
        """A file in its folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("latin-1"))
        return path

    def command(self, text: str) -> str:
        """Give the running server a command; what it answers."""
        words = [sys.executable, "-m", "dgate", f"-w{self.folder}", f"--{text}"]
        made = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
        assert not made.stderr, made
        return made.stdout

    # -- sending

    def send(self, made: pydicom.Dataset, calling: str = "SENDER", called: str = "ORACLE") -> Seen:
        """Store an object over an association of its own."""
        with self.association(made, calling=calling, called=called) as store:
            return store(made)

    @contextmanager
    def association(
        self, *kinds: pydicom.Dataset, calling: str = "SENDER", called: str = "ORACLE"
    ) -> Iterator[Callable[[pydicom.Dataset], Seen]]:
        """An association that takes objects of these kinds; calling it stores one."""
        ae = AE(calling)
        wanted = {(kind.SOPClassUID, kind.file_meta.TransferSyntaxUID) for kind in kinds}
        contexts = [build_context(sop_class, [syntax]) for sop_class, syntax in sorted(wanted)]
        made = ae.associate("127.0.0.1", self.port, contexts, ae_title=called)
        assert made.is_established, self.log()[-2000:]
        try:
            yield lambda dataset: self._store(made, dataset)
        finally:
            made.release()

    def _store(self, association: Any, made: pydicom.Dataset) -> Seen:
        self._read = self.output.stat().st_size
        status = association.send_c_store(made).Status
        whole = self.lines()
        own = whole[max(at for at, line in enumerate(whole) if line.startswith(BEFORE)) + 1 :]
        found = [line.split(": ", 1)[1] for line in whole if line.startswith(("Written file: ", "Rewritten file: "))]
        path = self.folder / found[-1] if found else None
        return Seen(status, [line for line in own if not line.startswith(AROUND)], whole, path)

    def lines(self) -> list[str]:
        """What the log has got since the last object was sent."""
        with self.output.open("rb") as file:
            file.seek(self._read)
            return file.read().decode("utf-8", "surrogateescape").split("\n")[:-1]

    def run(
        self, *converters: str, of: pydicom.Dataset | None = None, ini: str = "", calling: str = "SENDER",
        called: str = "ORACLE",
    ) -> Seen:  # fmt: skip
        """Configure, send one object, and see."""
        self.configure(converters, ini)
        return self.send(ct() if of is None else of, calling, called)


class InstanceSite(ConverterSite):
    """The same in an instance's folder, as the templates make one; its lines stand in converters.txt."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(TEMPLATES, folder / "mount")
        self.folder = folder
        self.port = free_port()
        self.output = folder / "stdout"
        self.process = None
        self._read = 0

    def start(self) -> None:
        environment = {
            "PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "AETITLE": "ORACLE", "PORT": str(self.port),
            "LISTEN": "127.0.0.1",
        }  # fmt: skip
        self._launch([sys.executable, "-m", "dgate.start"], environment)

    def convert(self, content: bytes) -> None:
        """Make this the converters.txt of the running server."""
        (self.folder / "mount/config/converters.txt").write_bytes(content)
        self._read_again()


@dataclass(frozen=True)
class Case:
    """Converters, an object they are run on, and what the reference says comes of it.

    `log` has `IC` for `Importconverter`; None where another test looks at the lines.
    """

    name: str
    lines: Sequence[str]
    log: Sequence[str] | None = None
    status: int = 0
    kept: bool = True
    ini: str = ""
    of: Callable[[], pydicom.Dataset] = ct
    check: Callable[[pydicom.Dataset], object] | None = None
    """Says of the stored object whether it is right."""


def short(lines: Sequence[str]) -> list[str]:
    return [line.replace("Importconverter", "IC") for line in lines]


def hold(site: ConverterSite, case: Case) -> None:
    """Run a case; all of it is as the reference says."""
    seen = site.run(*case.lines, of=case.of(), ini=case.ini)
    if case.log is not None:
        assert short(seen.log) == [line.replace("{folder}", str(site.folder)) for line in case.log]
    assert seen.status == case.status
    assert (seen.path is not None) is case.kept
    if case.check is not None:
        assert case.check(seen.stored), seen.stored


def named(*cases: Case) -> pytest.MarkDecorator:
    """A decorator that makes a test of each."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])
