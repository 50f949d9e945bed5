"""What the archive's tests share: a log that remembers, settings for a folder, data sets as bytes, storing them."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgate.archive.archive import DiskArchive, open_archive
from dgate.config.archiveoptions import options_from
from dgate.config.inifile import IniFile
from dgate.config.kfactor import KFactor, parse_dicom_sql
from dgate.config.settings import Settings, load_settings
from dgate.encoding.elements import EXPLICIT_LITTLE, encode_element, encoding_of
from dgate.index.database.dialect import BEGIN, COMMIT
from dgate.index.index import connect
from dgate.index.schema import initialise
from dgate.interfaces import StoreRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
DICTIONARY_FILE = Path(__file__).parents[3] / "templates" / "mount" / "config" / "dgate.dic"
SQL_FILE = Path(__file__).parents[3] / "templates" / "mount" / "config" / "dicom.sql"
UID = "1.2.826.0.1.3680043.8.498.77.1.1"

database_settings: dict[str, Any] = json.loads(os.environ.get("DGATE_TEST_DATABASE", "{}"))
"""Of the server that the running test's index is in, for its child processes too; empty for SQLite."""

clearing: list[Callable[[], None]] = []
"""What empties that database."""

TABLES = ("DICOMPatients", "DICOMStudies", "DICOMSeries", "DICOMImages")

CT1: dict[int, tuple[bytes, bytes]] = {
    0x00080008: (b"CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
    0x00080016: (b"UI", CT_CLASS.encode()),
    0x00080018: (b"UI", UID.encode() + b".1.1"),
    0x00080020: (b"DA", b"20200229"),
    0x00080030: (b"TM", b"101112.123456"),
    0x00080060: (b"CS", b"CT"),
    0x00081030: (b"LO", b"Brain, w/o: contrast"),
    0x00100010: (b"PN", b"Doe^John^Q"),
    0x00100020: (b"LO", b"PAT 001.A"),
    0x00100030: (b"DA", b"19701231"),
    0x00100040: (b"CS", b"M"),
    0x0020000D: (b"UI", UID.encode()),
    0x0020000E: (b"UI", UID.encode() + b".1"),
    0x00200010: (b"SH", b"STU 1"),
    0x00200011: (b"IS", b"7"),
    0x00200013: (b"IS", b"42"),
    0x00280002: (b"US", b"\x01\x00"),
    0x00280004: (b"CS", b"MONOCHROME2"),
    0x00280010: (b"US", b"\x04\x00"),
    0x00280011: (b"US", b"\x08\x00"),
    0x00280101: (b"US", b"\x0c\x00"),
    0x7FE00010: (b"OW", bytes(range(64))),
}
"""The example object of the reference."""


@dataclass
class Lines:
    """A log that keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def console(self, line: str) -> None:
        self.lines.append(line)

    def debug(self, line: str) -> None:
        assert isinstance(line, str)

    def hold(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def release(self) -> None:
        pass

    def trouble(self, line: str) -> None:
        self.troubles.append(line)

    def user(self, operation: str, calling_ae: str) -> None:
        self.lines.append(f"{operation},{calling_ae}")


def kfactor() -> KFactor:
    found = parse_dicom_sql(SQL_FILE.read_text())
    assert not found.faults
    return found


def settings_for(root: Path, **changes: Any) -> Settings:
    """Settings with one device `data` and a database file below the root."""
    (root / "data").mkdir(exist_ok=True)
    text = (
        "[sscscp]\nMicroPACS = sscscp\nMyACRNema = ORACLE\nSQLite = 1\n"
        f"SQLServer = {root}/conquest.db3\nMAGDevice0 = {root}/data/\n"
    )
    settings, faults = load_settings(IniFile.parse(text.encode()), str(root))
    assert not faults
    return replace(settings, **{**database_settings, **changes})


@dataclass
class House:
    """An archive in a folder of its own."""

    root: Path
    settings: Settings
    log: Lines
    archive: DiskArchive

    @property
    def data(self) -> Path:
        return self.root / "data"

    def files(self) -> list[str]:
        """Every object file below the device, the spool left out."""
        found = (path.relative_to(self.data) for path in self.data.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.parts[0] != ".spool")

    def leftovers(self) -> list[str]:
        return [path.name for path in (self.data / ".spool").iterdir() if path.name.endswith(".tmp")]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """As another process sees them."""
        with closing(connect(options_from(self.settings))) as connection:
            return connection.execute(sql).fetchall()

    def change(self, *statements: str) -> None:
        """What another process does to the database."""
        with closing(connect(options_from(self.settings), writing=True)) as connection:
            connection.execute(BEGIN)
            for sql in statements:
                connection.execute(sql)
            connection.execute(COMMIT)

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that is in the index."""
        return {name: self.rows(f"SELECT * FROM {name}") for name in TABLES}  # noqa: S608 - names from above

    def store(self, elements: Mapping[int, tuple[bytes, bytes]], syntax: str = EXPLICIT_LITTLE) -> int:
        return store(self.archive, dataset(elements, syntax), syntax)

    def reopen(self, **changes: Any) -> None:
        self.archive.close()
        self.settings = replace(self.settings, **changes)
        self.archive = open_archive(self.settings, kfactor(), self.log)


def make_house(root: Path, **changes: Any) -> House:
    for clear in clearing:
        clear()
    settings, log = settings_for(root, **changes), Lines()
    initialise(settings, kfactor(), Lines(), 0)
    return House(root, settings, log, open_archive(settings, kfactor(), log))


def ct1(**changes: bytes | None) -> dict[int, tuple[bytes, bytes]]:
    """The example object with other values: `t00100020=b"X"`; None leaves the attribute out."""
    elements = dict(CT1)
    for name, value in changes.items():
        tag = int(name[1:], 16)
        if value is None:
            elements.pop(tag, None)
        else:
            elements[tag] = (elements.get(tag, (b"LO", b""))[0], value)
    return elements


def dataset(elements: Mapping[int, tuple[bytes, bytes]], syntax: str = EXPLICIT_LITTLE) -> bytes:
    encoding = encoding_of(syntax)
    return b"".join(encode_element(tag, vr, value, encoding) for tag, (vr, value) in sorted(elements.items()))


def request(syntax: str = EXPLICIT_LITTLE, uid: str = UID + ".1.1", sop_class: str = CT_CLASS) -> StoreRequest:
    return StoreRequest(sop_class, uid, syntax, "TESTSCU", "ORACLE")


def store(archive: DiskArchive, data: bytes, syntax: str = EXPLICIT_LITTLE, sizes: Sequence[int] = (16384,)) -> int:
    """Store bytes in fragments of these sizes, the last size repeated."""
    incoming = archive.begin_store(request(syntax))
    view, sizes = memoryview(data), list(sizes)
    while view:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        incoming.write([view[:size]])
        view = view[size:]
    return incoming.finish()
