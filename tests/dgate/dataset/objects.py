"""What the tests of data sets share: pydicom's own files without their headers, the delivered dictionary, encodings."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dgate.config.dictionary import load_dictionary
from dgate.dataset.model import DataSet
from dgate.dataset.terms import Terms
from dgate.encoding.elements import (
    BIG,
    IMPLICIT,
    ITEM,
    ITEM_END,
    LITTLE,
    SEQUENCE_END,
    UNDEFINED,
    Encoding,
    encode_element,
    encoding_of,
)
from dgate.encoding.part10 import read_meta
from dgate.encoding.sequences import encode_sequence

TERMS = Terms(load_dictionary(str(Path(__file__).parents[3] / "templates" / "mount" / "config" / "dgate.dic")))
SYNTAXES = {IMPLICIT: ImplicitVRLittleEndian, LITTLE: ExplicitVRLittleEndian, BIG: ExplicitVRBigEndian}
PIXELS = 0x7FE00010


@dataclass(frozen=True)
class File:
    """A data set as it lies in a file, and how it is written."""

    name: str
    data: bytes
    encoding: Encoding

    def read(self) -> pydicom.Dataset:
        return read_back(self.data, self.encoding)


BROKEN = {"rtplan_truncated.dcm", "MR_truncated.dcm", "image_dfl.dcm", "rtstruct_truncated.dcm", "SC_rgb_jpeg.dcm"}
"""Cut off, deflated, or (the last one) implicit inside although its transfer syntax is an explicit one."""


@cache
def bundled() -> tuple[File, ...]:
    """Every part-10 file inside the package that pydicom itself can read whole."""
    found = []
    package = Path(pydicom.__file__).parent
    for path in sorted(path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")):
        content = path.read_bytes()
        if content[128:132] != b"DICM" or path.name in BROKEN:
            continue
        try:
            meta = pydicom.dcmread(io.BytesIO(content)).file_meta
        except Exception:  # noqa: BLE001, S112 - whatever pydicom itself cannot read is not a test object
            continue
        syntax = meta.get("TransferSyntaxUID")
        if syntax not in (None, DeflatedExplicitVRLittleEndian):
            found.append(File(path.name, content[read_meta(io.BytesIO(content)).offset :], encoding_of(str(syntax))))
    return tuple(found)


def read_back(data: bytes, encoding: Encoding) -> pydicom.Dataset:
    """What pydicom reads from a data set without a header; every element of it."""
    made = pydicom.dcmread(io.BytesIO(part10(data, encoding)), force=True)
    for _ in made.iterall():
        pass
    return made


def part10(data: bytes, encoding: Encoding) -> bytes:
    syntax = encode_element(0x00020010, b"UI", str(SYNTAXES[encoding]).encode(), LITTLE)
    return (
        bytes(128)
        + b"DICM"
        + encode_element(0x00020000, b"UL", len(syntax).to_bytes(4, "little"), LITTLE)
        + syntax
        + data
    )


def plain(dataset: pydicom.Dataset) -> dict[int, Any]:
    """The values of all elements but retired group lengths, as text."""
    return {
        int(element.tag): [plain(item) for item in element.value] if element.VR == "SQ" else str(element.value)
        for element in dataset
        if element.tag.element
    }


NAME, PATIENT_ID, COMMENTS, ROWS, PADDING = 0x00100010, 0x00100020, 0x00104000, 0x00280010, 0x00280120
REFERENCED, CLASS, INSTANCE, OTHER_IDS = 0x00081140, 0x00081150, 0x00081155, 0x00101002
ENCODINGS = (IMPLICIT, LITTLE, BIG)


def elements(encoding: Encoding, *given: tuple[int, bytes, bytes]) -> bytes:
    return b"".join(encode_element(*one, encoding) for one in given)


def mark(tag: int, length: int) -> bytes:
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + length.to_bytes(4, "little")


def opened(tag: int = REFERENCED, vr: bytes = b"SQ") -> bytes:
    return encode_element(tag, vr, b"", LITTLE)[:-4] + UNDEFINED.to_bytes(4, "little")


def parse(*given: tuple[int, bytes, bytes], encoding: Encoding = LITTLE) -> DataSet:
    return DataSet.parse(elements(encoding, *given), encoding, TERMS)


PATIENT = ((NAME, b"PN", b"Doe^John"), (PATIENT_ID, b"LO", b"1CT1"))


def nested(encoding: Encoding, *, endless: bool) -> bytes:
    """Two items with a class and an instance each."""
    items = [elements(encoding, (CLASS, b"UI", b"1.2"), (INSTANCE, b"UI", b"1.2.%d" % n)) for n in range(2)]
    if not endless:
        return encode_sequence(REFERENCED, items, encoding)
    content = b"".join(mark(ITEM, UNDEFINED) + item + mark(ITEM_END, 0) for item in items)
    head = opened() if encoding.explicit else opened()[:4] + UNDEFINED.to_bytes(4, "little")
    return head + content + mark(SEQUENCE_END, 0)
