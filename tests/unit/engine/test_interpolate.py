from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.engine.interpolate import InterpolationError, interpolate

VALUES = {"PORT": "5678", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$PORT:$PORT", "5678:5678"),
        ("${PORT}", "5678"),
        ("a$$b", "a$b"),
        ("$${PORT}", "${PORT}"),
        ("${EMPTY}", ""),
        ("${EMPTY-d}", ""),
        ("${EMPTY:-d}", "d"),
        ("${GONE:-a:-b}", "a:-b"),
        ("${GONE-}", ""),
        ("${PORT:?needed}", "5678"),
        ("${EMPTY?needed}", ""),
        ("${GONE:-${PORT}}", "${PORT}"),
    ],
)
def test_forms(text: str, expected: str) -> None:
    assert interpolate(text, VALUES) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${GONE}", "GONE has no value"),
        ("$GONE", "GONE has no value"),
        ("${EMPTY:?give me one}", "give me one"),
        ("${GONE?}", "GONE needs a value"),
        ("${PORT", "cannot read"),
        ("100$", "cannot read"),
        ("${1X}", "cannot read"),
        ("${PORT!x}", "cannot read"),
    ],
)
def test_refusals(text: str, words: str) -> None:
    with pytest.raises(InterpolationError, match=words):
        interpolate(text, VALUES)


@settings(max_examples=100)
@given(st.text())
def test_doubled_dollars_bring_any_text_through(text: str) -> None:
    assert interpolate(text.replace("$", "$$"), {}) == text


@settings(max_examples=100)
@given(st.text(alphabet="a${}:-?X_ ", max_size=12))
def test_any_text_is_filled_in_or_refused(text: str) -> None:
    try:
        result = interpolate(text, {"X": "1", "a": "2"})
    except InterpolationError:
        result = ""
    assert "${X}" not in result
