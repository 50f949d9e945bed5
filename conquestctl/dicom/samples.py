"""Real DICOM objects that are on every machine that has this program: those that come with pydicom for its own tests.

Many of them are broken on purpose. A sample is one that any server has to take (PS3.4 B.2): a composite object of a
storage class, whole, read without a complaint, and the same object in its file meta information as in its data set.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

PREAMBLE = 128
UNDEFINED_LENGTH = 0xFFFFFFFF
MUST_HAVE_A_VALUE = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
"""Type 1 in every composite object (PS3.3 A.1.2)."""
MAY_BE_EMPTY = ("PatientID", "PatientName")
"""Type 2: there, but possibly without a value."""


def bundled() -> Iterator[Path]:
    """Yield every part-10 file inside the package; nothing is downloaded."""
    import pydicom

    for path in (Path(pydicom.__file__).parent / "data").rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(PREAMBLE + 4)[PREAMBLE:] == b"DICM":
                    yield path


def one_of_each_kind(files: Iterable[Path]) -> list[Path]:
    """Return one sample per SOP class; of several an uncompressed one, and the one with the first name."""
    found: dict[str, tuple[bool, Path]] = {}
    for path in files:
        dataset = _readable(path)
        if dataset is None or not _storable(dataset):
            continue
        candidate = (bool(dataset.file_meta.TransferSyntaxUID.is_compressed), path)
        kind = str(dataset.SOPClassUID)
        found[kind] = min(found.get(kind, candidate), candidate)
    return sorted(path for _, path in found.values())


def _readable(path: Path) -> FileDataset | None:
    """Return the data set, every element of it decoded; None when something is wrong with one or the end is missing."""
    from pydicom import dcmread

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            dataset = dcmread(path)
            whole = all(_is_whole(dataset.get_item(tag)) for tag in dataset.keys())  # noqa: SIM118 -- iterating the data set decodes
            for _ in dataset.iterall():
                pass
        except Exception:  # noqa: BLE001 -- pydicom raises many kinds on damaged files, and all mean the same here
            return None
    return dataset if whole else None


def _is_whole(element: object) -> bool:
    """Whether the file goes on as long as the element says; pydicom takes what is there."""
    length, value = getattr(element, "length", UNDEFINED_LENGTH), getattr(element, "value", None)
    return length == UNDEFINED_LENGTH or not isinstance(value, bytes) or len(value) == length


def _storable(dataset: FileDataset) -> bool:
    """Whether it is a composite object of a storage class and its file meta information speaks of the same one."""
    meta = dataset.file_meta
    if not all(dataset.get(keyword) for keyword in MUST_HAVE_A_VALUE):
        return False
    if not all(keyword in dataset for keyword in MAY_BE_EMPTY):
        return False
    same = (meta.get("MediaStorageSOPClassUID"), meta.get("MediaStorageSOPInstanceUID"))
    named = str(getattr(dataset.SOPClassUID, "keyword", ""))
    return same == (dataset.SOPClassUID, dataset.SOPInstanceUID) and named.endswith("Storage")
