from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conquestctl.fleet.merge import merged

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n"]), max_size=6).map("".join)


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ("1\n2\n3\n4\n", "1\n2\n3\n4\n", "1\n2\n3\n4\n"),
        ("1\n2\n3\n4\nmine\n", "theirs\n1\n2\n3\n4\n", "theirs\n1\n2\n3\n4\nmine\n"),
        ("1\n2\n3\n4\nmine\n", "1\n2\n3\n4\ntheirs\n", "1\n2\n3\n4\nmine\ntheirs\n"),
        ("1\nmine\n3\n4\n", "1\n2\n3\ntheirs\n", "1\nmine\n3\ntheirs\n"),
        ("1\nmine\n3\n4\n", "1\ntheirs\n3\n4\n", None),
        ("1\nmine\n3\n4\n", "1\n3\n4\n", None),
        ("1\n2\nmine\n3\n4\n", "1\n4\n", None),
        ("1\nboth\n3\n4\n", "1\nboth\n3\n4\n", "1\nboth\n3\n4\n"),
        ("1\n4\n", "1\n4\n", "1\n4\n"),
    ],
)
def test_two_changes_of_one_text(mine: str, theirs: str, expected: str | None) -> None:
    assert merged("1\n2\n3\n4\n", mine, theirs) == expected


@given(LINES, LINES)
def test_one_change_alone_is_taken_as_it_is(original: str, changed: str) -> None:
    assert merged(original, changed, original) == merged(original, original, changed) == changed


@given(LINES, LINES, LINES)
def test_no_line_comes_from_nowhere_and_none_of_both_is_lost(original: str, mine: str, theirs: str) -> None:
    made = merged(original, mine, theirs)
    if made is not None:
        assert set(made.splitlines()) <= {*mine.splitlines(), *theirs.splitlines()}
        assert set(mine.splitlines()) & set(theirs.splitlines()) - set(original.splitlines()) <= set(made.splitlines())
