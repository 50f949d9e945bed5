"""What the tests of rules share: an instance with converters in its dicom.ini, and the log lines they cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom

from dgate.archive.archive import DiskArchive, open_archive
from dgate.config.inifile import IniFile
from dgate.config.settings import Settings, load_settings
from dgate.encoding.elements import EXPLICIT_LITTLE
from dgate.index.schema import initialise
from dgate.interfaces import Session, StoreRequest
from dgate.rules.instance import ConvertersOf
from tests.dgate.archive.support import CT1, CT_CLASS, DICTIONARY_FILE, UID, dataset, kfactor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dgate.rules.interfaces import ScriptEngine

UIDS = {"study": UID, "series": UID + ".1", "image": UID + ".1.1"}
CT: dict[int, tuple[bytes, bytes]] = {
    **CT1,
    0x00081010: (b"SH", b"STATION1"),
    0x00100010: (b"PN", b"CompressedSamples^CT1"),
    0x00100020: (b"LO", b"1CT1"),
    0x00080050: (b"SH", b""),
    0x00280120: (b"US", (63536).to_bytes(2, "little")),
}
"""The reference's CT, near enough."""
NOISE = ("FreeStore Left", "Written file", "Rewritten file", "No Series", "No image", "File already")


@dataclass
class Record:
    """A log that keeps console and debug lines in their order, each with its class."""

    entries: list[tuple[str, str]] = field(default_factory=list)

    def console(self, line: str) -> None:
        self.entries.append(("O", line))

    def debug(self, line: str) -> None:
        self.entries.append(("D", line))

    def trouble(self, line: str) -> None:
        self.entries.append(("T", line))

    def user(self, operation: str, calling_ae: str) -> None:
        self.entries.append(("U", f"{operation} {calling_ae}"))

    def hold(self) -> None:
        """Nothing waits here."""

    flush = release = hold

    @property
    def lines(self) -> list[str]:
        """What converters say, class and line."""
        return [f"{kind} {line}" for kind, line in self.entries if not line.startswith(NOISE)]


@dataclass
class Instance:
    """An archive whose dicom.ini can be written anew."""

    root: Path
    settings: Settings
    log: Record
    archive: DiskArchive

    @property
    def data(self) -> Path:
        return self.root / "data"

    def configure(self, *lines: str, more: str = "", engine: ScriptEngine | None = None) -> None:
        """Give it these import converters, counted from 0."""
        keys = "".join(f"ImportConverter{number} = {line}\n" for number, line in enumerate(lines))
        self.settings = read_settings(self.root, keys + more)
        if engine is not None:
            converters = self.archive.stores.converters
            assert converters is not None
            converters.services.engine = engine

    def store(
        self,
        elements: Mapping[int, tuple[bytes, bytes]] = CT,
        syntax: str = EXPLICIT_LITTLE,
        *,
        session: Session | None = None,
        sizes: int = 16384,
        calling: str = "TESTSCU",
        called: str = "ORACLE",
    ) -> int:
        """Store an object; the status of the answer."""
        return self.store_bytes(dataset(elements, syntax), syntax, session, sizes, calling, called)

    def store_bytes(
        self,
        data: bytes,
        syntax: str = EXPLICIT_LITTLE,
        session: Session | None = None,
        sizes: int = 16384,
        calling: str = "TESTSCU",
        called: str = "ORACLE",
    ) -> int:
        request = StoreRequest(CT_CLASS, UIDS["image"], syntax, calling, called, session)
        incoming = self.archive.begin_store(request)
        view = memoryview(data)
        while view:
            incoming.write([view[:sizes]])
            view = view[sizes:]
        return incoming.finish()

    def files(self) -> list[Path]:
        return sorted(p for p in self.data.rglob("*") if p.is_file() and ".spool" not in p.parts)

    def leftovers(self) -> list[str]:
        return [path.name for path in (self.data / ".spool").iterdir() if path.name.endswith(".tmp")]

    def stored(self) -> pydicom.FileDataset:
        (file,) = self.files()
        return pydicom.dcmread(file)


def read_settings(root: Path, more: str = "") -> Settings:
    text = (
        "[sscscp]\nMicroPACS = sscscp\nMyACRNema = ORACLE\nSQLite = 1\nUIDPrefix = 99999.99999\n"
        f"SQLServer = {root}/conquest.db3\nMAGDevice0 = {root}/data/\nDictionary = {DICTIONARY_FILE}\n{more}"
    )
    settings, _ = load_settings(IniFile.parse(text.encode("utf-8", "surrogateescape")), str(root))
    return settings


def make_instance(root: Path, more: str = "") -> Instance:
    (root / "data").mkdir(exist_ok=True)
    settings, log = read_settings(root, more), Record()
    initialise(settings, kfactor(), log, 0)
    archive = open_archive(settings, kfactor(), log)
    made = Instance(root, settings, log, archive)
    archive.convert_with(ConvertersOf(archive, log, lambda: made.settings))
    archive.follow(lambda: made.settings)
    log.entries.clear()
    return made


def changed(elements: Mapping[int, tuple[bytes, bytes]], **changes: bytes | None) -> dict[int, tuple[bytes, bytes]]:
    """With other values: `t00100020=b"X"`; None leaves the attribute out."""
    made = dict(elements)
    for name, value in changes.items():
        tag = int(name[1:], 16)
        if value is None:
            made.pop(tag, None)
        else:
            made[tag] = (made.get(tag, (b"LO", b""))[0], value)
    return made


def texts(lines: Sequence[str], start: str = "") -> list[str]:
    """The lines without their class."""
    return [line[2:] for line in lines if line[2:].startswith(start)]
