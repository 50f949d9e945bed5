"""The servers that are compared: how each is configured, and what it is known to sync to disk."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.server import sink
from benchmarks.server.instance import Server
from benchmarks.server.link import LoadError
from benchmarks.server.load import Target

REPOSITORY = Path(__file__).resolve().parents[2]
ORTHANC, DCMQRSCP, STORESCP = "/usr/sbin/Orthanc", "/usr/bin/dcmqrscp", "/usr/bin/storescp"
"""Of the Debian packages: other toolkits install programs of the same names."""
DGATE_COMMAND = "BENCH_DGATE_COMMAND"
"""Names the real dgate's program, with arguments if it needs any."""


class Dgate(Server):
    """This project's server, started as every instance is."""

    name = "dgate"
    syncs = (
        "rows: SQLite WAL, synchronous=NORMAL (log synced at checkpoints); files: written, renamed, not synced. An"
        " acknowledged object survives the death of the process, not a loss of power (source; strace: 3 calls for 50)"
    )
    sqlite_startup = ""

    def prepare(self) -> None:
        """See `Server`."""
        shutil.copytree(REPOSITORY / "templates" / "mount", self.folder / "mount")
        config = self.folder / "mount" / "config"
        with (config / "acrnema.map").open("a") as file:
            file.write(f"\n{sink.AE_TITLE} 127.0.0.1 {self.sink_port} ul\n")
        if self.sqlite_startup:
            template = config / "dicom.ini.j2"
            text = template.read_text()
            marker = "MicroPACS                = sscscp\n"
            if marker not in text:
                raise LoadError(f"{template} has no line {marker!r}")
            template.write_text(text.replace(marker, f"{marker}SQLiteStartup = {self.sqlite_startup}\n", 1))

    def command(self) -> list[str]:
        """See `Server`."""
        return [sys.executable, "-m", "dgate.start"]

    def environment(self) -> dict[str, str]:
        """See `Server`."""
        more = {"AETITLE": "DGATE", "PORT": str(self.port), "LISTEN": "127.0.0.1", "PYTHONPATH": str(REPOSITORY)}
        return os.environ | more


class DgateSynced(Dgate):
    """The same with every object synced before it is acknowledged."""

    name = "dgate synced"
    syncs = (
        "rows: synchronous=FULL (log synced per commit); files: fdatasync before the rename (source;"
        " strace: 102 calls for 50 objects)"
    )
    sqlite_startup = "PRAGMA synchronous = FULL"


class RealDgate(Dgate):
    """The original, from the program that the environment names."""

    name = "original"
    syncs = "nothing: synchronous=OFF by default, files are not synced (conduct of the original as documented)"

    @property
    def target(self) -> Target:
        """See `Server`."""
        return Target(self.port, "DGATE")

    def prepare(self) -> None:
        """See `Server`."""
        super().prepare()
        config = self.folder / "mount" / "config"
        text = (config / "dicom.ini.j2").read_text()
        (config / "dicom.ini").write_text(text.replace("{{ AETITLE }}", "DGATE").replace("{{ PORT }}", str(self.port)))
        for name in ("data", "dbase", "logs"):
            (self.folder / "mount" / name).mkdir(exist_ok=True)
        subprocess.run([*self._program(), "-i"], cwd=self.folder, check=True, capture_output=True)

    def command(self) -> list[str]:
        """See `Server`."""
        return [*self._program(), "-^serverstatus.log"]

    def _program(self) -> list[str]:
        return [*shlex.split(os.environ[DGATE_COMMAND]), "-v", f"-w{self.folder}/mount/config/"]


class Orthanc(Server):
    """As Debian ships it, without HTTP and plugins."""

    name = "Orthanc"
    syncs = (
        "one fdatasync per instance (SyncStorageArea, on by default), for its file; rows are not synced one by one"
        " (strace: 53 calls for 50 objects)"
    )
    storage = True

    def prepare(self) -> None:
        """See `Server`."""
        allow = {f"DicomAlwaysAllow{what}": True for what in ("Echo", "Store", "Find", "Get", "Move")}
        config = {
            "Name": "BENCH",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "Plugins": [],
            "HttpServerEnabled": False,
            "DicomAet": "ORTHANC",
            "DicomPort": self.port,
            "SyncStorageArea": self.storage,
            "DicomModalities": {"sink": [sink.AE_TITLE, "127.0.0.1", self.sink_port]},
        }
        (self.folder / "orthanc.json").write_text(json.dumps(config | allow, indent=1))

    def command(self) -> list[str]:
        """See `Server`."""
        return [ORTHANC, str(self.folder / "orthanc.json")]


class OrthancForFind(Orthanc):
    """Its files are not synced: that makes filling it quicker and does not touch C-FIND."""

    storage = False


class Dcmqrscp(Server):
    """dcmtk's archive: an index file that is searched from its beginning.

    Parallel associations lose index entries of each other (143 of 200 were found), so there is no valid run with four.
    An object of 1 GB is refused with status A700.
    """

    name = "dcmqrscp"
    syncs = "nothing (strace: no call)"
    large_find = False
    huge = False
    parallel = False

    def prepare(self) -> None:
        """See `Server`."""
        (self.folder / "storage").mkdir()
        (self.folder / "dcmqrscp.cfg").write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\nsink = ({sink.AE_TITLE}, localhost, {self.sink_port})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nDCMQRSCP {self.folder / 'storage'} RW (400, 2000mb) ANY\nAETable END\n"
        )

    def command(self) -> list[str]:
        """See `Server`."""
        return [DCMQRSCP, "-c", str(self.folder / "dcmqrscp.cfg")]


class Storescp(Server):
    """dcmtk's receiver without an index: files only."""

    name = "storescp"
    syncs = "nothing (strace: no call); keeps no index"
    indexed = False
    large_find = False

    def prepare(self) -> None:
        """See `Server`."""
        (self.folder / "storage").mkdir()

    def command(self) -> list[str]:
        """See `Server`."""
        return [STORESCP, "--fork", "-aet", "STORESCP", "-od", str(self.folder / "storage"), str(self.port)]

    def stored(self) -> set[str]:
        """SOP instance UIDs of the files, which are named `CT.UID` and the like."""
        return {file.name.partition(".")[2] for file in (self.folder / "storage").iterdir()}


def available() -> list[type[Server]]:
    """Our server in both modes, and the peers that are installed or named."""
    found: list[type[Server]] = [Dgate, DgateSynced]
    for server, program in ((Orthanc, ORTHANC), (Dcmqrscp, DCMQRSCP), (Storescp, STORESCP)):
        if shutil.which(program):
            found.append(server)
    if os.environ.get(DGATE_COMMAND):
        found.append(RealDgate)
    return found


def version(server: type[Server]) -> str:
    """The first line of what the program says of itself."""
    program = {Orthanc: ORTHANC, Dcmqrscp: DCMQRSCP, Storescp: STORESCP}.get(server)
    if program is None:
        return "this working tree" if server is not RealDgate else os.environ.get(DGATE_COMMAND, "")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].strip("$ ")
