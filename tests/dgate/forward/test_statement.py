"""Statements taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.forward.statement import Delayed, Forward, parse_delayed, parse_forward, split_address


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("forward to AE", Forward("AE")),
        ("FORWARD TO AE ORG ME", Forward("AE", calling="ME")),
        (
            "forward compressed as j2 to AE org ME dest YOU channel 3 script nop x y",
            Forward("AE", "j2", "ME", "YOU", "3", "nop x y"),
        ),
        ("forward to AE channel *", Forward("AE", channel="*")),
        ('forward to AE script "nop a"', Forward("AE", script="nop a")),
        ("forward to AE dest YOU org ME", Forward("AE", called="YOU")),
        ("forward  to AE", None),
        ("forward to ", None),
        ("forward compressed as to AE", None),
    ],
)
def test_forward(text: str, found: Forward | None) -> None:
    assert parse_forward(text) == found


def test_clauses_in_any_order() -> None:
    text = "forward study modality CT to AE after 5 date 20200101-20200131 script nop to X"
    clauses = {"modality": "CT", "to": "AE", "after": "5", "date": "20200101-20200131", "script": "nop to X"}
    found = parse_delayed(text)
    assert found == Delayed("forward", "study", clauses, text)
    assert (found.target, found.wait(600)) == ("AE", 5)


def test_other_commands() -> None:
    process = parse_delayed("process study after 3 by /x/y.lua(a to b)")
    assert process is not None
    assert (process.target, process.wait(1)) == ("/x/y.lua(a to b)", 3)
    get = parse_delayed("get patient from SRC")
    assert get is not None
    assert (get.target, get.wait(7)) == ("SRC", 7)
    assert parse_delayed("prefetch") == Delayed("prefetch", text="prefetch")
    preretrieve = parse_delayed("preretrieve SRC")
    assert preretrieve is not None
    assert preretrieve.target == "SRC"
    assert parse_delayed("delete study") == Delayed("delete", "study", {}, "delete study")


@pytest.mark.parametrize(
    "text", ["forward study", "get study", "process study", "forward study  to AE", "process image by x", ""]
)
def test_what_is_not_complete_is_nothing(text: str) -> None:
    assert parse_delayed(text) is None


def test_addresses() -> None:
    assert split_address("AE") is None
    assert split_address("host:104") == ("host", 104)
    assert split_address("host:") == ("host", 5678)
    assert split_address("host:99999") == ("host", 5678)
    assert split_address(":104") is None


@given(st.text(max_size=80) | st.from_regex(r"(forward|get|process|delete) (study|image|to) .{0,60}", fullmatch=True))
def test_nothing_is_raised_whatever_the_text(text: str) -> None:
    for word in ("", "forward to ", "forward study ", "process patient "):
        parse_forward(word + text)
        parse_delayed(word + text)
        split_address(text)


@given(
    st.lists(
        st.tuples(st.sampled_from(["modality", "date", "after", "sop"]), st.from_regex(r"[!-~]{1,8}", fullmatch=True))
    )
)
def test_each_clause_is_found(clauses: list[tuple[str, str]]) -> None:
    text = "forward study " + "".join(f"{name} {value} " for name, value in clauses) + "to AE"
    found = parse_delayed(text)
    assert found is not None
    assert dict(reversed(clauses)) | {"to": "AE"} == found.clauses
