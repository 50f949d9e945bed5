"""Every readable object that ships inside pydicom goes in and is compared with what pydicom reads from it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from dgate.encoding.part10 import NotDicomError, read_meta
from dgate.interfaces import StoreRequest
from tests.dgate.archive.support import House, make_house

if TYPE_CHECKING:
    from collections.abc import Iterator


def bundled() -> list[Path]:
    """Part-10 files inside the package (nothing is downloaded) with an identity and a data set we can walk."""
    package = Path(pydicom.__file__).parent
    found = []
    for path in sorted(path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")):
        content = path.read_bytes()
        if content[128:132] != b"DICM":
            continue
        try:
            dataset = pydicom.dcmread(io.BytesIO(content))
            complete(dataset)
        except Exception:  # noqa: BLE001, S112 - whatever pydicom itself cannot read is not a test object
            continue
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        if "SOPInstanceUID" in dataset and syntax not in (None, DeflatedExplicitVRLittleEndian):
            found.append(path)
    return found


def complete(dataset: pydicom.Dataset) -> None:
    """Read every element, sequences included."""
    for _ in dataset.iterall():
        pass


FILES = bundled()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = make_house(tmp_path_factory.mktemp("pydicom"))
    yield made
    made.archive.close()


def test_there_are_files_of_many_kinds() -> None:
    syntaxes = {pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID for path in FILES}
    assert len(FILES) > 80
    assert {ImplicitVRLittleEndian, ExplicitVRBigEndian} < syntaxes
    assert len(syntaxes) > 8


BROKEN = {"rtplan_truncated.dcm", "MR_truncated.dcm", "image_dfl.dcm", "rtstruct_truncated.dcm", "SC_rgb_jpeg.dcm"}
"""Cut off, or (the last one) implicit inside although its transfer syntax is an explicit one."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_stored_as_pydicom_reads_it(path: Path, house: House) -> None:
    content = path.read_bytes()
    expected = pydicom.dcmread(path)
    syntax = str(expected.file_meta.TransferSyntaxUID)
    data = content[read_meta(io.BytesIO(content)).offset :]
    uid = str(expected.SOPInstanceUID)
    incoming = house.archive.begin_store(
        StoreRequest(str(expected.get("SOPClassUID", "1.2")), uid, syntax, "SCU", "SCP")
    )
    view = memoryview(data)
    for start in range(0, len(data), 9973):
        incoming.write([view[start : start + 9973]])
    before = len(house.log.lines)
    status = incoming.finish()
    reason = " ".join(house.log.lines[before:])
    if status:
        assert path.name in BROKEN or "inconsistent link" in reason, reason
        return
    ((name, device),) = house.rows(f"SELECT ObjectFile, DeviceName FROM DICOMImages WHERE SOPInstanc = '{uid}'")  # noqa: S608 - a file's own UID
    stored = (house.data / name.decode("latin-1").encode("latin-1").decode("utf-8", "surrogateescape")).read_bytes()
    fixed = any(not expected.get(key) for key in ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID"))
    if syntax != ExplicitVRBigEndian and not fixed and not blanks(data):
        assert stored.endswith(data)
        assert read_meta(io.BytesIO(stored)).offset == len(stored) - len(data)
    else:
        compare(pydicom.dcmread(io.BytesIO(stored)), expected)
    assert device == b"MAG0"
    check_row(house, uid, expected)


def blanks(data: bytes) -> bool:
    """Whether the patient ID has superfluous trailing blanks, which the original removes."""
    at = data.find(b"\x10\x00\x20\x00")
    return at >= 0 and b"  " in data[at : at + 80]


FIXED = {0x00100010, 0x00100020, 0x0020000D, 0x0020000E}


def compare(actual: pydicom.Dataset, expected: pydicom.Dataset) -> None:
    """Same attributes and values, but for the fixed ones and retired group lengths."""
    tags = {element.tag for element in expected if element.tag.element != 0 and element.tag not in FIXED}
    assert {element.tag for element in actual if element.tag.element != 0 and element.tag not in FIXED} == tags
    for tag in tags:
        if tag.group != 0x7FE0 and expected[tag].VR not in ("OW", "OW or OB", "UN", "OB"):
            assert plain(actual[tag].value) == plain(expected[tag].value), tag


def plain(value: Any) -> Any:
    if isinstance(value, pydicom.Sequence):
        return [{element.tag: plain(element.value) for element in item if element.tag.element} for item in value]
    return str(value)


def check_row(house: House, uid: str, expected: pydicom.Dataset) -> None:
    ((rows, columns, modality, name),) = house.rows(
        "SELECT QRows, QColumns, Modality, s.PatientNam FROM DICOMImages JOIN DICOMSeries ON "  # noqa: S608
        "DICOMImages.SeriesInst = DICOMSeries.SeriesInst JOIN DICOMStudies s ON DICOMSeries.StudyInsta = s.StudyInsta "
        f"WHERE SOPInstanc = '{uid}'"
    )
    assert rows == (str(expected.Rows).encode() if "Rows" in expected else None)
    assert columns == (str(expected.Columns).encode() if "Columns" in expected else None)
    assert (modality or b"").decode() == str(expected.get("Modality") or "")
    assert name is None or isinstance(name, bytes)


def test_files_that_are_no_objects_are_named() -> None:
    for content in (b"", b"hello", bytes(200), bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\x02\x00" * 40_000):
        with pytest.raises(NotDicomError):
            read_meta(io.BytesIO(content))
