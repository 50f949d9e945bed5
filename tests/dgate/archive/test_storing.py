from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgate.archive import incoming as incoming_module
from dgate.archive.entry import Entry, KeepKnown, Location, Outcome
from dgate.archive.objectfile import InPlace
from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, LITTLE, encode_element
from dgate.index.index import DatabaseError
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


# -- repeats and conflicts


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


# -- devices and disasters


def test_full_device_gives_way_to_the_next(tmp_path: Path) -> None:
    house = make_house(tmp_path)
    second = tmp_path / "second"
    second.mkdir()
    house.reopen(mag_devices=(f"{tmp_path}/data/", f"{second}/"), mag_full_threshold=1 << 40)
    assert house.store(CT1) == FAILED
    assert house.leftovers() == []
    house.reopen(ignore_mag_threshold=True, mag_full_threshold=30)
    assert house.store(CT1) == 0
    assert house.rows("SELECT DeviceName FROM DICOMImages") == [(b"MAG0",)]
    house.archive.close()


def test_disk_full_in_the_middle_leaves_nothing_and_recovers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(incoming_module, "HEAD_LIMIT", 100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # the kernel's own refusal to write on
    try:
        big = {**CT1, 0x7FE00010: (b"OW", bytes(100_000))}
        incoming = house.archive.begin_store(request())
        data = dataset(big)
        for start in range(0, len(data), 1000):
            incoming.write([memoryview(data)[start : start + 1000]])
        assert house.leftovers() == []
        assert incoming.finish() == FAILED
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert house.files() == []
    assert house.store(CT1) == 0


@pytest.mark.sqlite
def test_database_locked_then_free(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from dgate.index.database import sqlite

    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    house.reopen()
    with closing(sqlite3.connect(house.root / "conquest.db3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert house.store(CT1) == FAILED
        other.execute("ROLLBACK")
    assert house.files() == []
    assert house.leftovers() == []
    assert house.store(CT1) == 0


@pytest.mark.sqlite
def test_database_gone_then_back(house: House) -> None:
    house.store(CT1)
    database = house.root / "conquest.db3"
    content = sqlite_copy(database)
    for path in house.root.glob("conquest.db3*"):
        path.unlink()
    assert house.store(ct1(t00080018=b"1.9")) == FAILED
    assert len(house.files()) == 1
    database.write_bytes(content)
    assert house.store(ct1(t00080018=b"1.9")) == 0
    assert len(house.rows("SELECT * FROM DICOMImages")) == 2


def sqlite_copy(database: Path) -> bytes:
    with closing(sqlite3.connect(database)) as connection:
        return connection.serialize()


@pytest.mark.sqlite
def test_failed_commit_brings_the_old_object_back(house: House) -> None:
    house.store(CT1)
    (file,) = house.files()
    before = hashlib.sha256((house.data / file).read_bytes()).digest()
    with closing(sqlite3.connect(house.root / "conquest.db3")) as other, other:
        other.execute("CREATE TRIGGER broken BEFORE UPDATE ON DICOMImages BEGIN SELECT RAISE(ABORT, 'no space'); END")
    assert house.store(ct1(t00200013=b"77")) == FAILED
    assert hashlib.sha256((house.data / file).read_bytes()).digest() == before
    assert house.files() == [file]
    assert house.leftovers() == []
    with closing(sqlite3.connect(house.root / "conquest.db3")) as other, other:
        other.execute("DROP TRIGGER broken")
    assert house.store(ct1(t00200013=b"77")) == 0


def test_folder_deleted_behind_our_back(house: House) -> None:
    import shutil

    house.store(CT1)
    shutil.rmtree(house.data / "PAT_001_A")
    assert house.store(CT1) == 0
    assert house.store(ct1(t00080018=b"1.9")) == 0
    assert len(house.files()) == 2


def test_many_threads_store_and_share_uids(house: House) -> None:
    failures: list[int] = []

    def work(worker: int) -> None:
        for number in range(25):
            uid = b"1.2.%d" % (number if worker % 2 else number + 1000 * worker)
            status = house.store(ct1(t00080018=uid, t00200013=b"%d" % worker))
            failures.extend([status] if status else [])

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    rows = house.rows("SELECT ObjectFile FROM DICOMImages")
    assert len(rows) == 25 * 2
    assert sorted(path.decode() for (path,) in rows) == house.files()
    assert house.leftovers() == []


def test_descriptors_are_given_back(house: House) -> None:
    house.store(CT1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(100):
        assert (
            house.store(
                ct1(
                    t00100020=b"P%d" % number,
                    t0020000d=b"1.%d" % number,
                    t0020000e=b"2.%d" % number,
                    t00080018=b"3.%d" % number,
                )
            )
            == 0
        )
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 32


def test_what_is_kept_for_an_object_that_is_taken_back_is_not_acknowledged(house: House) -> None:
    """Of two equal ones in a group the second is kept for the first one's sake; without that it is nowhere."""

    class Kept(InPlace):
        def place(self, known: Location | None) -> Location:
            if known is not None:
                raise KeepKnown
            return super().place(known)

    stores = house.archive.stores
    rows = stores.rows.make({tag: value for tag, (_, value) in CT1.items()})
    entries = [Entry(rows, Kept(Location(b"MAG0", b"x")), b"x") for _ in range(2)]

    def fail(*_: object) -> None:
        raise DatabaseError("full")

    third = Entry(rows, InPlace(Location(b"MAG0", b"x")), b"x", also=fail)
    assert not stores.writer.submit_all([*entries, third])
    assert [entry.outcome for entry in entries] == [Outcome.FAILED, Outcome.FAILED]
    assert house.rows("SELECT * FROM DICOMImages") == []
