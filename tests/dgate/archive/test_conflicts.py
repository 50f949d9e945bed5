"""The same object again, and objects that contradict what is known (conquest-server.md 5.4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dgate.archive.support import CT1, UID, House, ct1, dataset, make_house

FAILED = 0x0110
JPEG = "1.2.840.10008.1.2.4.70"


def body(path: Path) -> bytes:
    """The data set of a part-10 file."""
    content = path.read_bytes()
    assert content[:132] == bytes(128) + b"DICM"
    return content[132 + 12 + int.from_bytes(content[140:144], "little") :]


def test_same_object_again_keeps_its_name(house: House) -> None:
    house.store(CT1)
    (first,) = house.files()
    house.reopen(file_name_syntax="9")
    assert house.store(CT1) == 0
    assert house.files() == [first]
    assert f"Rewritten file: {house.data}/{first}" in house.log.lines
    assert house.leftovers() == []


def test_other_extension_moves_the_object(house: House) -> None:
    house.store(CT1)
    house.reopen(file_name_syntax="7")
    assert house.store(CT1) == 0
    assert house.files() == [f"{UID}/{UID}.1/{UID}.1.1.v2"]
    assert house.rows("SELECT ObjectFile FROM DICOMImages") == [(house.files()[0].encode(),)]


def test_rename_on_rewrite(tmp_path: Path) -> None:
    house = make_house(tmp_path, rename_on_rewrite=True)
    house.store(CT1)
    (first,) = house.files()
    assert house.store(CT1) == 0
    (second,) = house.files()
    assert first != second
    assert house.rows("SELECT ObjectFile FROM DICOMImages") == [(second.encode(),)]
    house.archive.close()


def test_ignore_rewrite(tmp_path: Path) -> None:
    house = make_house(tmp_path, ignore_rewrite=True)
    house.store(CT1)
    (file,) = house.files()
    assert house.store(ct1(t00200013=b"77")) == 0
    assert body(house.data / file) == dataset(CT1)
    assert house.rows("SELECT ImageNumbe FROM DICOMImages") == [(b"42",)]
    assert f"File already exists: {house.data}/{file}" in house.log.lines
    assert house.leftovers() == []
    house.archive.close()


def test_other_content_overwrites_and_is_reported(house: House) -> None:
    house.store(CT1)
    assert house.store(ct1(t00200013=b"77")) == 0
    assert body(house.data / house.files()[0]) == dataset(ct1(t00200013=b"77"))
    assert (
        f"Inconsistent ImageNumbe in DICOMImages: PatientID = 'PAT 001.A' SOPInstanc = '{UID}.1.1' AND "
        "ImagePat = 'PAT 001.A', Old='42', New='77'" in house.log.troubles
    )


def test_known_patient_with_other_data(house: House) -> None:
    house.store(CT1)
    other = ct1(t00080018=b"1.9", t00100010=b"Roe^Jane", t00100030=b"19800202", t00100040=b"F")
    assert house.store(other) == 0
    expected = (b"Roe^Jane", b"19800202", b"F")
    assert house.rows("SELECT PatientNam, PatientBir, PatientSex FROM DICOMPatients") == [expected]
    assert house.rows("SELECT PatientNam, PatientBir, PatientSex FROM DICOMStudies") == [expected]
    assert any(line.startswith("***Inconsistent PatientBir in DICOMStudies: ") for line in house.log.lines)
    assert any(line.startswith("Inconsistent PatientNam in DICOMStudies: ") for line in house.log.troubles)


def test_vague_patient_data_does_not_replace(house: House) -> None:
    house.store(CT1)
    assert house.store(ct1(t00080018=b"1.9", t00100010=b"", t00100030=b"19800101", t00100040=b"O")) == 0
    row = house.rows("SELECT PatientNam, PatientBir, PatientSex FROM DICOMPatients")
    assert row == [(b"Doe^John^Q", b"19701231", b"M")]


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (
            {"t00100020": b"OTHERPAT", "t00080018": b"1.9", "t0020000e": b"1.8"},
            (
                "***Refused to enter inconsistent link PatientID into DICOMStudies: PatientID = 'OTHERPAT' "
                f"StudyInsta = '{UID}', Old='PAT 001.A', Refused='OTHERPAT'"
            ),
        ),
        ({"t0020000d": b"1.7", "t00080018": b"1.9"}, "inconsistent link StudyInsta into DICOMSeries"),
        ({"t0020000e": b"1.8"}, "inconsistent link SeriesInst into DICOMImages"),
        (
            {"t00100020": b"OTHERPAT", "t0020000d": b"1.7", "t0020000e": b"1.8"},
            "inconsistent link SeriesInst into DICOMImages",
        ),
    ],
)
def test_contradictions_are_refused_and_leave_nothing(house: House, other: dict[str, bytes], line: str) -> None:
    house.store(CT1)
    files = {file: (house.data / file).read_bytes() for file in house.files()}
    rows = house.tables()
    assert house.store(ct1(**other)) == FAILED
    assert any(line in entry for entry in house.log.lines)
    assert any(entry.startswith("***Error saving to SQL: ") for entry in house.log.lines)
    assert {file: (house.data / file).read_bytes() for file in house.files()} == files
    assert rows == house.tables()
    assert house.leftovers() == []


def test_different_objects_never_share_a_file(tmp_path: Path) -> None:
    house = make_house(tmp_path, file_name_syntax="%id/%series.dcm")
    for number in range(3):
        assert house.store(ct1(t00080018=b"1.2.%d" % number)) == 0
    assert house.files() == ["PAT_001_A/0007.dcm", "PAT_001_A/0007_0001.dcm", "PAT_001_A/0007_0002.dcm"]
    assert len(house.rows("SELECT DISTINCT ObjectFile FROM DICOMImages")) == 3
    house.archive.close()


def test_status_of_a_failure_is_configured(tmp_path: Path) -> None:
    house = make_house(tmp_path, storage_failed_error_code=0xC123)
    assert house.store(ct1(t00080018=None)) == 0xC123
    house.archive.close()
