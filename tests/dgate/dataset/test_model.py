from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dgate.dataset import model
from dgate.dataset.model import DataSet
from dgate.dataset.structure import MAX_ENTRIES, DataSetError
from dgate.encoding.elements import (
    IMPLICIT,
    ITEM,
    ITEM_END,
    LITTLE,
    MAX_NESTING,
    SEQUENCE_END,
    UNDEFINED,
    Encoding,
    encode_element,
    read_all,
)
from dgate.encoding.sequences import encode_sequence
from tests.dgate.dataset.objects import (
    COMMENTS,
    ENCODINGS,
    INSTANCE,
    NAME,
    OTHER_IDS,
    PADDING,
    PATIENT,
    PATIENT_ID,
    PIXELS,
    REFERENCED,
    ROWS,
    TERMS,
    elements,
    mark,
    nested,
    opened,
    parse,
    plain,
    read_back,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_elements_are_read_changed_added_and_deleted(encoding: Encoding) -> None:
    data = parse(
        *PATIENT, (ROWS, b"US", (128).to_bytes(2, "big" if encoding.big_endian else "little")), encoding=encoding
    )
    assert (data.text(NAME), data.text(PATIENT_ID), data.text(ROWS), data.text(COMMENTS)) == (
        "Doe^John",
        "1CT1",
        "128",
        None,
    )
    data.set_text(PATIENT_ID, "4MR10")
    data.set_text(COMMENTS, "new")
    data.set_text(ROWS, "512")
    assert data.delete(NAME)
    assert not data.delete(NAME)
    found = read_back(data.encode(), encoding)
    assert plain(found) == {PATIENT_ID: "4MR10", COMMENTS: "new", ROWS: "512"}
    assert [int(element.tag) for element in found] == data.tags() == sorted(data.tags())


def test_writing_the_same_again_is_no_change() -> None:
    data = parse(*PATIENT)
    data.set_text(NAME, "Doe^John")
    assert not data.dirty
    data.set_text(NAME, "")
    assert data.dirty
    assert data.text(NAME) == ""


def test_the_value_is_formatted_by_the_dictionary_but_stays_signed() -> None:
    data = parse((PADDING, b"SS", (-2000).to_bytes(2, "little", signed=True)))
    assert data.text(PADDING) == "63536"
    data.set_text(PADDING, "-3")
    assert data.raw(PADDING) == b"\xfd\xff"
    assert data.written_vr(PADDING) == b"SS"


def test_a_new_element_that_may_be_signed_follows_the_pixels() -> None:
    for representation, vr in ((b"\1\0", b"SS"), (b"\0\0", b"US")):
        data = parse((0x00280103, b"US", representation))
        data.set_text(PADDING, "-1")
        assert vr.decode() == read_back(data.encode(), LITTLE)[PADDING].VR


def test_what_is_written_as_unknown_gets_its_vr_when_it_is_set() -> None:
    data = parse((PATIENT_ID, b"UN", b"1CT1"), (0x00091001, b"SH", b"x"))
    assert data.text(PATIENT_ID) == "1CT1"
    data.set_text(PATIENT_ID, "4MR1")
    data.set_text(0x00091001, "y")
    data.set_text(0x00090010, "MAKER")
    data.set_text(0x00091002, "unknown")
    assert [(data.written_vr(tag), data.text(tag)) for tag in data.tags()] == [
        (b"LO", "MAKER"), (b"SH", "y"), (b"UN", "unknown"), (b"LO", "4MR1"),
    ]  # fmt: skip


def test_retired_group_lengths_go_with_a_change_of_their_group_only() -> None:
    data = parse(
        (0x00080000, b"UL", b"\4\0\0\0"), (0x00080060, b"CS", b"CT"), (0x00100000, b"UL", b"\4\0\0\0"), *PATIENT
    )
    data.set_text(NAME, "X")
    assert read_all(data.encode(), LITTLE).values.keys() == {0x00080000, 0x00080060, NAME, PATIENT_ID}


def test_a_value_that_is_too_long_for_its_vr_is_refused() -> None:
    data = parse(*PATIENT)
    data.set_text(NAME, "x" * 0xFFFE)
    with pytest.raises(DataSetError, match=r"\(0010,0010\) can hold no more than 65534 bytes"):
        data.set_text(NAME, "x" * 0xFFFF)
    assert len(read_back(data.encode(), LITTLE).PatientName) == 0xFFFE


def test_pixels_may_stay_outside() -> None:
    data = parse(*PATIENT)
    data.keep_outside(PIXELS, b"OW")
    assert (PIXELS in data, data.text(PIXELS), data.raw(PIXELS), data.vr(PIXELS)) == (True, "(too long)", None, b"OW")
    assert not data.dirty
    data.set_text(COMMENTS, "new")
    with pytest.raises(DataSetError, match="behind the pixel data"):
        data.set_value(0xFFFCFFFC, b"\0\0")
    assert data.encode() == parse(*PATIENT, (COMMENTS, b"LT", b"new")).encode()
    for change in (lambda one: one.delete(PIXELS), lambda one: one.set_text(PIXELS, "x")):
        copy = data.copy()
        assert copy.outside == PIXELS
        change(copy)
        assert copy.outside is None
        copy.set_value(0xFFFCFFFC, b"\0\0")
        assert copy.tags()[-1] == 0xFFFCFFFC
    assert data.outside == PIXELS


def test_large_values_are_passed_on_without_a_copy() -> None:
    pixels = bytes(1_000_000)
    source = elements(LITTLE, *PATIENT, (PIXELS, b"OW", pixels))
    data = DataSet.parse(source, LITTLE, TERMS)
    data.set_text(NAME, "X")
    pieces = data.pieces()
    assert max(map(len, pieces)) > 1_000_000
    assert all(isinstance(piece, memoryview) and piece.obj is source for piece in pieces if len(piece) > 1000)
    view = data.view(PIXELS)
    assert isinstance(view, memoryview)
    assert view.obj is source
    assert data.text(PIXELS) == "(too long)"


def test_encapsulated_pixels_are_one_element() -> None:
    pixels = opened(PIXELS, b"OB") + mark(ITEM, 0) + mark(ITEM, 4) + b"abcd" + mark(SEQUENCE_END, 0)
    data = DataSet.parse(elements(LITTLE, *PATIENT) + pixels, LITTLE, TERMS)
    assert data.items(PIXELS) is None
    assert data.raw(PIXELS) == mark(ITEM, 0) + mark(ITEM, 4) + b"abcd"
    data.set_text(COMMENTS, "new")
    assert data.encode() == elements(LITTLE, *PATIENT, (COMMENTS, b"LT", b"new")) + pixels


# -- sequences


@pytest.mark.parametrize("encoding", [IMPLICIT, LITTLE])
@pytest.mark.parametrize("endless", [False, True])
def test_items_are_live_and_keep_their_form(encoding: Encoding, *, endless: bool) -> None:
    source = nested(encoding, endless=endless)
    data = DataSet.parse(source, encoding, TERMS)
    content = data.raw(REFERENCED)
    items = data.items(REFERENCED)
    assert items is not None
    assert data.raw(REFERENCED) == content
    assert [item.text(INSTANCE) for item in items] == ["1.2.0", "1.2.1"]
    assert data.text(REFERENCED) == "(sequence)"
    assert not data.dirty
    items[1].set_text(INSTANCE, "1.2.9")
    assert data.dirty
    assert data.encode() == source.replace(b"1.2.1", b"1.2.9")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_sequences_grow_and_shrink(encoding: Encoding) -> None:
    data = DataSet.parse(encode_sequence(REFERENCED, [], encoding), encoding, TERMS)
    assert data.items(REFERENCED) == ()
    assert data.is_empty(REFERENCED)
    data.append_item(REFERENCED).set_text(INSTANCE, "1.2")
    data.append_item(REFERENCED)
    inner = DataSet(LITTLE, TERMS)
    inner.append_item(OTHER_IDS).set_text(PATIENT_ID, "X")
    data.append_item(REFERENCED, inner).set_text(INSTANCE, "1.3")
    assert inner.tags() == [OTHER_IDS]
    assert data.delete_item(REFERENCED, 1)
    assert not data.delete_item(REFERENCED, 2)
    assert not data.delete_item(NAME, 0)
    found = read_back(data.encode(), encoding)
    assert [plain(item) for item in found[REFERENCED].value] == [
        {INSTANCE: "1.2"},
        {INSTANCE: "1.3", OTHER_IDS: [{PATIENT_ID: "X"}]},
    ]


def test_set_to_nothing_makes_an_empty_sequence() -> None:
    data = DataSet.parse(nested(LITTLE, endless=True), LITTLE, TERMS)
    data.set_text(REFERENCED, "")
    data.set_text(OTHER_IDS, "")
    assert (data.items(REFERENCED), data.items(OTHER_IDS)) == ((), ())
    assert plain(read_back(data.encode(), LITTLE)) == {REFERENCED: [], OTHER_IDS: []}
    for change in (lambda: data.set_text(REFERENCED, "x"), lambda: data.set_value(OTHER_IDS, b"x")):
        with pytest.raises(DataSetError, match="is a sequence"):
            change()


def test_an_item_cannot_be_put_into_a_text() -> None:
    with pytest.raises(DataSetError, match="no sequence"):
        parse(*PATIENT).append_item(NAME)


@pytest.mark.parametrize("endless", [False, True])
def test_the_content_of_unknown_is_implicit_and_stays_so(*, endless: bool) -> None:
    item = elements(IMPLICIT, (INSTANCE, b"UI", b"1.2.77"))
    content = mark(ITEM, len(item)) + item
    source = opened(vr=b"UN") + content + mark(SEQUENCE_END, 0)
    if not endless:
        source = encode_element(REFERENCED, b"UN", content, LITTLE)
    data = DataSet.parse(source, LITTLE, TERMS)
    (found,) = data.items(REFERENCED) or ()
    found.set_text(INSTANCE, "1.2.78")
    assert data.encode() == source.replace(b"1.2.77", b"1.2.78")
    assert read_back(data.encode(IMPLICIT), IMPLICIT)[REFERENCED].value[0].ReferencedSOPInstanceUID == "1.2.78"


def test_an_unknown_tag_with_items_in_it_is_a_sequence_and_one_that_only_looks_so_is_a_value() -> None:
    private, other = 0x00091001, 0x00091002
    source = encode_sequence(private, [elements(IMPLICIT, (INSTANCE, b"UI", b"1.2"))], IMPLICIT)
    source += encode_element(other, b"UN", mark(ITEM, 999) + b"xy", IMPLICIT)
    data = DataSet.parse(source, IMPLICIT, TERMS)
    assert [item.text(INSTANCE) for item in data.items(private) or ()] == ["1.2"]
    assert data.items(other) is None
    assert [tag for _, tag in data.walk()] == [private, INSTANCE, other]


def test_a_broken_sequence_reads_as_a_value_and_is_never_half_walked() -> None:
    data = parse((REFERENCED, b"SQ", mark(ITEM, 6) + b"\xff" * 6), *PATIENT)
    assert data.items(REFERENCED) is None
    assert data.text(REFERENCED) == "(sequence)"
    assert not data.is_empty(REFERENCED)
    assert [tag for _, tag in data.walk(strict=False)] == [REFERENCED, NAME, PATIENT_ID]
    for attempt in (lambda: list(data.walk()), lambda: data.append_item(REFERENCED), lambda: data.encode(IMPLICIT)):
        with pytest.raises(DataSetError):
            attempt()


def test_a_walk_remembers_what_was_changed_and_nothing_else() -> None:
    source = nested(LITTLE, endless=True)
    data = DataSet.parse(source, LITTLE, TERMS)
    for holder, tag in data.walk():
        if holder.text(tag) == "1.2.0":
            holder.set_text(tag, "1.2.5")
            break
    assert data.encode() == source.replace(b"1.2.0", b"1.2.5")
    for holder, tag in data.walk():
        holder.delete(tag)
    assert data.encode() == b""


def test_structure_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataSet(LITTLE, TERMS)
    holder = data
    for _ in range(MAX_NESTING):
        holder = holder.append_item(REFERENCED)
    with pytest.raises(DataSetError, match="deeper"):
        holder.append_item(REFERENCED)
    deep = DataSet(LITTLE, TERMS)
    deep.append_item(OTHER_IDS, data).append_item(OTHER_IDS, data)
    with pytest.raises(DataSetError, match="deeper"):
        list(deep.walk())
    monkeypatch.setattr(model, "MAX_ENTRIES", 3)
    deep.set_text(NAME, "x")
    deep.set_text(PATIENT_ID, "x")
    with pytest.raises(DataSetError, match="more than 3 elements"):
        deep.set_text(0x00091005, "x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (elements(LITTLE, *PATIENT)[:-1], "longer than what holds it"),
        (elements(LITTLE, *PATIENT)[:20], "inside an element header"),
        (opened() + mark(ITEM, UNDEFINED), "never closed"),
        (opened() + elements(LITTLE, *PATIENT), "where it cannot"),
        (mark(ITEM, 0), "where it cannot"),
        (mark(ITEM_END, 0), "where it cannot"),
        (b"\x10\x00\x20\x00\x00\x00\x01\x00AB__________", "no value representation"),
        ((opened() + mark(ITEM, UNDEFINED)) * 10_000, "deeper"),
    ],
)
def test_faults_are_named(data: bytes, reason: str) -> None:
    with pytest.raises(DataSetError, match=reason):
        DataSet.parse(data, LITTLE, TERMS)


def test_more_elements_than_any_object_has_are_refused() -> None:
    tags: Iterable[int] = range(MAX_ENTRIES + 1)
    with pytest.raises(DataSetError, match="more than"):
        DataSet.parse(b"".join(mark(tag, 0) for tag in tags), IMPLICIT)


def test_padding_behind_the_last_element_harms_nobody() -> None:
    source = elements(LITTLE, *PATIENT)
    data = DataSet.parse(source + b"\0\0", LITTLE, TERMS)
    assert data.encode() == source + b"\0\0"
    assert data.delete(NAME)
    assert data.encode() == elements(LITTLE, PATIENT[1])
