"""Conditions by themselves."""

from __future__ import annotations

import pytest

from dgate.rules.conditions import between, matches


@pytest.mark.parametrize(
    ("first", "last", "hour", "expected"),
    [
        (9, 17, 9, True),
        (9, 17, 17, False),
        (9, 17, 8, False),
        (22, 6, 23, True),
        (22, 6, 5, True),
        (22, 6, 6, False),
        (0, 24, 23, True),
        (0, 0, 0, False),
        (24, 0, 23, False),
    ],
)
def test_hours(first: int, last: int, hour: int, expected: bool) -> None:
    assert between(first, last, hour) is expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("CT", "ct", True),
        ("CT  ", "CT", True),
        ("CT", "*", True),
        ("", "*", True),
        ("", "", True),
        ("a", "", False),
        ("abcd", "ab*", True),
        ("abcd", "*CD", True),
        ("abcd", "*bc*", True),
        ("abcd", "a*d", False),
        ("a*d", "a*d", True),
        ("abcd", "ab?d", False),
        ("abcd", "*", True),
    ],
)
def test_patterns(text: str, pattern: str, expected: bool) -> None:
    assert matches(text, pattern) is expected
