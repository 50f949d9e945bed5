from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dgate.archive import delete as delete_module
from dgate.archive.archive import open_archive
from dgate.archive.delete import delete
from dgate.archive.spool import Spool
from dgate.index.tables import Level
from tests.dgate.archive.support import CT1, TABLES, UID, House, ct1, kfactor, make_house

if TYPE_CHECKING:
    from pathlib import Path

PATIENT, OTHER = b"PAT 001.A", b"OTHER"


def fill(house: House) -> None:
    """Two patients; the first has two studies, the first of them two series, the first of these two images."""
    assert house.store(CT1) == 0
    assert house.store(ct1(t00080018=b"1.2")) == 0
    assert house.store(ct1(t00080018=b"1.3", t0020000e=b"2.3")) == 0
    assert house.store(ct1(t00080018=b"1.4", t0020000e=b"2.4", t0020000d=b"3.4")) == 0
    assert house.store(ct1(t00080018=b"1.5", t0020000e=b"2.5", t0020000d=b"3.5", t00100020=OTHER)) == 0


def counts(house: House) -> tuple[int, ...]:
    return tuple(house.rows(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES)  # noqa: S608


def consistent(house: House) -> bool:
    rows = house.rows("SELECT ObjectFile FROM DICOMImages")
    return sorted(path.decode() for (path,) in rows) == house.files()


@pytest.mark.parametrize(
    ("level", "keys", "gone", "left"),
    [
        (Level.PATIENT, {"patient_id": PATIENT}, 4, (1, 1, 1, 1)),
        (Level.STUDY, {"patient_id": PATIENT, "study_uid": UID.encode()}, 3, (2, 2, 2, 2)),
        (Level.STUDY, {"study_uid": UID.encode()}, 3, (2, 2, 2, 2)),
        (Level.SERIES, {"patient_id": PATIENT, "series_uid": UID.encode() + b".1"}, 2, (2, 3, 3, 3)),
        (Level.SERIES, {"patient_id": PATIENT, "study_uid": b"3.4", "series_uid": b"2.4"}, 1, (2, 2, 3, 4)),
        (Level.IMAGE, {"patient_id": PATIENT, "sop_uid": b"1.2"}, 1, (2, 3, 4, 4)),
        (Level.IMAGE, {"patient_id": PATIENT, "sop_uid": b"1.3"}, 1, (2, 3, 3, 4)),
        (Level.IMAGE, {"patient_id": OTHER, "sop_uid": b"1.5"}, 1, (1, 2, 3, 4)),
        (Level.IMAGE, {"patient_id": OTHER, "sop_uid": b"1.2"}, 0, (2, 3, 4, 5)),
        (Level.STUDY, {"patient_id": OTHER, "study_uid": UID.encode()}, 0, (2, 3, 4, 5)),
        (Level.PATIENT, {"patient_id": b"%"}, 0, (2, 3, 4, 5)),
        (Level.PATIENT, {"patient_id": b""}, 0, (2, 3, 4, 5)),
        (Level.PATIENT, {"study_uid": UID.encode()}, 0, (2, 3, 4, 5)),
        (Level.IMAGE, {"patient_id": PATIENT}, 0, (2, 3, 4, 5)),
        (Level.PATIENT, {"patient_id": b"x' OR '1' = '1"}, 0, (2, 3, 4, 5)),
    ],
)
def test_what_is_named_goes_and_nothing_else(
    house: House, level: Level, keys: dict[str, bytes], gone: int, left: tuple[int, ...]
) -> None:
    fill(house)
    assert delete(house.archive, level, keys) == gone
    assert counts(house) == left
    assert consistent(house)


def test_the_patient_folder_stays_and_folders_below_go(tmp_path: Path) -> None:
    house = make_house(tmp_path, file_name_syntax="8")
    fill(house)
    assert delete(house.archive, Level.PATIENT, {"patient_id": PATIENT}) == 4
    assert (house.data / "PAT_001_A").is_dir()
    assert list((house.data / "PAT_001_A").iterdir()) == []
    assert house.store(CT1) == 0  # into folders that were known and are gone
    assert consistent(house)
    house.archive.close()


def test_storing_after_deleting_makes_all_rows_again(house: House) -> None:
    fill(house)
    assert delete(house.archive, Level.PATIENT, {"patient_id": PATIENT}) == 4
    assert house.store(CT1) == 0
    assert counts(house) == (2, 2, 2, 2)


def test_rows_deleted_by_another_process_are_made_again(house: House) -> None:
    house.store(CT1)
    house.change(*(f"DELETE FROM {table}" for table in TABLES))  # noqa: S608
    assert house.store(ct1(t00080018=b"1.2")) == 0
    assert counts(house) == (1, 1, 1, 1)


def test_many_images_go_in_portions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delete_module, "PORTION", 3)
    for number in range(10):
        house.store(ct1(t00080018=b"9.%d" % number))
    assert delete(house.archive, Level.STUDY, {"study_uid": UID.encode()}) == 10
    assert counts(house) == (0, 0, 0, 0)
    assert house.files() == []


def test_rows_that_never_had_an_image_go_as_well(house: House) -> None:
    house.change(
        "INSERT INTO DICOMPatients (PatientID) VALUES ('EMPTY')",
        "INSERT INTO DICOMStudies (StudyInsta, PatientID) VALUES ('1.1', 'EMPTY')",
        "INSERT INTO DICOMSeries (SeriesInst, StudyInsta) VALUES ('1.1.1', '1.1')",
    )
    assert delete(house.archive, Level.PATIENT, {"patient_id": b"EMPTY"}) == 0
    assert counts(house) == (0, 0, 0, 0)


def test_files_can_stay(house: House) -> None:
    fill(house)
    files = house.files()
    assert delete(house.archive, Level.IMAGE, {"sop_uid": b"1.2"}, keep_files=True) == 1
    assert house.files() == files
    assert counts(house) == (2, 3, 4, 4)


def test_a_path_that_leaves_the_device_is_not_touched(house: House, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    house.store(CT1)
    house.change("UPDATE DICOMImages SET ObjectFile = '../victim'")
    assert delete(house.archive, Level.PATIENT, {"patient_id": PATIENT}) == 1
    assert victim.read_text() == "mine"
    assert any("File stays" in line for line in house.log.lines)


class DiedError(BaseException):
    """Stands for the end of the process at a chosen point."""


@pytest.mark.parametrize("after_commit", [True, False])
def test_death_in_the_middle_leaves_rows_and_files_in_step(
    house: House, monkeypatch: pytest.MonkeyPatch, after_commit: bool
) -> None:
    fill(house)

    def die(*_: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "settle", lambda *_: None)
        patch.setattr(delete_module, "_remove" if after_commit else "_delete_upwards", die)
        with pytest.raises(DiedError):
            delete(house.archive, Level.STUDY, {"study_uid": UID.encode()})
    house.archive.stores.writer.close()
    for spool in house.archive.stores.devices.spools:
        os.close(spool._fd)  # gives the lock back, as the death of a process does
        spool._fd = os.open("/dev/null", os.O_RDONLY)
    house.archive = open_archive(house.settings, kfactor(), house.log)
    assert counts(house) == ((2, 2, 2, 2) if after_commit else (2, 3, 4, 5))
    assert consistent(house)


@pytest.mark.sqlite
def test_a_deletion_that_fails_keeps_everything(house: House) -> None:
    fill(house)
    with closing(sqlite3.connect(house.root / "conquest.db3")) as other, other:
        other.execute("CREATE TRIGGER t BEFORE DELETE ON DICOMSeries BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(sqlite3.Error):
        delete(house.archive, Level.PATIENT, {"patient_id": PATIENT})
    assert counts(house) == (2, 3, 4, 5)
    assert consistent(house)
    house.reopen()
    assert consistent(house)
    assert house.store(ct1(t00080018=b"1.9")) == 0
