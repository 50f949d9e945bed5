from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.encoding.elements import (
    BIG,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT,
    IMPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    LITTLE,
    MAX_NESTING,
    SEQUENCE_END,
    UNDEFINED,
    VALUE_LIMIT,
    Encoding,
    Walker,
    encode_element,
    read_all,
)
from tests.dgate.archive.support import CT1, dataset

WANTED = frozenset(tag for tag in CT1 if tag < 0x7FE00000)
SYNTAXES = {IMPLICIT_LITTLE: IMPLICIT, EXPLICIT_LITTLE: LITTLE, EXPLICIT_BIG: BIG}


def walk(data: bytes, encoding: Encoding = LITTLE, size: int = 1 << 20, wanted: frozenset[int] = WANTED) -> Walker:
    walker = Walker(encoding, wanted)
    for start in range(0, len(data), size):
        walker.feed(memoryview(data)[start : start + size])
    walker.end()
    return walker


def mark(tag: int, length: int) -> bytes:
    return tag.to_bytes(4, "big")[1::-1] + tag.to_bytes(4, "big")[:1:-1] + length.to_bytes(4, "little")


def opened(vr: bytes = b"SQ") -> bytes:
    return b"\x08\x00\x40\x11" + vr + b"\0\0" + UNDEFINED.to_bytes(4, "little")


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11, 64, 10_000])
def test_values_and_head_are_the_same_in_pieces_of_any_size(syntax: str, size: int) -> None:
    data = dataset(CT1, syntax)
    walker = walk(data, SYNTAXES[syntax], size)
    assert walker.fault == ""
    assert walker.values[0x00100020] == b"PAT 001.A "
    assert set(walker.values) == WANTED
    pixels = dataset({0x7FE00010: CT1[0x7FE00010]}, syntax)
    assert walker.head_end == len(data) - len(pixels)
    assert walker.consumed == len(data)


def test_head_ends_at_the_first_element_beyond_the_last_wanted_one() -> None:
    data = dataset({0x00100010: (b"PN", b"A^B"), 0x00100020: (b"LO", b"X"), 0x00181000: (b"LO", b"S")})
    walker = walk(data, wanted=frozenset({0x00100010}))
    assert walker.head_end == len(dataset({0x00100010: (b"PN", b"A^B")}))


def test_needs_more_bytes_before_the_head_is_known() -> None:
    walker = Walker(LITTLE, WANTED)
    walker.feed(dataset(CT1)[:100])
    assert walker.head_end is None
    assert not walker.fault


def test_attributes_inside_sequences_are_not_taken() -> None:
    inner = encode_element(0x00100020, b"LO", b"INNER", LITTLE)
    sequence = opened() + mark(ITEM, UNDEFINED) + inner + mark(ITEM_END, 0) + mark(SEQUENCE_END, 0)
    data = sequence + encode_element(0x00100020, b"LO", b"OUTER", LITTLE)
    for size in (1, 5, 1000):
        walker = walk(data, size=size)
        assert walker.fault == ""
        assert walker.values == {0x00100020: b"OUTER "}


def test_items_of_defined_length_are_skipped_without_looking_inside() -> None:
    sequence = opened() + mark(ITEM, 6) + b"\xff" * 6 + mark(SEQUENCE_END, 0)
    walker = walk(sequence + encode_element(0x00100020, b"LO", b"OUTER", LITTLE))
    assert walker.values == {0x00100020: b"OUTER "}


def test_unknown_value_of_undefined_length_holds_implicit_elements() -> None:
    inner = encode_element(0x00100020, b"LO", b"INNER", IMPLICIT)
    sequence = opened(b"UN") + mark(ITEM, UNDEFINED) + inner + mark(ITEM_END, 0) + mark(SEQUENCE_END, 0)
    walker = walk(sequence + encode_element(0x00100020, b"LO", b"OUTER", LITTLE))
    assert walker.fault == ""
    assert walker.values == {0x00100020: b"OUTER "}


def test_encapsulated_pixels_are_walked_to_their_end() -> None:
    pixels = b"\xe0\x7f\x10\x00OB\0\0" + UNDEFINED.to_bytes(4, "little") + mark(ITEM, 0) + mark(ITEM, 4) + b"abcd"
    head = encode_element(0x00100020, b"LO", b"X", LITTLE)
    assert walk(head + pixels + mark(SEQUENCE_END, 0)).fault == ""
    assert "never closed" in walk(head + pixels).fault


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dataset(CT1)[:-10], "before its last element"),
        (dataset(CT1)[:45], "inside an element"),
        (opened() + mark(ITEM, UNDEFINED), "never closed"),
        (opened() + encode_element(0x00100020, b"LO", b"X", LITTLE), "where it cannot"),
        (mark(ITEM, 0), "where it cannot"),
        (mark(SEQUENCE_END, 0), "where it cannot"),
        (b"\x10\x00\x20\x00\x00\x00\x01\x00AB__________", "no value representation"),
        ((opened() + mark(ITEM, UNDEFINED)) * 10_000, "deeper"),
        ((opened() + mark(ITEM, UNDEFINED)) * (MAX_NESTING + 1), "deeper"),
    ],
)
def test_faults_are_named(data: bytes, reason: str) -> None:
    for size in (1, 1 << 20):
        assert reason in walk(data, size=size).fault


def test_the_deepest_allowed_nesting_is_walked() -> None:
    data = (opened() + mark(ITEM, UNDEFINED)) * MAX_NESTING + (mark(ITEM_END, 0) + mark(SEQUENCE_END, 0)) * MAX_NESTING
    assert walk(data).fault == ""


def test_a_long_value_is_cut_and_costs_no_memory() -> None:
    data = encode_element(0x00100020, b"LO", b"X" * 60_000, LITTLE) + encode_element(0x00181000, b"LO", b"S", LITTLE)
    walker = walk(data, size=1000)
    assert len(walker.values[0x00100020]) == VALUE_LIMIT
    assert walker.fault == ""


def test_odd_length_is_tolerated_and_trailing_nul_bytes_too() -> None:
    data = b"\x10\x00\x20\x00LO\x03\x00ABC" + b"\x20\x00\x10\x00SH\x02\x00S1" + b"\0"
    walker = walk(data)
    assert walker.fault == ""
    assert walker.values == {0x00100020: b"ABC", 0x00200010: b"S1"}


@given(st.binary(max_size=400), st.sampled_from([LITTLE, IMPLICIT, BIG]), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_random_bytes_never_raise_and_pieces_do_not_matter(data: bytes, encoding: Encoding, size: int) -> None:
    whole, pieces = walk(data, encoding), walk(data, encoding, size)
    assert (whole.fault, whole.values, whole.head_end) == (pieces.fault, pieces.values, pieces.head_end)


@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from(sorted(SYNTAXES)))
@settings(max_examples=200, deadline=None)
def test_mutated_objects_never_raise(seed: int, size: int, syntax: str) -> None:
    chance = random.Random(seed)  # noqa: S311 - test data
    data = bytearray(dataset(CT1, syntax))
    for _ in range(chance.randint(1, 6)):
        data[chance.randrange(len(data))] = chance.choice([0, 0xFF, 0xFE, chance.randrange(256)])
    whole, pieces = walk(bytes(data), SYNTAXES[syntax]), walk(bytes(data), SYNTAXES[syntax], size)
    assert (whole.fault, whole.values, whole.head_end) == (pieces.fault, pieces.values, pieces.head_end)
    assert read_all(bytes(data), SYNTAXES[syntax]).consumed <= len(data)


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        (b"UI", b"1.2.3", b"UI\x06\x001.2.3\0"),
        (b"LO", b"abc", b"LO\x04\x00abc "),
        (b"OB", b"a", b"OB\0\0\x02\0\0\0a\0"),
    ],
)
def test_encoding_pads_with_the_vrs_own_byte(vr: bytes, value: bytes, expected: bytes) -> None:
    assert encode_element(0x00100020, vr, value, LITTLE) == b"\x10\x00\x20\x00" + expected
