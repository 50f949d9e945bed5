"""The hooks that are no query and no retrieval: refused objects, the worklist, compression by script."""

from __future__ import annotations

import sqlite3

import pydicom
import pytest

from tests.dgate.archive.support import UID
from tests.dgate.lua.scripts import SomeCommands, make_engine
from tests.dgate.rules.bench import CT, Instance, changed, texts

REFUSED = changed(CT, t00080018=f"{UID}.1.2".encode(), t00100020=b"OTHER ")
"""Its study belongs to another patient."""
ACCESSION = {0x00080050: (b"SH", b"ACC1")}


def with_lua(instance: Instance, more: str) -> None:
    pytest.importorskip("lupa")
    instance.configure("nop", more=more, engine=make_engine(instance, SomeCommands()))


@pytest.fixture
def filled(instance: Instance) -> Instance:
    instance.store(CT)
    instance.log.entries.clear()
    return instance


# -- what the database refused


def test_a_refused_object_is_seen_as_it_is_then(filled: Instance) -> None:
    line = "nop %m %i; save to rejected.dcm"
    filled.configure('set 0008,0060 to "MR"', more=f"RejectedImageConverter0 = {line}\n")
    assert filled.store(REFUSED) == 0x0110
    assert "O RejectedImageconverter0.0: nop MR OTHER" in filled.log.lines
    assert pydicom.dcmread(filled.root / "rejected.dcm").PatientID == "OTHER"
    assert len(filled.files()) == 1
    assert filled.leftovers() == []


@pytest.mark.parametrize("size", [64, 3 << 20])
def test_retry_stores_the_changed_object_where_it_was_to_be(filled: Instance, size: int) -> None:
    pixels = bytes(range(256)) * (size // 256 + 1)
    with_lua(filled, "[lua]\nRejectedImageConverter0 = Data.PatientID = '1CT1' print('again') retry()\n")
    before = filled.files()
    assert filled.store(changed(REFUSED, t7fe00010=pixels)) == 0
    assert texts(filled.log.lines).count("again") == 1
    (new,) = [path for path in filled.files() if path not in before]
    assert new.parent.name == "OTHER"
    stored = pydicom.dcmread(new)
    assert stored.PatientID == "1CT1"
    assert stored.PixelData == pixels
    with sqlite3.connect(filled.root / "conquest.db3") as database:
        rows = database.execute("SELECT ImagePat, ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", (f"{UID}.1.2",))
        assert [tuple(map(_text, row)) for row in rows] == [("1CT1", str(new.relative_to(filled.data)))]
    assert filled.leftovers() == []


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_retry_without_a_change_is_one_more_try(filled: Instance) -> None:
    with_lua(filled, "[lua]\nRejectedImageConverter0 = print('again') retry()\n")
    assert filled.store(REFUSED) == 0x0110
    assert texts(filled.log.lines).count("again") == 1
    assert len(filled.files()) == 1
    assert filled.leftovers() == []


def test_retry_in_an_import_converter_has_no_effect(filled: Instance) -> None:
    with_lua(filled, "[lua]\nImportConverter1 = retry()\n")
    assert filled.store(CT) == 0
    assert filled.store(REFUSED) == 0x0110


def test_the_text_language_has_no_retry(filled: Instance) -> None:
    filled.configure(more="RejectedImageConverter0 = retry\n")
    assert filled.store(REFUSED) == 0x0110
    assert "O *** RejectedImageconverter0.0 error: retry" in filled.log.lines


# -- what is not on the worklist

MODE_2 = "WorkListMode = 2\n"


def plan(instance: Instance, accession: str) -> None:
    with sqlite3.connect(instance.root / "conquest.db3") as database:
        database.execute(
            "INSERT INTO DICOMWorkList (AccessionN, PatientID, PatientNam) VALUES (?, 'PLANNED', 'Planned^Name')",
            (accession,),
        )


def test_an_object_that_is_not_on_the_worklist_is_seen(instance: Instance) -> None:
    instance.configure("nop never", more=MODE_2 + "RejectedImageWorkListConverter0 = nop %i; save to unlisted.dcm\n")
    assert instance.store({**CT, **ACCESSION}) == 0x0110
    assert texts(instance.log.lines, "RejectedImageWorkListconverter0.0") == [
        "RejectedImageWorkListconverter0.0: nop 1CT1"
    ]
    assert "nop never" not in "".join(instance.log.lines)
    assert pydicom.dcmread(instance.root / "unlisted.dcm").AccessionNumber == "ACC1"
    assert instance.files() == []
    assert instance.leftovers() == []


@pytest.mark.parametrize("size", [64, 3 << 20])
def test_retry_looks_at_the_worklist_again(instance: Instance, size: int) -> None:
    plan(instance, "ACC2")
    chunk = "Data.AccessionNumber = 'ACC2' retry()"
    with_lua(instance, f"{MODE_2}ImportConverter1 = nop %i\n[lua]\nRejectedImageWorkListConverter0 = {chunk}\n")
    assert instance.store(changed({**CT, **ACCESSION}, t7fe00010=bytes(size))) == 0
    stored = instance.stored()
    assert (stored.AccessionNumber, stored.PatientID, stored.PatientName) == ("ACC2", "PLANNED", "Planned^Name")
    assert "O Importconverter1.0: nop PLANNED" in instance.log.lines


def test_retry_that_finds_nothing_again_is_a_refusal(instance: Instance) -> None:
    with_lua(instance, f"{MODE_2}[lua]\nRejectedImageWorkListConverter0 = retry()\n")
    assert instance.store({**CT, **ACCESSION}) == 0x0110
    assert instance.files() == []
    assert instance.leftovers() == []


# -- compression by script


@pytest.mark.parametrize("key", ["IncomingCompression = s3", "IncomingCompression = S3"])
def test_a_compression_code_that_is_a_line(instance: Instance, key: str) -> None:
    more = f'{key}\nCompressionConverter3 = nop %m; set 0008,0060 to "OT"\n'
    instance.configure("nop then %m", more=more)
    assert instance.store() == 0
    assert texts(instance.log.lines) == [
        "Compressionconverter3.0: nop CT",
        'Compressionconverter3.1 executes: set 0008,0060 to "OT"',
        "Importconverter0.0: nop then OT",
    ]
    assert instance.stored().Modality == "OT"


def test_the_called_title_may_name_it(instance: Instance) -> None:
    instance.configure(more='CompressionConverter0 = set 0008,0060 to "OT"\n')
    assert instance.store(called="ORACLE~s0") == 0
    assert instance.stored().Modality == "OT"


def test_the_command_runs_it(instance: Instance) -> None:
    instance.configure(
        "compression s1; nop %V0008,0060", more='CompressionConverter1 = nop x; set 0008,0060 to "OT"; destroy\n'
    )
    assert instance.store() == 0
    assert [line for line in texts(instance.log.lines) if "executes" not in line] == [
        "Compressionconverter1.0: nop x",
        "Compressionconverter1.2: destroyed received image",
        "Importconverter0.0: compression to s1",
        "Importconverter0.1: nop OT",
    ]


def test_a_compression_that_is_not_there_fails(instance: Instance) -> None:
    instance.configure("compression s4")
    assert instance.store() == 0
    assert texts(instance.log.lines) == ["**** Importconverter0.0: compression to s4 failed"]


def test_a_compression_that_runs_itself_ends(instance: Instance) -> None:
    instance.configure("nop", more="IncomingCompression = s0\nCompressionConverter0 = compression s0\n")
    assert instance.store() == 0
    assert any("call one another more than" in line for line in instance.log.lines)
