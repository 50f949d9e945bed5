from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgate.archive import incoming as incoming_module
from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, LITTLE, encode_element
from tests.dgate.archive.support import CT1, UID, House, ct1, dataset, make_house, request, store

FAILED = 0x0110
JPEG = "1.2.840.10008.1.2.4.70"


def body(path: Path) -> bytes:
    """The data set of a part-10 file."""
    content = path.read_bytes()
    assert content[:132] == bytes(128) + b"DICM"
    return content[132 + 12 + int.from_bytes(content[140:144], "little") :]


# -- files


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, JPEG])
@pytest.mark.parametrize("sizes", [(1 << 20,), (1,), (300, 7, 5000)])
def test_the_data_set_is_stored_byte_for_byte(house: House, syntax: str, sizes: tuple[int, ...]) -> None:
    data = dataset(CT1, syntax)
    assert store(house.archive, data, syntax, sizes) == 0
    (file,) = house.files()
    assert re.fullmatch(rf"PAT_001_A/{UID}\.1_0007_000042_\d{{10}}0000\.dcm", file)
    assert body(house.data / file) == data
    assert house.leftovers() == []
    assert f"Written file: {house.data}/{file}" in house.log.lines


def test_the_header_is_the_originals(house: House) -> None:
    house.store(CT1)
    content = (house.data / house.files()[0]).read_bytes()[132:]

    def element(number: int, vr: bytes, value: bytes) -> bytes:
        return encode_element(0x00020000 | number, vr, value, LITTLE)

    rest = b"".join(
        [
            element(1, b"OB", b"\0\1"),
            element(2, b"UI", CT1[0x00080016][1]),
            element(3, b"UI", CT1[0x00080018][1]),
            element(0x10, b"UI", EXPLICIT_LITTLE.encode()),
            element(0x12, b"UI", b"1.2.826.0.1.3680043.2.135.1066.101"),
            element(0x13, b"SH", b"1.5.0/OTHER"),
        ]
    )
    assert content.startswith(element(0, b"UL", len(rest).to_bytes(4, "little")) + rest + b"\x08\x00\x08\x00")


def test_big_endian_becomes_explicit_little_endian(house: House) -> None:
    swapped = {tag: (vr, value[::-1] if vr == b"US" else value) for tag, (vr, value) in CT1.items()}
    pixels = bytes(range(64))
    swapped[0x7FE00010] = (b"OW", bytes(pixels[i ^ 1] for i in range(64)))
    assert store(house.archive, dataset(swapped, EXPLICIT_BIG), EXPLICIT_BIG, (33,)) == 0
    assert body(house.data / house.files()[0]) == dataset(CT1)
    assert house.rows("SELECT QRows, QColumns FROM DICOMImages") == [(b"4", b"8")]


@pytest.mark.parametrize("sizes", [(1 << 20,), (1,), (13,)])
def test_raw_files_are_implicit(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    house = make_house(tmp_path, file_name_syntax="3")
    assert store(house.archive, dataset(CT1), EXPLICIT_LITTLE, sizes) == 0
    (file,) = house.files()
    assert file.endswith(".v2")
    meta = b"\x02\x00\x10\x00\x12\x00\x00\x001.2.840.10008.1.2\0"
    assert (house.data / file).read_bytes() == meta + dataset(CT1, IMPLICIT_LITTLE)
    house.archive.close()


# -- rows


def test_values_of_the_reference(house: House) -> None:
    before = int(time.time()) // 32 * 32
    house.store(ct1(t00080022=b"2020.03.03", t00080032=b"08", t00180086=b"1", t00200012=b"", t00081010=b"  LEAD "))
    after = int(time.time()) // 32 * 32
    (patient,) = house.rows("SELECT * FROM DICOMPatients")
    assert patient[:4] == (b"PAT 001.A", b"Doe^John^Q", b"19701231", b"M")
    assert patient[4] in (before, after)
    assert patient[5:] == (None, None, None)
    (study,) = house.rows("SELECT * FROM DICOMStudies")
    assert study[:5] == (UID.encode(), b"20200229", b"101112.123456", b"STU 1", b"Brain, w/o: contrast")
    assert study[5:14] == (None, None, None, None, b"CT", b"Doe^John^Q", b"19701231", b"M", b"PAT 001.A")
    ((station, series_patient),) = house.rows("SELECT StationNam, SeriesPat FROM DICOMSeries")
    assert (station, series_patient) == (b"  LEAD", b"PAT 001.A")
    ((date, when, number, kind, rows, link, file, device),) = house.rows(
        "SELECT AcqDate, AcqTime, AcqNumber, ImageType, QRows, SeriesInst, ObjectFile, DeviceName FROM DICOMImages"
    )
    assert (date, when, number) == (b"202003", b"08", None)
    assert (kind, rows, link) == (b"ORIGINAL\\PRIMARY\\AXIAL", b"4", UID.encode() + b".1")
    assert (file.decode(), device) == (house.files()[0], b"MAG0")


def test_received_bytes_stay(house: House) -> None:
    house.store(ct1(t00100010=b"M\xfcller^\xff"))
    assert house.rows("SELECT PatientNam FROM DICOMPatients") == [(b"M\xfcller^\xff",)]


@pytest.mark.sqlite
def test_received_bytes_are_text_to_sqlite(house: House) -> None:
    house.store(ct1(t00100010=b"M\xfcller^\xff"))
    assert house.rows("SELECT typeof(PatientNam) FROM DICOMPatients") == [(b"text",)]


def test_long_values_are_cut_with_a_line(tmp_path: Path) -> None:
    house = make_house(tmp_path, allow_truncate=("StudyDescr",))
    assert house.store(ct1(t00100020=b"P" * 66, t00081030=b"D" * 70)) == 0
    assert house.rows("SELECT ImagePat FROM DICOMImages") == [(b"P" * 64,)]
    file = house.files()[0]
    assert f"***Truncated ImagePat from 66 to 64 chars in file: {file}" in house.log.lines
    assert f"Truncated StudyDescr from 70 to 64 chars in file: {file}" in house.log.lines
    house.archive.close()


def test_modalities_are_put_in_front(house: House) -> None:
    for number, modality in enumerate([b"CT", b"RTSTRUCT", b"CT", b"SR"]):
        uid = f"{UID}.{number + 2}".encode()
        assert house.store(ct1(t00080060=modality, t0020000e=uid, t00080018=uid + b".1")) == 0
    assert house.rows("SELECT StudyModal FROM DICOMStudies") == [(b"SR\\RTSTRUCT\\CT",)]
    assert any("Inconsistent StudyModal in DICOMStudies" in line for line in house.log.troubles)


# -- fix-ups


def test_missing_patient_and_uids_are_added(house: House) -> None:
    bare = ct1(t00100010=None, t00100020=None, t0020000d=None, t0020000e=None)
    assert house.store(bare) == 0
    fixed = ct1(t00100010=b"NO NAME", t00100020=b"00000000")
    fixed[0x0020000D] = fixed[0x0020000E] = (b"UI", b"undefined")
    assert body(house.data / house.files()[0]) == dataset(fixed)
    assert "Fiximage: Added patient name" in house.log.lines
    assert "Fiximage: Added patient ID" in house.log.lines


@pytest.mark.parametrize("sizes", [(1 << 20,), (1,)])
def test_empty_id_saved_uids_and_trailing_blanks(house: House, sizes: tuple[int, ...]) -> None:
    elements = ct1(t00100020=b"", t0020000d=b"")
    elements[0x00211070] = (b"UI", b"1.2.3")
    assert store(house.archive, dataset(elements), EXPLICIT_LITTLE, sizes) == 0
    assert house.rows("SELECT PatientID, StudyInsta FROM DICOMStudies") == [(b"00000000", b"1.2.3")]
    assert "Fiximage: Fixed empty patient ID" in house.log.lines
    assert (
        store(
            house.archive, dataset(ct1(t00080018=b"1.9", t00100020=b"PAT 001.A   ", t0020000d=b"1.4", t0020000e=b"1.5"))
        )
        == 0
    )
    assert any(b"PAT 001.A \x10\x00" in (house.data / file).read_bytes() for file in house.files())


def test_empty_id_allowed(tmp_path: Path) -> None:
    house = make_house(tmp_path, allow_empty_patient_id=True)
    data = dataset(ct1(t00100020=b""))
    assert store(house.archive, data) == 0
    assert house.rows("SELECT * FROM DICOMPatients") == []
    assert house.rows("SELECT PatientID FROM DICOMStudies") == [(None,)]
    assert body(house.data / house.files()[0]) == data
    house.archive.close()


def test_makers_leading_zeros(tmp_path: Path) -> None:
    house = make_house(tmp_path, fix_philips=True)
    house.store(ct1(t00100020=b"0000123456"))
    assert house.rows("SELECT PatientID FROM DICOMPatients") == [(b"123456",)]
    house.archive.close()


def test_group_0002_inside_the_data_set_is_dropped(house: House) -> None:
    meta = encode_element(0x00020010, b"UI", b"1.2.840.10008.1.2.1", LITTLE)
    assert store(house.archive, meta + dataset(CT1)) == 0
    assert body(house.data / house.files()[0]) == dataset(CT1)


# -- hostile input


@pytest.mark.parametrize(
    "uid", [b"../x", b"/etc/x", b"..", b"\\..\\x", b"a b", b"1.2\0\0\0\0", b"%s%s", b"\xff\xfe", b"1.2\n3", b"-rf"]
)
@pytest.mark.parametrize("syntax", ["4", "9", "10", "%sopuid/%id"])
def test_hostile_uids_stay_inside(tmp_path: Path, uid: bytes, syntax: str) -> None:
    house = make_house(tmp_path, file_name_syntax=syntax)
    assert house.store(ct1(t00080018=uid, t00100020=b"../../" + uid)) == 0
    assert len(house.files()) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if "db3" not in path.name) == ["data"]
    house.archive.close()


@pytest.mark.parametrize("uid", [None, b"", b"   ", b"\0\0", b"1" * 66])
def test_objects_without_a_usable_uid_are_refused(house: House, uid: bytes | None) -> None:
    assert house.store(ct1(t00080018=uid)) == FAILED
    assert house.files() == []
    assert house.leftovers() == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        dataset(CT1)[:-10],
        dataset(CT1)[:200],
        dataset(CT1) + b"\xff" * 20,
        b"\x00\x00\x00\x00UL\x04\x00\x00\x00\x00\x00" + dataset(CT1),
        (b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff") * 10_000,
        b"GET / HTTP/1.1\r\n\r\n" * 100,
    ],
)
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, "1.2.840.10008.1.2.1.99"])
def test_broken_objects_are_refused_and_leave_nothing(house: House, data: bytes, syntax: str) -> None:
    assert store(house.archive, data, syntax, (1000,)) == FAILED
    assert house.files() == []
    assert house.leftovers() == []
    assert house.rows("SELECT * FROM DICOMPatients") == []


def test_abort_leaves_nothing(house: House) -> None:
    data = dataset(CT1)
    incoming = house.archive.begin_store(request())
    incoming.write([memoryview(data)[:-10]])
    assert house.leftovers() != []
    incoming.abort()
    assert house.files() == []
    assert house.leftovers() == []


def test_a_huge_private_element_before_the_pixels_goes_to_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_module, "HEAD_LIMIT", 10_000)
    elements = {**CT1, 0x00090010: (b"LO", b"X"), 0x00091010: (b"OB", bytes(100_000))}
    data = dataset(elements)
    incoming = house.archive.begin_store(request())
    for start in range(0, len(data), 1000):
        incoming.write([memoryview(data)[start : start + 1000]])
        assert sum(map(len, incoming._held)) <= 11_000
    assert incoming.finish() == 0
    assert body(house.data / house.files()[0]) == data
    elements.pop(0x00100020)
    elements[0x00080018] = (b"UI", b"1.9")
    assert store(house.archive, dataset(elements), EXPLICIT_LITTLE, (1000,)) == FAILED
    assert house.leftovers() == []


def test_planted_links_are_not_followed(house: House, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "victim"
    victim.write_text("untouched")
    (house.data / "PAT_001_A").symlink_to(outside)
    assert house.store(CT1) == FAILED
    (house.data / "PAT_001_A").unlink()
    house.reopen(file_name_syntax="10")
    (house.data / "Images").mkdir()
    (house.data / "Images" / f"{UID}.1.1.dcm").symlink_to(victim)
    assert house.store(CT1) == 0
    assert victim.read_text() == "untouched"
    assert [path.name for path in outside.iterdir()] == ["victim"]
    assert house.leftovers() == []


@given(st.integers(0, 2**32), st.sampled_from([EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE]), st.sampled_from("340"))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_objects_end_in_a_status(
    tmp_path_factory: pytest.TempPathFactory, seed: int, syntax: str, naming: str
) -> None:
    import random

    chance = random.Random(seed)  # noqa: S311 - test data
    house = make_house(tmp_path_factory.mktemp("mutated"), file_name_syntax=naming)
    data = bytearray(dataset(CT1, syntax))
    for _ in range(chance.randint(1, 5)):
        data[chance.randrange(len(data))] = chance.choice([0, 0xFF, 0xFE, ord("/"), chance.randrange(256)])
    status = store(house.archive, bytes(data), syntax, (chance.randint(1, 300),))
    assert status in (0, FAILED)
    assert len(house.files()) == (status == 0)
    assert len(house.rows("SELECT * FROM DICOMImages")) == (status == 0)
    assert house.leftovers() == []
    house.archive.close()
