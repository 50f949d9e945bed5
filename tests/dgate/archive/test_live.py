"""Settings that change while the archive is open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dgate.archive.dropped import add_file
from dgate.encoding.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dgate.encoding.part10 import header
from tests.dgate.archive.support import CT1, CT_CLASS, DICTIONARY_FILE, UID, House, ct1, dataset, make_house

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dgate.config.settings import Settings

FAILED = 0x0110


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = make_house(tmp_path, dictionary=str(DICTIONARY_FILE))
    yield made
    made.archive.close()


@pytest.fixture
def current(house: House) -> list[Settings]:
    """The settings as somebody else reads them again; the archive follows."""
    found = [house.settings]
    house.archive.follow(lambda: found[0])
    return found


def test_the_next_object_is_stored_by_the_new_settings(house: House, current: list[Settings]) -> None:
    assert house.store(CT1, IMPLICIT_LITTLE) == 0
    current[0] = replace(current[0], file_name_syntax="%modality/%V0010,0040.dcm", incoming_compression="ul")
    assert house.store(ct1(t00080018=b"1.2"), IMPLICIT_LITTLE) == 0
    first, second = house.data / "PAT_001_A", house.data / "CT/M.dcm"
    assert next(first.iterdir()).read_bytes().endswith(dataset(CT1, IMPLICIT_LITTLE))
    assert second.read_bytes().endswith(dataset(ct1(t00080018=b"1.2"), EXPLICIT_LITTLE))


def test_thresholds_and_the_status_of_a_failure(house: House, current: list[Settings]) -> None:
    current[0] = replace(current[0], mag_full_threshold=1 << 40, storage_failed_error_code=0xA700)
    assert house.store(CT1) == 0xA700
    current[0] = replace(current[0], ignore_mag_threshold=True, mag_full_threshold=30, ignore_rewrite=True)
    assert house.store(CT1) == 0
    assert house.store(ct1(t00200013=b"77")) == 0
    assert house.rows("SELECT ImageNumbe FROM DICOMImages") == [(b"42",)]


def test_room_is_made_from_then_on(house: House, current: list[Settings]) -> None:
    assert house.archive._cleaner is None
    current[0] = replace(current[0], mag_threshold=1)
    assert house.store(CT1) == 0
    assert house.archive._cleaner is not None
    current[0] = replace(current[0], mag_threshold=0)
    assert house.store(CT1) == 0
    assert house.archive._cleaner._threshold == 0


def test_dropped_files_too(house: House, current: list[Settings], tmp_path: Path) -> None:
    source = tmp_path / "source"
    uid = f"{UID}.1.1".encode()
    source.write_bytes(header(CT_CLASS.encode(), uid, IMPLICIT_LITTLE.encode()) + dataset(CT1, IMPLICIT_LITTLE))
    current[0] = replace(current[0], dropped_file_compression="ul")
    assert add_file(house.archive, str(source))
    assert (house.data / house.files()[0]).read_bytes().endswith(dataset(CT1))
