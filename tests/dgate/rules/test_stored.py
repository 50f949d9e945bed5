"""What converters leave in the file, the index and the mapping of UIDs."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pydicom
import pytest

from dgate.archive.dropped import add_file
from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dgate.encoding.part10 import header
from dgate.interfaces import Session, StoreRequest
from tests.dgate.archive.support import CT_CLASS, UID, dataset
from tests.dgate.rules.bench import CT, Instance, changed, read_settings, texts

MEGABYTE = 1 << 20
DESCRIPTORS = Path("/proc/self/fd")


def rows(instance: Instance, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(instance.root / "conquest.db3")) as connection:
        return connection.execute(sql).fetchall()


# -- set


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
@pytest.mark.parametrize("sizes", [1 << 20, 100])
def test_the_changed_object_is_what_is_stored(instance: Instance, syntax: str, sizes: int) -> None:
    instance.configure(
        'set PatientName to "New^Name"; set 0028,0010 to "17"; set 0010,4000 to "odd"; set 0008,0050 to ""',
        'set 0008,1140.*/0008,1155 to "1.9"; set 0040,0275/0040,0007 to "text"',
        "set 0010,0040 to nil; delete 0008,1030",
    )
    assert instance.store(CT, syntax, sizes=sizes) == 0
    found = instance.stored()
    assert found.file_meta.TransferSyntaxUID == syntax
    assert (found.PatientName, found.Rows, found.PatientComments) == ("New^Name", 17, "odd")
    assert found.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.9"
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "text"
    assert "PatientSex" not in found
    assert "StudyDescription" not in found
    assert found.PixelData == CT[0x7FE00010][1]
    assert rows(instance, "SELECT PatientNam, PatientSex FROM DICOMPatients") == [("New^Name", None)]
    assert rows(instance, "SELECT QRows FROM DICOMImages") == [("17",)]
    untouched = instance.files()[0].read_bytes()
    assert dataset({0x0020000E: CT[0x0020000E]}, syntax) in untouched


def test_name_and_row_are_made_of_the_changed_object(instance: Instance) -> None:
    instance.configure('set 0010,0020 to "OTHER"', "nop %f", "nop %b%n%p")
    instance.store()
    (file,) = instance.files()
    assert file.parent.name == "OTHER"
    names = texts(instance.log.lines, "Importconverter1.0: nop ")
    assert names[0].startswith(f"Importconverter1.0: nop {instance.data}/OTHER/{UID}.1_0007_000042_")
    assert names[0].endswith("0000.dcm")
    base, folder = texts(instance.log.lines)[-2:]
    assert "/" not in base
    assert not base.endswith(".dcm")
    assert folder == f"{instance.data}/OTHER/"
    assert rows(instance, "SELECT ImagePat FROM DICOMImages") == [("OTHER",)]


def test_big_endian_objects_are_seen_as_they_are_stored(instance: Instance) -> None:
    swapped = {tag: (vr, value[::-1] if vr == b"US" else value) for tag, (vr, value) in CT.items()}
    instance.configure('nop %V0028,0120 %V0002,0010; set 0028,0010 to "300"')
    assert instance.store(swapped, EXPLICIT_BIG) == 0
    assert instance.stored().Rows == 300
    assert instance.stored().Columns == 8
    assert rows(instance, "SELECT QRows, QColumns FROM DICOMImages") == [("300", "8")]
    assert instance.log.lines[0] == "O Importconverter0.0: nop 63536 1.2.840.10008.1.2.1"


def test_required_elements_are_there_before_converters_run(instance: Instance) -> None:
    instance.configure("nop %i %VPatientName")
    instance.store(changed(CT, t00100010=None, t00100020=None))
    assert texts(instance.log.lines) == [
        "Fiximage: Added patient name",
        "Fiximage: Added patient ID",
        "Importconverter0.0: nop 00000000 NO NAME",
    ]


def test_an_object_that_loses_its_uid_is_refused(instance: Instance) -> None:
    instance.configure("scrub +PN")
    assert instance.store() == 0x0110
    assert not instance.files()
    assert "***Object has no SOP instance UID" in texts(instance.log.lines)


def test_recompression_comes_first(instance: Instance) -> None:
    instance.configure("nop %V0002,0010", more="IncomingCompression = ul\n")
    instance.store(CT, IMPLICIT_LITTLE)
    assert instance.log.lines == [f"O Importconverter0.0: nop {EXPLICIT_LITTLE}"]
    assert instance.stored().file_meta.TransferSyntaxUID == EXPLICIT_LITTLE


@pytest.mark.parametrize("size", [64, 3 * MEGABYTE])
def test_compression_inside_a_line(instance: Instance, size: int) -> None:
    pixels = os.urandom(size)
    instance.configure('compression ul; nop %V0002,0010; set 0010,4000 to "a"')
    assert instance.store(changed(CT, t7fe00010=pixels), IMPLICIT_LITTLE) == 0
    found = instance.stored()
    assert found.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert found.PixelData == pixels
    assert instance.log.lines[1] == f"O Importconverter0.1: nop {EXPLICIT_LITTLE}"


def test_raw_files_stay_implicit(instance: Instance) -> None:
    instance.configure('set 0010,4000 to "seen"; compression ul', more="FileNameSyntax = 3\n")
    assert instance.store() == 0
    (file,) = instance.files()
    assert file.suffix == ".v2"
    assert file.read_bytes().endswith(dataset({**CT, 0x00104000: (b"LT", b"seen")}, IMPLICIT_LITTLE))


# -- large objects


@pytest.mark.parametrize(
    "line",
    ["nop x", 'set PatientSex to "F"', 'set PatientName to "Much longer than it was"', "storage MAG0", "newuids"],
)
@pytest.mark.parametrize("sizes", [65536, 5000])
def test_pixels_of_a_large_object(instance: Instance, line: str, sizes: int) -> None:
    pixels = os.urandom(2 * MEGABYTE + 4321 * 2)
    instance.configure(line, "save to copy.dcm", "nop %V7FE0,0010 %V0008,0060")
    assert instance.store(changed(CT, t7fe00010=pixels), sizes=sizes) == 0
    assert instance.stored().PixelData == pixels
    assert pydicom.dcmread(instance.root / "copy.dcm").PixelData == pixels
    assert instance.files()[0].read_bytes() == (instance.root / "copy.dcm").read_bytes()
    assert instance.log.lines[-1] == "O Importconverter2.0: nop (too long) CT"
    assert not instance.leftovers()


def test_what_stands_behind_the_pixels_of_a_large_object_stays(instance: Instance) -> None:
    elements = changed(CT, t7fe00010=bytes(2 * MEGABYTE)) | {
        0x7FE10010: (b"LO", b"PRIVATE "),
        0xFFFCFFFC: (b"OB", bytes(9)),
    }
    instance.configure('set PatientName to "Another"')
    assert instance.store(elements) == 0
    assert instance.files()[0].read_bytes().endswith(dataset({tag: elements[tag] for tag in (0x7FE10010, 0xFFFCFFFC)}))


def test_a_large_object_without_pixels(instance: Instance) -> None:
    elements = {tag: value for tag, value in CT.items() if tag < 0x7FE00000}
    elements |= {0x30060000 + n: (b"UT", bytes([65 + n % 26]) * 20000) for n in range(2, 102)}
    instance.configure('set PatientName to "Another"; nop %V3006,0002')
    assert instance.store(elements) == 0
    expected = dataset({**elements, 0x00100010: (b"PN", b"Another")})
    assert instance.files()[0].read_bytes().endswith(expected)


@pytest.mark.parametrize("line", ["destroy", "reject"])
def test_a_large_object_that_is_not_wanted(instance: Instance, line: str) -> None:
    instance.configure(line)
    instance.store(changed(CT, t7fe00010=bytes(3 * MEGABYTE)))
    assert not instance.files()
    assert not instance.leftovers()


@pytest.mark.parametrize("size", [0, 3 * MEGABYTE])
def test_nothing_is_left_open_or_behind(instance: Instance, size: int) -> None:
    instance.configure('set PatientName to "Another"; %i', "process with true")
    instance.store()
    before = sorted(path.name for path in DESCRIPTORS.iterdir())
    instance.store(changed(CT, t7fe00010=bytes(size)))
    incoming = instance.archive.begin_store(StoreRequest(CT_CLASS, UID, EXPLICIT_LITTLE, "A", "B"))
    incoming.write([memoryview(dataset(changed(CT, t7fe00010=bytes(size))))[: size or 300]])
    incoming.abort()
    assert sorted(path.name for path in DESCRIPTORS.iterdir()) == before
    assert not instance.leftovers()


# -- UIDs


def test_newuids_give_equal_uids_for_equal_ones(instance: Instance) -> None:
    instance.configure("newuids")
    instance.store()
    instance.store(changed(CT, t00080018=f"{UID}.1.2".encode()))
    first, second = (pydicom.dcmread(file) for file in instance.files())
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SOPInstanceUID.startswith("99999.99999.7.")
    assert first.SOPClassUID == CT_CLASS
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    assert len(rows(instance, "SELECT * FROM UIDMODS")) == 4


def test_olduids_put_them_back(instance: Instance) -> None:
    instance.configure("newuids stage A; olduids stage A")
    instance.store()
    assert instance.stored().SOPInstanceUID == f"{UID}.1.1"
    assert "D Importconverter0.0 executes: newuids stage A" not in instance.log.lines
    assert "O Importconverter0.1 executes: olduids stage A" in instance.log.lines


def test_stages_do_not_mix(instance: Instance) -> None:
    instance.configure("nop %E0020,000D; newuids stage B; nop %V0020,000D")
    instance.store()
    first, *_, second = [line.rpartition(" ")[2] for line in instance.log.lines]
    assert first.startswith("99999.99999.7.")
    assert first != second


def test_mapped_and_back(instance: Instance) -> None:
    instance.configure('set x to "%E0020,000D"; set 0020,000D to "%x"; nop .%R0020,000D. .%R0008,0018.')
    instance.store()
    assert instance.log.lines[-1] == f"O Importconverter0.2: nop .{UID}. .."


def test_newuids_except(instance: Instance) -> None:
    instance.configure(f"newuids except 0020,000D|{UID}.1")
    instance.store()
    found = instance.stored()
    assert (found.StudyInstanceUID, found.SeriesInstanceUID) == (UID, f"{UID}.1")
    assert found.SOPInstanceUID.startswith("99999.99999.7.")


def test_the_hashed_uid_is_the_originals(instance: Instance) -> None:
    instance.configure("newuids stage #XYZ")
    instance.store(changed(CT, t0020000d=b"1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"))
    assert instance.stored().StudyInstanceUID == "99999.99999.7.1745822448026043007438553184922590157787"
    assert rows(instance, "SELECT * FROM UIDMODS") == []


def test_new_uids_are_all_different(instance: Instance) -> None:
    instance.configure("nop %g %g")
    instance.store()
    first, second = instance.log.lines[0].rpartition("nop ")[2].split(" ")
    assert first != second
    assert first.startswith("99999.99999.6.")


# -- what else they do


def test_variables_live_as_long_as_the_association(instance: Instance) -> None:
    instance.configure('nop .%x.; set x to "%VPatientID"')
    session = Session()
    instance.store(session=session)
    instance.store(session=session)
    instance.store(session=Session())
    said = texts(instance.log.lines, "Importconverter0.0: nop")
    assert [line.rpartition(" ")[2] for line in said] == ["..", ".1CT1.", ".."]


def test_filters(instance: Instance) -> None:
    more = "ImportModality0 = mr*\nImportCallingAE1 = TEST*\nImportCalledAE2 = other\nImportStationName3 =\n"
    instance.configure("nop 0", "nop 1", "nop 2", "nop 3", "nop 4", more=more)
    instance.store()
    assert texts(instance.log.lines) == ["Importconverter1.0: nop 1", "Importconverter4.0: nop 4"]
    instance.log.entries.clear()
    instance.store(changed(CT, t00080060=b"MR", t00081010=None), calling="X", called="OTHER")
    assert texts(instance.log.lines, "Import") == [f"Importconverter{n}.0: nop {n}" for n in (0, 2, 3, 4)]


@pytest.mark.parametrize(
    ("count", "expected"), [("", [0, 98]), ("ImportConverters = 1\n", [0]), ("ImportConverters = 100\n", [0, 98, 99])]
)
def test_which_numbers_run(instance: Instance, count: str, expected: list[int]) -> None:
    lines = "".join(f"ImportConverter{n} = nop\n" for n in (99, 98, 0))
    instance.configure(more=count + lines)
    instance.store()
    assert texts(instance.log.lines) == [f"Importconverter{n}.0: nop" for n in expected]


def test_an_edit_takes_effect_with_the_next_object(instance: Instance) -> None:
    instance.store()
    instance.configure("nop a")
    instance.store()
    instance.configure("nop b")
    instance.store()
    instance.configure()
    instance.store()
    assert texts(instance.log.lines) == ["Importconverter0.0: nop a", "Importconverter0.0: nop b"]
    assert instance.archive.stores.converters is None


def test_a_long_value_is_cut(instance: Instance) -> None:
    instance.configure("nop " + "x" * 600)
    instance.store()
    instance.settings = read_settings(instance.root, f"ImportConverter0 = nop {'x' * 600}\nDebugLevel = 1\n")
    instance.store()
    assert texts(instance.log.lines) == [
        "***Ini file item 'sscscp:ImportConverter0' trucated",
        "Importconverter0.0: nop " + "x" * 507,
        "Importconverter0.0: nop " + "x" * 507,
    ]


def test_latin_1_passes_as_it_is(instance: Instance, tmp_path: Path) -> None:
    instance.settings = read_settings(tmp_path, 'ImportConverter0 = set PatientName to "M\udcfcller^%V0010,4000"\n')
    instance.store({**CT, 0x00104000: (b"LT", b"\xe9\xff")})
    assert b"M\xfcller^\xe9\xff " in instance.files()[0].read_bytes()
    assert instance.log.lines == ['D Importconverter0.0 executes: set PatientName to "M\udcfcller^\udce9\udcff"']


def test_text_files(instance: Instance, tmp_path: Path) -> None:
    instance.configure('write "%VPatientID%n" to out.txt; append "b; c" TO out.txt; copy out.txt to sub; rm out.txt')
    (tmp_path / "sub").mkdir()
    instance.store()
    assert (tmp_path / "sub" / "out.txt").read_text() == "1CT1\nb; c"
    assert not (tmp_path / "out.txt").exists()


def test_folders_are_made(instance: Instance, tmp_path: Path) -> None:
    instance.configure("mkdir a/%i/c/; save to a/%i/c/%o.dcm")
    instance.store()
    assert pydicom.dcmread(tmp_path / "a/1CT1/c" / f"{UID}.1.1.dcm").PatientID == "1CT1"


def test_saved_is_the_object_as_it_is_now(instance: Instance) -> None:
    instance.configure('save to before.dcm; set 0010,0020 to "B"; save to after.dcm; destroy')
    instance.store()
    assert pydicom.dcmread(instance.root / "before.dcm").PatientID == "1CT1"
    assert pydicom.dcmread(instance.root / "after.dcm").PatientID == "B"


@pytest.mark.parametrize("size", [64, 2 * MEGABYTE])
def test_process_with(instance: Instance, tmp_path: Path, size: int) -> None:
    (tmp_path / "edit.py").write_text(
        "import pydicom, sys\nd = pydicom.dcmread(sys.argv[-1]); d.PatientID = sys.argv[1]; d.save_as(sys.argv[-1])\n"
    )
    instance.configure(f"process with {sys.executable} edit.py 'A B'; nop %i")
    pixels = os.urandom(size)
    assert instance.store(changed(CT, t7fe00010=pixels)) == 0
    found = instance.stored()
    assert (found.PatientID, found.PixelData) == ("A B", pixels)
    assert rows(instance, "SELECT PatientID FROM DICOMPatients") == [("A B",)]
    file = f"{instance.data}/printer_files/{UID}.1.1.dcm"
    assert texts(instance.log.lines) == [
        f"Importconverter0.0 executes: process with {sys.executable} edit.py 'A B' {file}",
        "Importconverter0.1: nop A B",
    ]
    assert not Path(file).exists()


def test_a_program_that_leaves_no_object_changes_nothing(instance: Instance) -> None:
    instance.configure("process with sh -c 'echo nonsense > $0'; nop %i")
    assert instance.store() == 0
    assert instance.stored().PatientID == "1CT1"
    assert instance.log.lines[-1] == "O Importconverter0.1: nop 1CT1"
    assert instance.log.lines[-2].startswith("O *** Importconverter0.0 error: ")


def test_records_of_the_index(instance: Instance) -> None:
    line = "nop %QP0010,0010 %QS0008,1030[0,4] %QE0008,0060 .%QW0010,0010."
    instance.configure(line)
    instance.store()
    instance.store()
    assert texts(instance.log.lines) == [
        "Importconverter0.0: nop    ..",
        "Importconverter0.0: nop CompressedSamples^CT1 Brain CT ..",
    ]


def test_aliases(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "aliasfileqX.txt").write_text("other\tno\n1ct1\tAlias\n")
    instance.configure("nop %QXPatientID %QX0008,0060 %Qx0010,0020")
    instance.store()
    assert instance.log.lines == ["O Importconverter0.0: nop Alias CT 1CT1"]


def test_another_objects_element(instance: Instance) -> None:
    instance.configure()
    instance.store(changed(CT, t00080018=b"1.2.77", t00100040=b"F"))
    instance.configure("nop %V(0020,4000)0010,0040 .%V(0010,4000)0010,0040.")
    instance.store({**CT, 0x00204000: (b"LT", b"1.2.77")})
    assert texts(instance.log.lines, "Import") == ["Importconverter0.0: nop F .."]


def test_files_that_are_added_are_converted_too(instance: Instance, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(header(CT_CLASS.encode(), b"1.2", EXPLICIT_LITTLE.encode()) + dataset(CT))
    instance.configure('nop %u %c; set PatientName to "Added"')
    assert add_file(instance.archive, str(source))
    assert instance.stored().PatientName == "Added"
    assert instance.log.lines[0] == "O Importconverter0.0: nop ORACLE ORACLE"


def test_a_preferred_device(instance: Instance) -> None:
    instance.configure("storage MAG7; storage MAG0")
    assert instance.store() == 0
    assert texts(instance.log.lines)[0] == "Importconverter0.0: sets preferred storage to MAG7"


def test_the_hook_for_what_the_index_refuses(instance: Instance) -> None:
    instance.configure(more="RejectedImageConverter0 = nop refused %i; save to refused.dcm\n")
    assert instance.store() == 0
    assert instance.store(changed(CT, t00100020=b"OTHER", t00080018=b"1.2.3")) == 0x0110
    assert "O RejectedImageconverter0.0: nop refused OTHER" in instance.log.lines
    assert pydicom.dcmread(instance.root / "refused.dcm").SOPInstanceUID == "1.2.3"
    assert len(instance.files()) == 1


def test_scrubbing(instance: Instance) -> None:
    instance.configure("scrub -0008,PN,00100040,priv")
    elements = {**CT, 0x00090010: (b"LO", b"PRIVATE ")}
    assert instance.store(elements) == 0x0110
    instance.configure("scrub -PN,00100040,priv; save to scrubbed.dcm")
    assert instance.store(elements) == 0
    found = pydicom.dcmread(instance.root / "scrubbed.dcm")
    assert "PatientName" not in found
    assert "PatientSex" not in found
    assert (0x0009, 0x0010) not in found
    assert found.PatientID == "1CT1"


def test_pixels_are_not_touched(instance: Instance) -> None:
    pixels = os.urandom(500_000)
    instance.configure('ifequal "%m","CT"; set PatientName to "A^B"', "nop x")
    instance.store(changed(CT, t7fe00010=pixels))
    content = instance.files()[0].read_bytes()
    assert hashlib.sha256(content[-500_000:]).digest() == hashlib.sha256(pixels).digest()
