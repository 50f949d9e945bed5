from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.dataset.formatting import leading_float, leading_integer, to_text, to_value

VRS = st.sampled_from(
    [b"US", b"UL", b"SS", b"SL", b"UV", b"SV", b"FL", b"FD", b"AT", b"UI", b"LO", b"OB", b"UN", b"SQ", b""]
)


@pytest.mark.parametrize(
    ("value", "vr", "text"),
    [
        (b"", b"LO", ""),
        (b"", b"US", ""),
        (b"1CT1", b"LO", "1CT1"),
        (b"Doe^John  ", b"PN", "Doe^John"),
        (b" lead ", b"LO", " lead"),
        (b"1.2.3\0", b"UI", "1.2.3"),
        (b"A\\B ", b"CS", "A\\B"),
        (b"A \\B", b"CS", "A \\B"),
        (b"\xfc\xe4", b"PN", "üä"),
        (b"\x80\0", b"US", "128"),
        (b"\x80\0\1\0", b"US", "128\\1"),
        (b"\x80\0\1", b"US", "128"),
        (b"\x30\xf8", b"US", "63536"),
        (b"\x30\xf8", b"SS", "-2000"),
        (b"\xff\xff\xff\xff", b"UL", "4294967295"),
        (b"\xff\xff\xff\xff", b"SL", "-1"),
        (struct.pack("<f", 1.5), b"FL", "1.500000"),
        (struct.pack("<2d", 0.1, -3), b"FD", "0.100000\\-3.000000"),
        (b"\x10\0\x20\0", b"AT", "0010,0020"),
        (b"x" * 255, b"LT", "x" * 255),
        (b"x" * 256, b"LT", "(too long)"),
        (b"\1\0" * 128, b"US", "(too long)"),
        (b"ab\0cd", b"OB", "ab"),
    ],
)
def test_values_as_text(value: bytes, vr: bytes, text: str) -> None:
    assert to_text(value, vr) == text


@pytest.mark.parametrize(
    ("text", "vr", "value"),
    [
        ("", b"US", b""),
        ("1CT1", b"LO", b"1CT1"),
        ("1CT10", b"LO", b"1CT10 "),
        ("1.2.3", b"UI", b"1.2.3\0"),
        ("abc", b"OB", b"abc "),
        ("128", b"US", b"\x80\0"),
        (" 12 apples", b"US", b"\x0c\0"),
        ("apples", b"US", b"\0\0"),
        ("-2000", b"US", b"\x30\xf8"),
        ("70000", b"US", b"\x70\x11"),
        ("1\\2", b"US", b"\1\0\2\0"),
        ("7.9", b"UL", b"\7\0\0\0"),
        ("1.5", b"FL", struct.pack("<f", 1.5)),
        ("1e300", b"FL", struct.pack("<f", float("inf"))),
        ("-1e300", b"FL", struct.pack("<f", float("-inf"))),
        ("0010,0020", b"AT", b"\x10\0\x20\0"),
        ("x", b"AT", bytes(4)),
        ("üä", b"PN", b"\xfc\xe4"),
        ("\u0416x", b"PN", b"?x"),
    ],
)
def test_text_as_value(text: str, vr: bytes, value: bytes) -> None:
    assert to_value(text, vr) == value


def test_numbers_follow_the_byte_order() -> None:
    assert to_value("1\\2", b"UL", big_endian=True) == b"\0\0\0\1\0\0\0\2"
    assert to_text(b"\0\0\0\1\0\0\0\2", b"UL", big_endian=True) == "1\\2"
    assert to_text(b"\0\x10\0\x20", b"AT", big_endian=True) == "0010,0020"


@pytest.mark.parametrize(
    ("text", "integer", "number"),
    [("", 0, 0), ("7.9", 7, 7.9), ("abc", 0, 0), ("0x10", 0, 0), ("-5x", -5, -5), ("1e2", 1, 100)],
)
def test_leading_numbers(text: str, integer: int, number: float) -> None:
    assert leading_integer(text) == integer
    assert leading_float(text) == number


@given(st.binary(max_size=300), VRS, st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_value_has_a_text_and_integers_come_back(value: bytes, vr: bytes, big_endian: bool) -> None:
    text = to_text(value, vr, big_endian=big_endian)
    assert isinstance(text, str)
    if vr in (b"US", b"SS", b"UL", b"SL", b"AT", b"UV", b"SV") and 0 < len(value) < 256:
        size = {b"U": 2, b"S": 2, b"A": 4}[vr[:1]] if vr[1:] in (b"S", b"T") else 4 if vr[1:] == b"L" else 8
        assert to_value(text, vr, big_endian=big_endian) == value[: len(value) - len(value) % size]


@given(st.text(max_size=80), VRS, st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_text_has_a_value_of_even_length(text: str, vr: bytes, big_endian: bool) -> None:
    value = to_value(text, vr, big_endian=big_endian)
    assert len(value) % 2 == 0
    to_text(value, vr, big_endian=big_endian)
