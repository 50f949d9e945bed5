"""Every readable file inside pydicom is parsed, changed, written, and compared with what pydicom reads."""

from __future__ import annotations

import re

import pytest

from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import BIG, IMPLICIT, LITTLE
from tests.dgate.dataset.objects import PIXELS, TERMS, File, bundled, plain, read_back

FILES = bundled()
REPEATED, LENGTHS = {"winter.dcm"}, {"693_J2KI.dcm"}
"""A tag stands twice; a group with a changed sequence has a retired group length: these go when it is written anew."""
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def test_there_are_files_in_all_encodings() -> None:
    assert len(FILES) > 80
    assert {file.encoding for file in FILES} == {IMPLICIT, LITTLE, BIG}


@each_file
def test_what_is_not_changed_is_written_byte_for_byte(file: File) -> None:
    data = DataSet.parse(file.data, file.encoding, TERMS)
    assert data.encode() == file.data
    for holder, tag in data.walk(strict=False):
        holder.items(tag)
    assert not data.dirty
    assert data.encode() == file.data


@each_file
def test_around_a_change_nothing_changes(file: File) -> None:
    data = DataSet.parse(file.data, file.encoding, TERMS)
    for tag in data.tags():
        for item in data.items(tag) or ():
            item.set_text(0x00331077, "x")
            item.delete(0x00331077)
    data.set_text(0x00331077, "x")
    data.delete(0x00331077)
    assert data.dirty
    if file.name in REPEATED | LENGTHS:
        assert plain(read_back(data.encode(), file.encoding)) == plain(file.read())
    else:
        assert data.encode() == file.data


@each_file
def test_top_level_values_are_pydicoms(file: File) -> None:
    data = DataSet.parse(file.data, file.encoding, TERMS)
    expected = file.read()
    assert {int(element.tag) for element in expected} == set(data.tags())
    for element in expected:
        tag = int(element.tag)
        text = data.text(tag)
        if element.VR == "SQ":
            assert text == "(sequence)" or TERMS.vr(tag) is None
            assert len(data.items(tag) or ()) == len(element.value) or file.name == "DICOMDIR-nooffset"
        elif element.VR in ("UI", "CS", "DA", "TM", "AE", "US", "UL") and TERMS.vr(tag) not in (None, b"SS"):
            values = element.value if element.VM > 1 else [element.value]
            shown = "\\".join("" if value is None else str(value) for value in values)
            assert text in (shown, "(too long)") or "\\" in shown or re.sub(r"\s|\0", "", str(text)) == shown, tag


@each_file
def test_a_change_at_each_level_is_read_by_pydicom(file: File) -> None:
    data = DataSet.parse(file.data, file.encoding, TERMS)
    expected = file.read()
    data.set_text(0x00104000, "odd")
    expected.PatientComments = "odd"
    for holder, tag in list(data.walk(strict=False)):
        if tag == 0x00080018 and holder is data:
            holder.set_text(tag, "1.2.3")
            expected.SOPInstanceUID = "1.2.3"
    for tag in [tag for tag in data.tags() if expected[tag].VR == "SQ"]:
        for item, other in zip(data.items(tag) or (), expected[tag].value, strict=False):
            item.set_text(0x00081155, "1.2.840.9")
            other.ReferencedSOPInstanceUID = "1.2.840.9"
    assert plain(read_back(data.encode(), file.encoding)) == plain(expected)


@each_file
@pytest.mark.parametrize("encoding", [IMPLICIT, LITTLE], ids=["implicit", "explicit"])
def test_another_encoding_says_the_same(file: File, encoding: object) -> None:
    assert encoding in (IMPLICIT, LITTLE)
    target = IMPLICIT if encoding == IMPLICIT else LITTLE
    data = DataSet.parse(file.data, file.encoding, TERMS)
    data.delete(PIXELS)
    if file.name == "DICOMDIR-nooffset":
        with pytest.raises(DataSetError):
            data.encode(BIG)
        return
    expected = file.read()
    if "PixelData" in expected:
        del expected.PixelData
    actual = read_back(data.encode(target), target)
    assert set(plain(actual)) == set(plain(expected))
    for element in (element for element in actual if element.tag.element):
        other = expected[element.tag]
        if element.VR == other.VR and element.VR not in ("SQ", "UN", "OB", "OW"):
            assert str(element.value) == str(other.value), element.tag


@each_file
def test_a_copy_is_independent(file: File) -> None:
    data = DataSet.parse(file.data, file.encoding, TERMS)
    for tag in data.tags():
        data.items(tag)
    copy = data.copy()
    for tag in copy.tags():
        for item in copy.items(tag) or ():
            item.set_text(0x00081155, "1.2.840.9")
    copy.set_text(0x00104000, "changed")
    assert not data.dirty
    assert data.encode() == file.data
    again = copy.copy()
    again.delete(0x00104000)
    assert copy.text(0x00104000) == "changed"
