from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.encoding.elements import BIG, IMPLICIT, LITTLE, MAX_NESTING, UNDEFINED, Encoding, encode_element
from dgate.encoding.sequences import (
    MAX_ELEMENTS,
    DataSet,
    Element,
    StructureError,
    encode_sequence,
    read_data_set,
)

ENCODINGS = [IMPLICIT, LITTLE, BIG]
SEQUENCES = (0x00400100, 0x00081199, 0x00321064)
ITEM, ITEM_END, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)

values = st.binary(max_size=12).map(lambda value: value + bytes(len(value) % 2))
leaves = st.dictionaries(
    st.sampled_from([0x00080060, 0x00100010, 0x00400002, 0x00410010]),
    st.builds(Element, st.sampled_from([b"LO", b"UI", b"OB", b"UT"]), values),
    max_size=3,
)
trees: st.SearchStrategy[DataSet] = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda plain, sequence, items: {**plain, sequence: Element(b"SQ", b"", tuple(items))},
        leaves,
        st.sampled_from(SEQUENCES),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


def marker(kind: tuple[int, int], length: int, encoding: Encoding) -> bytes:
    return struct.pack(">HHL" if encoding.big_endian else "<HHL", *kind, length)


def undefined_sequence(tag: int, encoding: Encoding) -> bytes:
    order = ">" if encoding.big_endian else "<"
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    return head + (b"SQ\0\0" if encoding.explicit else b"") + struct.pack(order + "L", UNDEFINED)


def encode(tree: DataSet, encoding: Encoding, *, undefined: bool) -> bytes:
    out = []
    for tag, element in sorted(tree.items()):
        items = [encode(item, encoding, undefined=undefined) for item in element.items]
        if element.vr != b"SQ":
            out.append(encode_element(tag, element.vr, element.value, encoding))
        elif not undefined:
            out.append(encode_sequence(tag, items, encoding))
        else:
            out.append(undefined_sequence(tag, encoding))
            out += [marker(ITEM, UNDEFINED, encoding) + item + marker(ITEM_END, 0, encoding) for item in items]
            out.append(marker(SEQUENCE_END, 0, encoding))
    return b"".join(out)


def without_vrs(tree: DataSet) -> DataSet:
    return {tag: Element(b"", element.value, tuple(map(without_vrs, element.items))) for tag, element in tree.items()}


@given(trees, st.sampled_from(ENCODINGS), st.booleans())
def test_what_is_written_is_read(tree: DataSet, encoding: Encoding, undefined: bool) -> None:
    data = encode(tree, encoding, undefined=undefined)
    found = read_data_set(data, encoding, frozenset(SEQUENCES))
    assert found == (tree if encoding.explicit else without_vrs(tree))


@given(st.binary(max_size=200), st.sampled_from(ENCODINGS))
def test_any_bytes_end_in_a_data_set_or_a_fault(data: bytes, encoding: Encoding) -> None:
    try:
        found = read_data_set(data, encoding, frozenset(SEQUENCES))
    except StructureError:
        return
    assert all(len(element.value) <= len(data) for element in found.values())


@given(trees, st.sampled_from(ENCODINGS), st.booleans(), st.data())
def test_a_changed_byte_or_a_cut_never_gets_further_than_a_fault(
    tree: DataSet, encoding: Encoding, undefined: bool, data: st.DataObject
) -> None:
    whole = bytearray(encode(tree, encoding, undefined=undefined) or b"\0")
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(StructureError):
        read_data_set(bytes(whole[: data.draw(st.integers(0, len(whole)))]), encoding, frozenset(SEQUENCES))


def test_an_unknown_sequence_of_defined_length_is_a_value_in_implicit_encoding() -> None:
    data = encode_sequence(0x00081115, (), IMPLICIT)
    assert read_data_set(data, IMPLICIT, frozenset()) == {0x00081115: Element(b"", b"")}


def test_the_content_of_un_is_implicit() -> None:
    inside = encode_element(0x00080060, b"", b"CT", IMPLICIT)
    content = marker(ITEM, len(inside), LITTLE) + inside
    expected = {0x00400100: Element(b"UN", b"", ({0x00080060: Element(b"", b"CT")},))}
    known = encode_element(0x00400100, b"UN", content, LITTLE)
    assert read_data_set(known, LITTLE, frozenset(SEQUENCES)) == expected
    endless = known[:8] + b"\xff" * 4 + content + marker(SEQUENCE_END, 0, LITTLE)
    assert read_data_set(endless, LITTLE, frozenset()) == expected


def test_padding_at_the_end_is_no_fault() -> None:
    data = encode_element(0x00100020, b"LO", b"P1", LITTLE)
    assert read_data_set(data + bytes(6), LITTLE, frozenset()) == {0x00100020: Element(b"LO", b"P1")}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (undefined_sequence(0x00400100, LITTLE) * (MAX_NESTING + 1), "where an item is due"),
        ((undefined_sequence(0x00400100, LITTLE) + marker(ITEM, UNDEFINED, LITTLE)) * 10_000, "deeper than 32"),
        (undefined_sequence(0x00400100, LITTLE), "a sequence of undefined length is never closed"),
        (undefined_sequence(0x00400100, LITTLE) + marker(ITEM, UNDEFINED, LITTLE), "an item of undefined length"),
        (marker(ITEM_END, 0, LITTLE), "stands where it cannot"),
        (encode_element(0x00100020, b"LO", b"P1", LITTLE)[:-1], "longer than what holds it"),
        (encode_element(0x00100020, b"LO", b"P1", LITTLE)[:-3], "cut off"),
        (b"\x10\0\x20\0\0\0\0\0\0\0\0\0", "no value representation"),
        (encode_element(0x00100020, b"SH", b"", LITTLE) * (MAX_ELEMENTS + 1), "more than"),
    ],
)
def test_faults(data: bytes, why: str) -> None:
    with pytest.raises(StructureError, match=why):
        read_data_set(data, LITTLE, frozenset())
