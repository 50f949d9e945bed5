from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dgate.config.dictionary import load_dictionary
from dgate.encoding.elements import BIG, IMPLICIT, LITTLE, Encoding
from dgate.encoding.transcode import Transcoder
from dgate.encoding.vrs import SIGNED_OR_NOT, WORDS, VRs, read_vrs
from tests.dgate.archive.support import DICTIONARY_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def sample() -> Dataset:
    item = Dataset()
    item.add_new(0x00080100, "SH", "CODE")
    item.add_new(0x0040A30A, "DS", ["1.5", "2"])
    item.add_new(0x00189219, "SS", -3)
    inner = Dataset()
    inner.add_new(0x0040DB73, "UL", [1, 70000])
    inner.add_new(0x00720073, "OV", bytes(range(16)))
    item.add_new(0x0040A730, "SQ", [inner, Dataset()])
    data = Dataset()
    data.add_new(0x00080018, "UI", "1.2.3")
    data.add_new(0x00081140, "SQ", [item, item])
    data.add_new(0x00081199, "SQ", [])
    data.add_new(0x00189073, "FD", [1.25, -2.0])
    data.add_new(0x00209165, "AT", [0x00100020, 0x00080018])
    data.add_new(0x00280010, "US", 600)
    data.add_new(0x00282112, "DS", "1")
    data.add_new(0x00660016, "OF", bytes(range(8)))
    data.add_new(0x7FE00010, "OW", bytes(range(32)))
    return data


def encoded(data: Dataset, encoding: Encoding, *, undefined: bool = False) -> bytes:
    for element in data.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = not encoding.explicit, not encoding.big_endian
    write_dataset(file, data)
    return file.getvalue()


def convert(
    data: bytes, source: Encoding, *, explicit: bool, sizes: Sequence[int] = (1 << 20,), vrs: VRs | None = None
) -> bytes:
    transcoder, out, start = Transcoder(source, explicit=explicit, vrs=vrs), [], 0
    count = 0
    while start < len(data):
        size = sizes[count % len(sizes)]
        out += [bytes(piece) for piece in transcoder.feed([memoryview(data)[start : start + size]])]
        start, count = start + size, count + 1
    out += [bytes(piece) for piece in transcoder.end()]
    assert transcoder.fault == ""
    return b"".join(out)


def plain(data: Dataset) -> dict[Any, Any]:
    return {
        element.tag: [plain(item) for item in element.value] if element.VR == "SQ" else element.value
        for element in data
    }


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("source", [LITTLE, BIG])
@pytest.mark.parametrize("size", [1, 3, 10, 1 << 20])
def test_pydicom_reads_the_same_values(source: Encoding, explicit: bool, undefined: bool, size: int) -> None:
    data = sample()
    if source == BIG:  # byte strings of wide units are swapped by nobody in pydicom
        for tag in (0x00660016, 0x7FE00010):
            del data[tag]
        for item in data[0x00081140].value:
            for inner in item[0x0040A730].value:
                inner.pop(0x00720073, None)
    out = convert(encoded(data, source, undefined=undefined), source, explicit=explicit, sizes=(size,))
    read = pydicom.dcmread(io.BytesIO(header(explicit) + out), force=True)
    assert plain(read) == plain(data)


def header(explicit: bool) -> bytes:
    from dgate.encoding.part10 import header as make

    return make(b"1.2", b"1.2.3", b"1.2.840.10008.1.2.1" if explicit else b"1.2.840.10008.1.2")


@pytest.mark.parametrize(("vr", "width"), [(b"OW", 2), (b"OF", 4), (b"OD", 8), (b"OV", 8)])
@given(content=st.binary(max_size=64), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_wide_units_are_swapped_in_pieces_of_any_size(vr: bytes, width: int, content: bytes, sizes: list[int]) -> None:
    content = content[: len(content) // width * width]
    start = b"\x7f\xe0\x00\x10" + vr + b"\0\0" + len(content).to_bytes(4, "big")
    out = convert(start + content, BIG, explicit=True, sizes=sizes)
    swapped = b"".join(content[at : at + width][::-1] for at in range(0, len(content), width))
    assert out == b"\xe0\x7f\x10\x00" + vr + b"\0\0" + len(content).to_bytes(4, "little") + swapped


@given(st.binary(max_size=300), st.sampled_from([LITTLE, BIG]), st.booleans(), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_random_bytes_never_raise(data: bytes, source: Encoding, explicit: bool, size: int) -> None:
    transcoder = Transcoder(source, explicit=explicit)
    for start in range(0, len(data), size):
        transcoder.feed([data[start : start + size]])
    transcoder.end()


def test_deep_nesting_is_a_fault() -> None:
    transcoder = Transcoder(LITTLE, explicit=False)
    data = b""
    for _ in range(1000):
        data = b"\xfe\xff\x00\xe0" + len(data).to_bytes(4, "little") + data
        data = b"\x08\x00\x40\x11SQ\0\0" + len(data).to_bytes(4, "little") + data
    transcoder.feed([data])
    assert "deeper" in transcoder.fault


@pytest.fixture(scope="module")
def vrs() -> VRs:
    return read_vrs(str(DICTIONARY_FILE))


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("size", [1, 3, 10, 1 << 20])
def test_implicit_becomes_what_pydicom_writes_as_explicit(vrs: VRs, undefined: bool, size: int) -> None:
    data = sample()
    for item in data[0x00081140].value:
        item[0x0040A730].value[0].pop(0x00720073, None)  # no OV in the dictionary
    out = convert(encoded(data, IMPLICIT, undefined=undefined), IMPLICIT, explicit=True, sizes=(size,), vrs=vrs)
    assert out == encoded(data, LITTLE, undefined=True)


@pytest.mark.parametrize(("representation", "vr", "value"), [(0, "US", 65535), (1, "SS", -1)])
@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_the_sign_of_the_pixels_decides(vrs: VRs, representation: int, vr: str, value: int, size: int) -> None:
    data = Dataset()
    data.add_new(0x00280103, "US", representation)
    data.add_new(0x00280106, vr, value)
    data.add_new(0x00283006, "OW", bytes(4))
    out = convert(encoded(data, IMPLICIT), IMPLICIT, explicit=True, sizes=(size,), vrs=vrs)
    assert out == encoded(data, LITTLE)


def test_what_the_dictionary_does_not_know(vrs: VRs) -> None:
    data = Dataset()
    data.add_new(0x00090010, "LO", "MAKER")
    data.add_new(0x00091001, "UN", b"xy")
    data.add_new(0x00091002, "SQ", [Dataset()])
    data.add_new(0x00104000, "UN", b"z" * 70000)  # LT has 16 bits for its length
    data.add_new(0x60023000, "OW", bytes(4))
    out = convert(encoded(data, IMPLICIT, undefined=True), IMPLICIT, explicit=True, vrs=vrs)
    assert out == encoded(data, LITTLE, undefined=True)
    assert convert(encoded(data, IMPLICIT, undefined=True), IMPLICIT, explicit=True).count(b"UN\0\0") == 2


@pytest.mark.parametrize(("source", "explicit"), [(LITTLE, False), (BIG, True), (IMPLICIT, True)])
def test_an_element_beyond_its_item_is_a_fault(vrs: VRs, source: Encoding, explicit: bool) -> None:
    item = Dataset()
    item.add_new(0x00080100, "SH", "CODE")
    data = Dataset()
    data.add_new(0x00081140, "SQ", [item])
    content = encoded(data, source)
    for at, wrong in ((content.index(b"CODE") - 1, 200), (content.index(b"CODE") - 4, 200)):
        broken = bytearray(content)
        broken[at] = wrong
        transcoder = Transcoder(source, explicit=explicit, vrs=vrs)
        transcoder.feed([bytes(broken)])
        if transcoder.fault:
            break
    assert transcoder.fault == "an element is longer than the item it is in"


@given(st.binary(max_size=300), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_random_implicit_bytes_never_raise(vrs: VRs, data: bytes, size: int) -> None:
    transcoder = Transcoder(IMPLICIT, explicit=True, vrs=vrs)
    for start in range(0, len(data), size):
        transcoder.feed([data[start : start + size]])
    transcoder.end()


def test_the_dictionary_is_read_as_others_read_it(vrs: VRs) -> None:
    everything = load_dictionary(str(DICTIONARY_FILE))
    checked = 0
    for (group, element), attribute in everything.by_tag.items():
        tag = group << 16 | element
        if tag not in SIGNED_OR_NOT | WORDS and element:
            assert vrs.find(tag, signed=False).decode() == attribute.vr
            checked += 1
    assert checked > 5000


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_dictionary_file_is_read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "some.dic"
    file.write_bytes(content + b'\n(0010,0020) VERS="4" VR="LO" VM="1"\n(0010,0020) VR="SH"\n')
    assert read_vrs(str(file)).find(0x00100020, signed=False) == b"LO"
