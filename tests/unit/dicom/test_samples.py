"""The objects that the demo sends: taken from the real package, and none that is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import UID, CTImageStorage, MediaStorageDirectoryStorage, RLELossless

from conquestctl.dicom.samples import bundled, one_of_each_kind


def whole() -> Path:
    return Path(str(get_testdata_file("CT_small.dcm", download=False)))


def test_one_of_each_kind_comes_with_the_package() -> None:
    found = one_of_each_kind(bundled())
    kinds = [dcmread(path).SOPClassUID for path in found]
    assert len(kinds) == len(set(kinds)) >= 5
    assert MediaStorageDirectoryStorage not in kinds
    assert whole() in found


def test_of_several_an_uncompressed_one(tmp_path: Path) -> None:
    plain = tmp_path / "z-plain"
    plain.write_bytes(whole().read_bytes())
    packed = dcmread(whole())
    packed.compress(RLELossless, generate_instance_uid=False)
    packed.save_as(tmp_path / "a-packed")
    assert packed.SOPClassUID == CTImageStorage
    assert one_of_each_kind([tmp_path / "a-packed", plain]) == [plain]
    assert one_of_each_kind([tmp_path / "a-packed"]) == [tmp_path / "a-packed"]


@pytest.mark.parametrize("missing", [1, 100, 30_000])
def test_a_file_that_ends_too_early_is_none(tmp_path: Path, missing: int) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(whole().read_bytes()[:-missing])
    assert one_of_each_kind([cut]) == []


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"])
def test_a_file_without_an_identity_is_none(tmp_path: Path, keyword: str) -> None:
    image = dcmread(whole())
    del image[keyword]
    image.save_as(tmp_path / "nobody")
    assert one_of_each_kind([tmp_path / "nobody"]) == []


def test_a_file_whose_meta_information_speaks_of_another_object_is_none(tmp_path: Path) -> None:
    image = dcmread(whole())
    image.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    image.save_as(tmp_path / "other")
    assert one_of_each_kind([tmp_path / "other"]) == []


def test_text_is_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"hello")
    assert one_of_each_kind([tmp_path / "text"]) == []
