"""Objects to send, and whether what has arrived is the same."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file

TRAILING_PADDING = 0xFFFCFFFC
NAMES = (
    "CT_small.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "JPEG2000.dcm", "JPGExtended.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "rtdose_1frame.dcm", "waveform_ecg.dcm",
)  # fmt: skip


def path_of(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def content(path: Path) -> pydicom.Dataset:
    """The data set without its group 0002, and without the padding that some leave out."""
    read = pydicom.dcmread(path)
    read.pop(TRAILING_PADDING, None)
    return pydicom.Dataset(read)


def archived(root: Path, uid: str) -> Path:
    """The file below a device that holds this object."""
    for path in root.rglob("*.dcm"):
        if pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID == uid:
            return path
    raise AssertionError(f"{uid} is not below {root}")
