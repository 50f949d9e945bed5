"""Objects that come again, or contradict known ones (conquest-server.md 5.3, 5.4, 7.3), and the times in the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dgate.encoding.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dgate.encoding.part10 import read_meta
from tests.dgate.archive.support import CT1, TABLES, UID, House, ct1, dataset, make_house, store

if TYPE_CHECKING:
    from pathlib import Path

FAILED = 0x0110
JPEG = "1.2.840.10008.1.2.4.70"


def content(house: House) -> tuple[str, bytes]:
    """Transfer syntax and data set of the file that the only image row names."""
    ((name,),) = house.rows("SELECT ObjectFile FROM DICOMImages")
    path = house.data / name.decode()
    with path.open("rb") as file:
        meta = read_meta(file)
    return meta.transfer_syntax, path.read_bytes()[meta.offset :]


def times(house: House) -> list[int]:
    return [house.rows(f"SELECT AccessTime FROM {table}")[0][0] for table in TABLES]  # noqa: S608 - names from above


# -- a compressed object and a .v2 file


@pytest.mark.parametrize("syntax", ["0", "3", "6", "7", "%sopuid.v2"])
def test_a_compressed_object_takes_the_place_of_a_raw_file(tmp_path: Path, syntax: str) -> None:
    """The original acknowledges it and keeps the old file."""
    house = make_house(tmp_path, file_name_syntax=syntax)
    assert house.store(CT1) == 0
    assert house.files()[0].endswith(".v2")
    assert house.store(ct1(t00200013=b"77"), JPEG) == 0
    assert content(house) == (JPEG, dataset(ct1(t00200013=b"77")))
    (name,) = house.files()
    assert name.endswith(".dcm")
    assert house.store(CT1) == 0  # and back
    assert content(house) == (IMPLICIT_LITTLE, dataset(CT1, IMPLICIT_LITTLE))
    assert len(house.files()) == 1
    house.archive.close()


# -- contradictions


@pytest.mark.parametrize(
    "changes",
    [
        {"t00100020": b"NEW", "t0020000d": b"9.1", "t0020000e": b"9.2"},
        {"t0020000d": b"9.1", "t0020000e": b"9.2"},
        {"t0020000e": b"9.2"},
    ],
)
def test_a_known_uid_elsewhere_is_refused_and_the_known_object_stays(house: House, changes: dict[str, bytes]) -> None:
    """The original acknowledges the first of these and cannot give it back; nothing acknowledged may be lost."""
    house.store(CT1)
    assert house.store(ct1(**changes)) == FAILED
    assert content(house) == (EXPLICIT_LITTLE, dataset(CT1))
    assert len(house.files()) == 1
    assert house.leftovers() == []
    assert [len(house.rows(f"SELECT 1 FROM {table}")) for table in TABLES] == [1, 1, 1, 1]  # noqa: S608
    assert (
        "***Refused to enter inconsistent link SeriesInst into DICOMImages: "
        f"PatientID = '{changes.get('t00100020', b'PAT 001.A').decode()}' SOPInstanc = '{UID}.1.1' AND "
        f"ImagePat = '{changes.get('t00100020', b'PAT 001.A').decode()}', Old='{UID}.1', Refused='9.2'"
    ) in house.log.lines


def test_a_refused_object_does_not_spoil_the_next(house: House) -> None:
    """What was remembered of the rows that were taken back would be missed now."""
    house.store(CT1)
    assert house.store(ct1(t00100020=b"NEW", t0020000d=b"9.1", t0020000e=b"9.2")) == FAILED
    other = ct1(t00100020=b"NEW", t0020000d=b"9.1", t0020000e=b"9.2", t00080018=b"9.3")
    assert house.store(other) == 0
    assert [len(house.rows(f"SELECT 1 FROM {table}")) for table in TABLES] == [2, 2, 2, 2]  # noqa: S608


# -- rewriting


@pytest.mark.parametrize("syntax", ["4", "6", "8", "9", "10", "12"])
@pytest.mark.parametrize("rename", [True, False])
def test_every_rewrite_leaves_one_file_and_one_row(tmp_path: Path, syntax: str, rename: bool) -> None:
    house = make_house(tmp_path, file_name_syntax=syntax, rename_on_rewrite=rename)
    for number in range(4):
        assert house.store(ct1(t00200013=b"%d" % number)) == 0
    assert len(house.files()) == 1
    assert content(house)[1].endswith(
        dataset(ct1(t00200013=b"3"), IMPLICIT_LITTLE if syntax == "6" else EXPLICIT_LITTLE)
    )
    assert sum(line.startswith("Rewritten file: ") for line in house.log.lines) == 3
    assert house.leftovers() == []
    house.archive.close()


def test_ignore_rewrite_takes_what_is_not_there_any_more(tmp_path: Path) -> None:
    house = make_house(tmp_path, ignore_rewrite=True)
    house.store(CT1)
    (house.data / house.files()[0]).unlink()
    assert house.store(ct1(t00200013=b"77")) == 0
    assert content(house) == (EXPLICIT_LITTLE, dataset(ct1(t00200013=b"77")))
    house.archive.close()


def test_ignore_rewrite_still_refuses_contradictions(tmp_path: Path) -> None:
    house = make_house(tmp_path, ignore_rewrite=True)
    house.store(CT1)
    assert house.store(ct1(t0020000e=b"9.2")) == FAILED
    house.archive.close()


def test_short_names_do_not_collide(tmp_path: Path) -> None:
    house = make_house(tmp_path, max_file_name_length=8)
    for number in range(12):
        assert house.store(ct1(t00080018=b"1.%d" % number)) == 0
    rows = house.rows("SELECT SOPInstanc, ObjectFile FROM DICOMImages")
    assert sorted(path.decode() for _, path in rows) == house.files()
    for uid, path in rows:
        assert (house.data / path.decode()).read_bytes().endswith(dataset(ct1(t00080018=uid)))
    house.archive.close()


# -- names and files together


NAMES = [
    *(str(number) for number in range(-1, 14)),
    "abc",
    "%id",
    "%id/%sopuid.img",
    "%name[0,3]/%V0008,0060/%image.v2",
]


@pytest.mark.parametrize("syntax", NAMES)
@pytest.mark.parametrize("received", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, JPEG])
def test_every_syntax_makes_a_file_that_reads_back(tmp_path: Path, syntax: str, received: str) -> None:
    house = make_house(tmp_path, file_name_syntax=syntax)
    assert store(house.archive, dataset(CT1, received), received) == 0
    (name,) = house.files()
    raw = name.endswith(".v2")
    assert not (raw and received == JPEG)
    assert content(house) == (
        (IMPLICIT_LITTLE, dataset(CT1, IMPLICIT_LITTLE)) if raw else (received, dataset(CT1, received))
    )
    start = (house.data / name).read_bytes()[:132]
    assert start.startswith(b"\x02\x00\x10\x00\x12\x00\x00\x001.2.840.10008.1.2\0" if raw else bytes(128) + b"DICM")
    house.archive.close()


# -- values


@pytest.fixture
def at_1000(house: House) -> list[float]:
    """The house with a clock that stands."""
    now = [1000.0]
    house.archive.stores.writer._clock = lambda: now[0]
    return now


def test_access_time_counts_in_steps_of_32_seconds(house: House, at_1000: list[float]) -> None:
    house.store(CT1)
    assert times(house) == [992] * 4
    at_1000[0] = 1023.9
    house.store(CT1)
    assert times(house) == [992] * 4
    at_1000[0] = 1024.0
    house.store(CT1)
    assert times(house) == [1024] * 4


def test_a_store_touches_all_rows_above_it(house: House, at_1000: list[float]) -> None:
    house.store(CT1)
    at_1000[0] = 2000.0
    house.store(ct1(t00080018=b"1.2"))
    assert times(house)[:3] == [1984] * 3
    assert house.rows("SELECT AccessTime FROM DICOMImages ORDER BY AccessTime") == [(992,), (1984,)]


def test_the_list_of_modalities_is_cut_at_its_column(house: House) -> None:
    for number in range(12):
        uid = f"{UID}.{number + 2}".encode()
        modality = b"MODALITY%d" % number
        assert house.store(ct1(t00080060=modality, t0020000e=uid, t00080018=uid + b".1")) == 0
    ((found,),) = house.rows("SELECT StudyModal FROM DICOMStudies")
    assert found.startswith(b"MODALITY11\\MODALITY10\\MODALITY9\\")
    assert len(found) == 64


def test_a_modality_that_is_part_of_a_known_one_is_new(house: House) -> None:
    for number, modality in enumerate([b"RTSTRUCT", b"RT", None, b"RT"]):
        uid = f"{UID}.{number + 2}".encode()
        assert house.store(ct1(t00080060=modality, t0020000e=uid, t00080018=uid + b".1")) == 0
    assert house.rows("SELECT StudyModal FROM DICOMStudies") == [(b"RT\\RTSTRUCT",)]


def test_numbers_that_are_missing_are_reported(house: House) -> None:
    assert house.store(ct1(t00200011=None, t00200013=b"")) == 0
    assert "No Series number" in house.log.lines
    assert "No image number" in house.log.lines
    assert house.files()[0].split("_", 2)[2].startswith(f"A/{UID}.1_0000_000000_")


@pytest.mark.parametrize(
    ("patient", "kept"), [(b"01234567", b"1234567"), (b"012345", b"012345"), (b"00123456", b"123456")]
)
def test_kodak_zeros(tmp_path: Path, patient: bytes, kept: bytes) -> None:
    house = make_house(tmp_path, fix_kodak=True)
    house.store(ct1(t00100020=patient))
    assert house.rows("SELECT PatientID FROM DICOMPatients") == [(kept,)]
    house.archive.close()


def test_an_empty_name_stays_and_a_missing_one_is_added(house: House) -> None:
    house.store(ct1(t00100010=b""))
    assert house.rows("SELECT PatientNam FROM DICOMPatients") == [(None,)]
    house.store(ct1(t00100010=None))
    assert house.rows("SELECT PatientNam FROM DICOMPatients") == [(b"NO NAME",)]
