from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dgate.archive.archive import DiskArchive, open_archive
from dgate.commands.client import request
from dgate.commands.context import Context
from dgate.commands.dispatch import ServerCommands
from dgate.config.inifile import IniFile
from dgate.config.live import LiveConfig
from dgate.config.settings import Settings, load_settings
from dgate.index.schema import initialise
from dgate.log import FileLog
from dgate.net.counters import Counters
from dgate.net.limits import Doorkeeper, Limits
from dgate.net.listener import Listener, bind
from dgate.net.node import Node
from dgate.rules.instance import ConvertersOf
from tests.dgate.archive.support import ct1, dataset, kfactor, store

CONFIG = Path(__file__).parents[3] / "templates" / "mount" / "config"
INI = """[sscscp]
MicroPACS = sscscp
MyACRNema = ORACLE
TCPPort = 5678
SQLite = 1
SQLServer = {root}/conquest.db3
MAGDevice0 = {root}/data/
IgnoreMAGDeviceThreshHold = 1
"""
MAP = "ORACLE 127.0.0.1 5678 un\nOTHER 127.0.0.1 15653 un\nSTAR* * 1234 j2\n"


@dataclass
class Site:
    """An instance folder and the server that runs on it."""

    root: Path
    settings: Settings
    archive: DiskArchive
    context: Context
    listener: Listener
    node: Node
    stops: list[float] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.listener.port

    @property
    def ini(self) -> Path:
        return self.root / "dicom.ini"

    def command(self, text: str, upload: bytes | None = None) -> str:
        """Through the wire, with the project's own client."""
        sent = text.encode("utf-8", "surrogateescape")
        output = request(self.settings, "127.0.0.1", self.port, sent, upload)
        return output.decode("utf-8", "surrogateescape")

    def store(self, **changes: bytes | None) -> None:
        assert store(self.archive, dataset(ct1(**changes))) == 0

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.root / "conquest.db3")) as connection:
            return connection.execute(sql).fetchall()

    def files(self) -> list[str]:
        data = self.root / "data"
        found = (path.relative_to(data) for path in data.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.parts[0] != ".spool")

    def log(self) -> str:
        return (self.root / "server.log").read_text()


def make_site(root: Path) -> Site:
    (root / "data").mkdir()
    (root / "dicom.ini").write_text(INI.format(root=root))
    (root / "acrnema.map").write_text(MAP)
    for name in ("dicom.sql", "dgatesop.lst", "dgate.dic"):
        if (CONFIG / name).exists():
            shutil.copy(CONFIG / name, root / name)
    settings, faults = load_settings(IniFile.parse((root / "dicom.ini").read_bytes()), str(root))
    assert not [fault for fault in faults if fault.fatal]
    log = FileLog(verbose=False, trouble_path=settings.trouble_log, user_path=settings.user_log)
    log.add_file(str(root / "server.log"), debug=True, stamped=False)
    initialise(settings, kfactor(), log, 0)
    archive, limits = open_archive(settings, kfactor(), log), Limits()
    door, counters, stops = Doorkeeper(limits), Counters(), []
    config = LiveConfig(settings, log.console)
    converters = ConvertersOf(archive, log, lambda: config.settings)
    archive.convert_with(converters)
    archive.follow(lambda: config.settings)
    context = Context(
        config, kfactor(), archive, log, door, counters, time.time(), stop=lambda: stops.append(time.time()),
        rules=converters.services,
    )  # fmt: skip
    node = Node(archive, log, limits, door, config, counters, ServerCommands(context))
    listener = Listener(bind("127.0.0.1", 0), node)
    return Site(root, settings, archive, context, listener, node, stops)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path)
    made.listener.start()
    yield made
    made.listener.stop()
    made.archive.close()
    assert made.listener.threads == 0
