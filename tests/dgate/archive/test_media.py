"""JUKEBOX and CACHE devices: archive media that are read, walked by a regeneration, and never written to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dgate.archive.archive import open_archive
from dgate.archive.delete import delete
from dgate.archive.regenerate import enter_folder, regenerate
from dgate.encoding.elements import IMPLICIT_LITTLE
from dgate.index.tables import Level
from dgate.interfaces import RetrieveFailure
from tests.dgate.archive.support import UID, House, ct1, kfactor, make_house

NAME = "1.2/x.dcm"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """One object on each of a jukebox, a cache and the MAG device."""
    roots = {kind: (f"{tmp_path}/{kind}/",) for kind in ("cd", "cache")}
    made = make_house(tmp_path, jukebox_devices=roots["cd"], cache_devices=roots["cache"])
    for number, kind in enumerate(("cd", "cache", "data"), 1):
        assert made.store(ct1(t00080018=f"{UID}.1.{number}".encode(), t00200013=str(number).encode())) == 0
        if kind != "data":
            (name,) = made.files()
            (tmp_path / kind / NAME).parent.mkdir(parents=True)
            shutil.move(made.data / name, tmp_path / kind / NAME)
            device = {"cd": "JUKEBOX0", "cache": "CACHE0"}[kind]
            made.change(f"UPDATE DICOMImages SET ObjectFile='{NAME}', DeviceName='{device}' WHERE DeviceName='MAG0'")  # noqa: S608
    yield made
    made.archive.close()


def contents(house: House) -> list[str]:
    """What lies on the media."""
    found = [*(house.root / "cd").rglob("*"), *(house.root / "cache").rglob("*")]
    return sorted(str(path.relative_to(house.root)) for path in found)


def read_all(house: House) -> set[str]:
    read = set()
    for stored in house.archive.select(b"", IMPLICIT_LITTLE):
        with house.archive.open(stored) as file:
            assert file.path
        read.add(stored.sop_instance_uid[-1])
    return read


def test_files_are_found_there(house: House) -> None:
    assert read_all(house) == {"1", "2", "3"}


@pytest.mark.parametrize("name", ["JUKEBOX0.1", "CACHE0.1", "MAG0.Archival"])
def test_what_stands_behind_a_dot_does_not_count(house: House, name: str) -> None:
    house.change(f"UPDATE DICOMImages SET DeviceName = '{name}' WHERE DeviceName = '{name.partition('.')[0]}'")  # noqa: S608
    assert read_all(house) == {"1", "2", "3"}


def test_a_medium_that_comes_later(house: House) -> None:
    (house.root / "cd").rename(house.root / "away")
    with pytest.raises(RetrieveFailure, match=r"cd/1\.2/x\.dcm cannot be read: No such file"):
        read_all(house)
    (house.root / "away").rename(house.root / "cd")
    assert read_all(house) == {"1", "2", "3"}


def test_links_on_a_medium_lead_nowhere(house: House) -> None:
    (house.root / "secret").mkdir()
    shutil.move(house.root / "cd" / NAME, house.root / "secret" / "x.dcm")
    (house.root / "cd" / "1.2").rmdir()
    (house.root / "cd" / "1.2").symlink_to(house.root / "secret")
    with pytest.raises(RetrieveFailure):
        read_all(house)


def test_a_device_that_is_none(house: House) -> None:
    house.change("UPDATE DICOMImages SET DeviceName = 'JUKEBOX7' WHERE DeviceName = 'JUKEBOX0'")
    with pytest.raises(RetrieveFailure, match="JUKEBOX7 is no device of this server"):
        read_all(house)


def test_a_regeneration_walks_jukeboxes(house: House) -> None:
    house.archive.close()
    before = contents(house)
    regenerate(house.settings, kfactor(), house.log, 0, workers=1)
    house.archive = open_archive(house.settings, kfactor(), house.log)
    assert sorted(house.rows("SELECT SOPInstanc, DeviceName FROM DICOMImages")) == [
        (f"{UID}.1.1".encode(), b"JUKEBOX0"), (f"{UID}.1.3".encode(), b"MAG0"),
    ]  # fmt: skip
    assert [line for line in house.log.lines if line.startswith("Regen Device")] == [
        "Regen Device 'JUKEBOX0'", "Regen Device 'MAG0'",
    ]  # fmt: skip
    assert contents(house) == before
    assert enter_folder(house.archive, b"CACHE0") == 1


def test_what_is_on_both_is_entered_from_the_magnetic_device(house: House) -> None:
    house.archive.close()
    (house.data / "1.2").mkdir()
    shutil.copy(house.root / "cd" / NAME, house.data / NAME)
    regenerate(house.settings, kfactor(), house.log, 0, workers=1)
    house.archive = open_archive(house.settings, kfactor(), house.log)
    assert house.rows(f"SELECT DeviceName FROM DICOMImages WHERE SOPInstanc = '{UID}.1.1'") == [(b"MAG0",)]  # noqa: S608


def test_nothing_is_written_there(house: House) -> None:
    before = contents(house)
    assert house.store(ct1(t00080018=f"{UID}.1.1".encode(), t00200013=b"99")) == 0
    assert house.rows(f"SELECT DeviceName FROM DICOMImages WHERE SOPInstanc = '{UID}.1.1'") == [(b"MAG0",)]  # noqa: S608
    assert delete(house.archive, Level.PATIENT, {"patient_id": b"PAT 001.A"}) == 3
    assert contents(house) == before
    assert house.files() == []
