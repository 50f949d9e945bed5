from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dgate.config.inifile import IniFile
from dgate.config.live import LiveConfig
from dgate.config.settings import load_settings
from dgate.interfaces import (
    ActionFailure,
    Asker,
    Commitment,
    Outgoing,
    QueryFailure,
    QueryModel,
    RetrieveFailure,
    StoredObject,
    StoreRequest,
)
from dgate.net.limits import Doorkeeper, Limits
from dgate.net.listener import Listener, bind
from dgate.net.node import Node

from .raw import RawClient

SHORT = Limits(handshake=0.4, pdu=0.4, message=0.6, idle=30.0, send=0.5, linger=0.3, grace=5.0)
"""Deadlines that a test can wait for; idle associations are left alone."""
PATIENT = Limits()


class MemoryIncoming:
    def __init__(self, archive: MemoryArchive, request: StoreRequest) -> None:
        self.archive = archive
        self.request = request
        self.content = bytearray()
        self.unreadable = False

    def write(self, fragments: Sequence[memoryview]) -> None:
        for fragment in fragments:
            self.content += fragment
        self.archive.largest_write = max(self.archive.largest_write, sum(map(len, fragments)))

    def finish(self) -> int:
        self.archive.stored.append((self.request, bytes(self.content)))
        return self.archive.status

    def abort(self) -> None:
        self.archive.aborted.append(self.request)


@dataclass
class MemoryArchive:
    """Records what arrives at the border."""

    status: int = 0
    finder: Callable[[QueryModel, bytes, str], Iterator[bytes]] = lambda *_: iter(())
    stored: list[tuple[StoreRequest, bytes]] = field(default_factory=list)
    aborted: list[StoreRequest] = field(default_factory=list)
    largest_write: int = 0

    def begin_store(self, request: StoreRequest) -> MemoryIncoming:
        return MemoryIncoming(self, request)

    def find(
        self, model: QueryModel, identifier: bytes, transfer_syntax: str, asker: Asker | None = None
    ) -> Iterator[bytes]:
        assert asker is not None
        return self.finder(model, identifier, transfer_syntax)

    def select(
        self, identifier: bytes, transfer_syntax: str, asker: Asker | None = None, destination: str = ""
    ) -> list[StoredObject]:
        del asker, destination
        raise QueryFailure(0xC004, f"nothing is ever retrieved from here: {identifier!r}, {transfer_syntax}")

    def open(self, stored: StoredObject, asker: Asker | None = None, destination: str = "") -> Outgoing:
        del asker, destination
        raise RetrieveFailure(f"nothing is ever retrieved from here: {stored}")

    def commitment(self, information: bytes, transfer_syntax: str) -> Commitment:
        raise ActionFailure(0x0110, f"nothing is ever promised here: {information!r}, {transfer_syntax}")

    def close(self) -> None:
        pass


@dataclass
class MemoryLog:
    lines: list[str] = field(default_factory=list)
    debug_lines: list[str] = field(default_factory=list)
    users: list[tuple[str, str]] = field(default_factory=list)

    def console(self, line: str) -> None:
        self.lines.append(line)

    def debug(self, line: str) -> None:
        self.debug_lines.append(line)

    def hold(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def release(self) -> None:
        pass

    def trouble(self, line: str) -> None:
        self.lines.append(line)

    def user(self, operation: str, calling_ae: str) -> None:
        self.users.append((operation, calling_ae))


@dataclass
class Running:
    """A server of the real composition, but for the archive and the log."""

    listener: Listener
    door: Doorkeeper
    archive: MemoryArchive
    log: MemoryLog

    @property
    def port(self) -> int:
        return self.listener.port

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        wait_for(condition, seconds, lambda: f"log: {self.log.lines[-20:]}, connections: {self.door.counts()}")

    def wait_until_empty(self) -> None:
        self.wait_for(lambda: self.door.counts() == (0, 0))


def wait_for(condition: Callable[[], bool], seconds: float = 10.0, context: Callable[[], str] = str) -> None:
    until = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < until, f"condition not reached; {context()}"
        pause.wait(0.005)


def still_serves(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        assert client.echo() == 0
        client.release()


StartServer = Callable[..., Running]


def live_config(folder: Path, sops: bytes = b"", more: bytes = b"") -> LiveConfig:
    """The configuration of an instance in a folder: a minimal dicom.ini and, unless empty, a dgatesop.lst."""
    ini = b"[sscscp]\nMicroPACS = sscscp\nSQLite = 1\nSQLServer = dicom.db3\nMAGDevice0 = data\n" + more
    (folder / "dicom.ini").write_bytes(ini)
    (folder / "acrnema.map").touch()
    if sops:
        (folder / "dgatesop.lst").write_bytes(sops)
    settings, _ = load_settings(IniFile.parse(ini), str(folder))
    return LiveConfig(settings, lambda _: None)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """A factory: `start_server(limits=..., sops=...)`. All of them are stopped at the end, and must have no threads."""
    running: list[Running] = []

    def start(limits: Limits = SHORT, sops: bytes = b"", ini: bytes = b"", **changes: object) -> Running:
        limits = replace(limits, **changes)  # type: ignore[arg-type]
        folder = tmp_path / f"node{len(running)}"
        folder.mkdir()
        door, archive, log = Doorkeeper(limits), MemoryArchive(), MemoryLog()
        listener = Listener(bind("127.0.0.1", 0), Node(archive, log, limits, door, live_config(folder, sops, ini)))
        listener.start()
        running.append(Running(listener, door, archive, log))
        return running[-1]

    yield start
    for server in running:
        server.listener.stop()
        assert server.listener.threads == 0
        assert server.door.counts() == (0, 0)


@pytest.fixture
def server(start_server: StartServer) -> Running:
    return start_server()
