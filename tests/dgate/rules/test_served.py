"""Converters of a served instance, seen from the network: pynetdicom sends, dicom.ini is edited meanwhile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pydicom
import pytest
from pynetdicom import AE

from dgate.archive.archive import open_archive
from dgate.config.live import LiveConfig
from dgate.encoding.elements import EXPLICIT_LITTLE
from dgate.encoding.part10 import header
from dgate.index.schema import initialise
from dgate.net.limits import Doorkeeper, Limits
from dgate.net.listener import Listener, bind
from dgate.net.node import Node
from dgate.rules.instance import ConvertersOf
from tests.dgate.archive.support import dataset, kfactor
from tests.dgate.net.conftest import wait_for
from tests.dgate.rules.bench import CT, Record, changed, read_settings, texts

if TYPE_CHECKING:
    from pathlib import Path

CT_IMAGE, MR_IMAGE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE, STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
MR = changed(CT, t00080060=b"MR", t00080016=b"1.2.840.10008.5.1.4.1.1.4\0", t00080018=b"1.2.3.4")


@dataclass
class Served:
    root: Path
    port: int
    log: Record

    def edit(self, more: str) -> None:
        read = (self.root / "base.ini").read_text()
        (self.root / "dicom.ini").write_text(read + more)

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.root / "data").rglob("*.dcm") if ".spool" not in path.parts]


@contextmanager
def served(root: Path) -> Iterator[Served]:
    (root / "data").mkdir()
    (root / "acrnema.map").touch()
    settings = read_settings(root)
    text = f"[sscscp]\nMicroPACS = sscscp\nSQLite = 1\nSQLServer = {root}/conquest.db3\nMAGDevice0 = {root}/data/\n"
    (root / "base.ini").write_text(f"{text}Dictionary = {settings.dictionary}\n")
    log, door = Record(), Doorkeeper(Limits())
    made = Served(root, 0, log)
    made.edit("")
    initialise(settings, kfactor(), log, 0)
    archive = open_archive(settings, kfactor(), log)
    config = LiveConfig(settings, log.console)
    archive.convert_with(ConvertersOf(archive, log, lambda: config.settings))
    archive.follow(lambda: config.settings)
    listener = Listener(bind("127.0.0.1", 0), Node(archive, log, Limits(), door, config))
    listener.start()
    made.port = listener.port
    try:
        yield made
    finally:
        listener.stop()
        archive.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.chdir(tmp_path)
    with served(tmp_path) as made:
        yield made


def part10(elements: dict[int, tuple[bytes, bytes]]) -> pydicom.Dataset:
    content = header(elements[0x00080016][1], elements[0x00080018][1], EXPLICIT_LITTLE.encode()) + dataset(elements)
    return pydicom.dcmread(io.BytesIO(content))


def send(server: Served, *objects: dict[int, tuple[bytes, bytes]]) -> list[int]:
    """All over one association; the statuses."""
    ae = AE("SENDER")
    for sop_class in (CT_IMAGE, MR_IMAGE):
        ae.add_requested_context(sop_class, EXPLICIT_LITTLE)
    association = ae.associate("127.0.0.1", server.port, ae_title="ORACLE")
    assert association.is_established
    try:
        return [association.send_c_store(part10(elements)).Status for elements in objects]
    finally:
        association.release()


def test_the_samples(server: Served) -> None:
    server.edit(
        'ImportConverter0 = ifequal "%m", "MR"; destroy;\n'
        'ImportConverter1 = ifequal "%m", "CT"; nop Welcome %m slice for patient %i!;\n'
    )
    wait_for(lambda: bool(send(server, MR)) and bool(texts(server.log.lines, "Import")))
    server.log.entries.clear()
    before = len(server.files)
    assert send(server, CT, MR) == [0, 0]
    assert texts(server.log.lines, "Importconverter") == [
        'Importconverter0.0 executes: ifequal "CT", "MR"',
        "Importconverter0.1 not executed because of previous statement",
        'Importconverter1.0 executes: ifequal "CT", "CT"',
        "Importconverter1.1: nop Welcome CT slice for patient 1CT1!",
        'Importconverter0.0 executes: ifequal "MR", "MR"',
        "Importconverter0.1: destroyed received image",
    ]
    assert len(server.files) == before + 1


def test_an_edit_works_without_a_restart_and_rejection_is_a_failure(server: Served) -> None:
    assert send(server, CT) == [0]
    server.edit("ImportConverter0 = reject\n")
    wait_for(lambda: send(server, MR) == [0x0110])
    server.edit("ImportConverter0 = reject\nStorageFailedErrorCode = 42752\n")
    wait_for(lambda: send(server, MR) == [0xA700])
    server.edit("")
    wait_for(lambda: send(server, MR) == [0])


def test_variables_go_from_image_to_image_and_no_further(server: Served) -> None:
    server.edit('ImportConverter0 = nop .%x.%u.%c.; set x to "%m"\n')
    wait_for(lambda: bool(send(server, CT)) and bool(texts(server.log.lines, "Import")))
    server.log.entries.clear()
    send(server, CT, MR)
    send(server, CT)
    said = texts(server.log.lines, "Importconverter0.0: nop ")
    assert [line.rpartition(" ")[2] for line in said] == ["..SENDER.ORACLE.", ".CT.SENDER.ORACLE.", "..SENDER.ORACLE."]


def test_a_query_that_is_refused(server: Served) -> None:
    server.edit("QueryConverter0 = destroy\n")
    keys = pydicom.Dataset()
    keys.QueryRetrieveLevel, keys.PatientID = "STUDY", "*"

    def status() -> int:
        ae = AE("ASKER")
        ae.add_requested_context(STUDY_FIND)
        association = ae.associate("127.0.0.1", server.port, ae_title="ORACLE")
        (last, _), *_ = list(association.send_c_find(keys, STUDY_FIND))[-1:]
        association.release()
        return int(last.Status)

    wait_for(lambda: status() == 0xC011)
    assert "O Queryconverter0.0: destroyed received image" in server.log.lines


@pytest.mark.parametrize("service", [STUDY_MOVE, STUDY_GET])
def test_a_retrieval_that_is_refused(server: Served, service: str) -> None:
    (server.root / "acrnema.map").write_text("DEST 127.0.0.1 104 un\n")
    server.edit('RetrieveConverter0 = ifequal "%V0010,0020","1CT1"; destroy\n')
    keys = pydicom.Dataset()
    keys.QueryRetrieveLevel, keys.PatientID = "PATIENT", "1CT1"

    def status() -> int:
        ae = AE("ASKER")
        ae.add_requested_context(service)
        association = ae.associate("127.0.0.1", server.port, ae_title="ORACLE")
        if service == STUDY_MOVE:
            answers = list(association.send_c_move(keys, "DEST", service))
        else:
            answers = list(association.send_c_get(keys, service))
        association.release()
        return int(answers[-1][0].Status)

    wait_for(lambda: status() == 0xC013)
    assert "O Retrieveconverter0.1: destroyed received image" in server.log.lines
    assert "O Retrieve: operation blocked by script" in server.log.lines
