from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from dgate.archive.clean import RECENT, Cleaner, oldest_statement, patients_by_age
from dgate.archive.delete import delete
from dgate.archive.devices import Devices, NoDeviceError
from dgate.archive.spool import Spool
from dgate.index.tables import Level
from tests.dgate.archive.support import CT1, House, ct1, make_house

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def spools(tmp_path: Path) -> Iterator[list[Spool]]:
    made = []
    for name in (b"MAG0", b"MAG1", b"MIRROR0", b"MIRROR1"):
        (tmp_path / name.decode()).mkdir()
        made.append(Spool(name, str(tmp_path / name.decode()).encode() + b"/"))
    yield made
    for spool in made:
        spool.close()


def choose(spools: list[Spool], free: dict[bytes, int], threshold: int = 30, **options: Any) -> bytes:
    def look(root: bytes) -> int:
        return free.get(root.rstrip(b"/").rpartition(b"/")[2], 0)

    return Devices(spools[:2], threshold, mirrors=spools[2:], free=look, **options).choose()[0].name


@pytest.mark.parametrize(
    ("free", "chosen"),
    [
        ({b"MAG0": 31, b"MAG1": 9000}, b"MAG0"),  # not the emptiest
        ({b"MAG0": 30, b"MAG1": 31}, b"MAG1"),  # more than the threshold, not as much
        ({b"MIRROR0": 31, b"MIRROR1": 31}, b"MIRROR0"),
        ({b"MAG1": 31, b"MIRROR0": 9000}, b"MAG1"),
        ({b"MIRROR1": 31}, b"MIRROR1"),
    ],
)
def test_the_first_with_room_is_taken_and_mirrors_last(
    spools: list[Spool], free: dict[bytes, int], chosen: bytes
) -> None:
    assert choose(spools, free) == chosen


def test_none_with_room(spools: list[Spool]) -> None:
    with pytest.raises(NoDeviceError):
        choose(spools, {})
    assert choose(spools, {}, ignore_threshold=True) == b"MAG0"
    with pytest.raises(NoDeviceError):
        choose(spools, {}, 10000, ignore_threshold=True)  # 10000 MB are pretended


def test_free_space_is_looked_up_once_a_second(spools: list[Spool]) -> None:
    now, looks = [0.0], [0]

    def look(_: bytes) -> int:
        looks[0] += 1
        return 100

    made = Devices(spools[:1], 30, free=look, clock=lambda: now[0])
    for _ in range(10):
        made.choose()
    assert looks == [1]
    now[0] += 1
    made.choose()
    assert looks == [2]
    made.free(spools[0], fresh=True)
    assert looks == [3]


def test_a_device_that_cannot_be_asked_is_full(spools: list[Spool]) -> None:
    def look(_: bytes) -> int:
        raise OSError

    with pytest.raises(NoDeviceError):
        Devices(spools, 30, free=look).choose()


def pretend(house: House, monkeypatch: pytest.MonkeyPatch, free: Callable[[bytes], int]) -> None:
    """Let the devices have so many MB free."""
    monkeypatch.setattr(house.archive.stores.devices, "_free", free)
    house.archive.stores.devices._seen.clear()


# -- mirrors


@pytest.fixture
def mirrored(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "mirror").mkdir()
    house = make_house(tmp_path, mirror_devices=(f"{tmp_path}/mirror/",))
    yield house
    house.archive.close()


def mirror_files(house: House) -> dict[str, bytes]:
    mirror = house.root / "mirror"
    found = [path for path in mirror.rglob("*") if path.is_file() and ".spool" not in path.parts]
    return {str(path.relative_to(mirror)): path.read_bytes() for path in found}


def device_files(house: House) -> dict[str, bytes]:
    return {name: (house.data / name).read_bytes() for name in house.files()}


def test_what_is_stored_is_copied_and_what_is_rewritten_too(mirrored: House) -> None:
    mirrored.store(CT1)
    mirrored.store(ct1(t00080018=b"1.2"))
    mirrored.store(ct1(t00200013=b"77"))
    assert mirror_files(mirrored) == device_files(mirrored)
    assert len(mirrored.files()) == 2
    mirrored.reopen(file_name_syntax="9", rename_on_rewrite=True)
    mirrored.store(CT1)
    assert mirror_files(mirrored) == device_files(mirrored)
    assert {row[0] for row in mirrored.rows("SELECT DeviceName FROM DICOMImages")} == {b"MAG0"}


def test_deleting_removes_the_copy(mirrored: House) -> None:
    mirrored.store(CT1)
    assert delete(mirrored.archive, Level.IMAGE, {"sop_uid": CT1[0x00080018][1]}) == 1
    assert mirror_files(mirrored) == {}
    assert mirrored.files() == []


def test_a_mirror_that_fails_costs_a_line(mirrored: House) -> None:
    (mirrored.root / "mirror/PAT_001_A").write_bytes(b"a file where a folder is needed")
    assert mirrored.store(CT1) == 0
    assert len(mirrored.files()) == 1
    assert any(line.startswith("***No copy on MIRROR0 of PAT_001_A/") for line in mirrored.log.lines)
    assert [path for path in (mirrored.root / "mirror/.spool").iterdir() if path.name.endswith(".tmp")] == []


def test_a_mirror_takes_what_a_full_device_cannot(mirrored: House, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(mirrored, monkeypatch, lambda root: 100 if root.endswith(b"/mirror/") else 0)
    assert mirrored.store(CT1) == 0
    assert mirrored.rows("SELECT DeviceName FROM DICOMImages") == [(b"MIRROR0",)]
    assert mirrored.files() == []
    (name,) = mirror_files(mirrored)
    pretend(mirrored, monkeypatch, lambda _: 100)
    assert mirrored.store(ct1(t00200013=b"77")) == 0  # there is room again
    assert mirrored.rows("SELECT DeviceName FROM DICOMImages") == [(b"MAG0",)]
    assert mirror_files(mirrored) == device_files(mirrored)
    assert name not in mirror_files(mirrored)


# -- making room


def aged(house: House, *patients: tuple[bytes, int]) -> None:
    """Patients with two images each, last stored to so many seconds ago."""
    for patient, age in patients:
        for number in range(2):
            uid = patient + b".%d" % number
            status = house.store(
                ct1(t00100020=patient, t0020000d=b"3." + patient, t0020000e=b"2." + patient, t00080018=uid)
            )
            assert status == 0
        when = int(time.time()) - age
        house.change(
            f"UPDATE DICOMPatients SET AccessTime = {when} WHERE PatientID = '{patient.decode()}'",  # noqa: S608
            f"UPDATE DICOMImages SET AccessTime = {when} WHERE ImagePat = '{patient.decode()}'",  # noqa: S608
        )


def patients(house: House) -> list[bytes]:
    return [row[0] for row in house.rows("SELECT PatientID FROM DICOMPatients ORDER BY 1")]


def clean(house: House, monkeypatch: pytest.MonkeyPatch, *, room_at: int, order: str = "") -> None:
    """Delete until so many images are left; they stand for the space they take."""

    def free(_: bytes) -> int:
        count = house.rows("SELECT COUNT(*) FROM DICOMImages")[0][0]
        return 100 if count <= room_at else 0

    pretend(house, monkeypatch, free)
    cleaner = Cleaner(house.archive, 50, order)
    cleaner.look()
    assert cleaner._thread is not None
    cleaner._thread.join(20)
    cleaner.look()  # nothing to do, or not yet
    cleaner.stop()


def test_the_oldest_patients_go_first(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    aged(house, (b"1", 5000), (b"2", 9000), (b"3", 7000))
    clean(house, monkeypatch, room_at=2)
    assert patients(house) == [b"1"]
    assert len(house.files()) == 2
    assert house.log.lines[-2:] == ["Deleted the oldest patient of MAG0: 2 images"] * 2


def test_lru_sort_is_another_order(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    aged(house, (b"1", 5000), (b"2", 9000), (b"3", 7000))
    clean(house, monkeypatch, room_at=4, order="PatientID desc")
    assert patients(house) == [b"1", b"2"]


def test_a_patient_who_is_being_stored_to_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    aged(house, (b"1", 0), (b"2", RECENT + 100))
    clean(house, monkeypatch, room_at=0)
    assert patients(house) == [b"1"]
    assert "***MAG0 is below MAGDeviceThreshHold, and no old patient is on it" in house.log.lines


def test_an_object_that_arrives_for_an_old_patient_stays(house: House) -> None:
    aged(house, (b"1", 5000))
    assert house.store(ct1(t00100020=b"1", t0020000d=b"3.1", t0020000e=b"2.1", t00080018=b"9.9")) == 0
    assert delete(house.archive, Level.PATIENT, {"patient_id": b"1"}, older_than=time.time() - RECENT) == 2
    assert house.rows("SELECT SOPInstanc FROM DICOMImages") == [(b"9.9",)]
    assert patients(house) == [b"1"]


@pytest.mark.sqlite
def test_a_database_that_is_gone_is_said_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    aged(house, (b"1", 5000))
    pretend(house, monkeypatch, lambda _: 0)
    for path in house.root.glob("conquest.db3*"):
        path.unlink()
    cleaner = Cleaner(house.archive, 50, "")
    cleaner.look()
    assert cleaner._thread is not None
    cleaner._thread.join(20)
    cleaner.look()
    cleaner.stop()
    assert sum("cannot be deleted" in line for line in house.log.lines) == 1
    assert len(house.files()) == 2


@pytest.mark.parametrize("order", ["1; DROP TABLE DICOMPatients", "(SELECT 1)", "AccessTime --", "x'"])
def test_an_order_that_is_none_is_not_used(house: House, order: str) -> None:
    sql = oldest_statement(house.archive.stores.tables, order)
    assert sql.endswith("ORDER BY DICOMPatients.AccessTime, PatientID LIMIT 1")


def test_patients_by_age(house: House) -> None:
    aged(house, (b"1", 5000), (b"2", 9000), (b"3", 7000))

    def listed(device: str, order: str, most: int) -> list[bytes]:
        sql = patients_by_age(house.archive.stores.tables, device, order, most)
        return [bytes(row[0]) for row in house.rows(sql)]

    assert listed("", "", 9) == listed("MAG0", "x; --", 9) == [b"2", b"3", b"1"]
    assert listed("", "PatientID", 2) == [b"1", b"2"]
    assert listed("MAG1", "", 9) == listed("O'Neil", "", 9) == listed("", "", -1) == []


def test_storing_sets_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(tmp_path)
    aged(house, (b"1", 5000))
    house.reopen(mag_threshold=50)
    assert house.archive.stores.options.threshold == 50
    pretend(house, monkeypatch, lambda _: 40)
    assert house.store(CT1) == 0
    deadline = time.monotonic() + 20
    while patients(house) != [b"PAT 001.A"]:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    house.archive.close()
    assert "cleaner" not in {thread.name for thread in threading.enumerate()}


def test_zero_is_never(house: House) -> None:
    assert house.archive._cleaner is None
