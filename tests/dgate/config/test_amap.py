from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.amap import AcrNemaMap, Node, ensure_own_entry


def fields(data: bytes) -> list[tuple[str, str, str, str]]:
    return [(node.ae, node.host, node.port, node.compression) for node in AcrNemaMap.parse(data).nodes]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"A h 1 un", [("A", "h", "1", "un")]),
        (b"A\th \t 1\r\nB i 2 j2 more words\r\n", [("A", "h", "1", "un"), ("B", "i", "2", "j2")]),
        (b"A\nB h\n", [("A", "", "", "un"), ("B", "h", "", "un")]),
        (b"# x\n// y\n; z\n/* a\nb */\nA h 1\n", [("A", "h", "1", "un")]),
        (
            b"A h 1 # x\nB h 2 // y\nC h 3 ; z\nD h 4 /* w */\nE h 5",
            [(c, "h", n, "un") for c, n in zip("ABCDE", "12345", strict=True)],
        ),
        (b"A /* x */ h 1\n", [("A", "h", "1", "un")]),
        (b"/*/ A h 1 */ B h 2", [("B", "h", "2", "un")]),
        (b"A h 1\n/* never closed\nB h 2\n", [("A", "h", "1", "un")]),
        (b"\xef\xbb\xbfA h 1", [("A", "h", "1", "un")]),
        (b"", []),
    ],
)
def test_entries_and_comments(data: bytes, expected: list[tuple[str, str, str, str]]) -> None:
    assert fields(data) == expected


def test_line_numbers_count_comment_lines() -> None:
    assert [node.line for node in AcrNemaMap.parse(b"/* 1\n2 */\nA h 1\n\nB h 2").nodes] == [3, 5]


MAP = AcrNemaMap.parse(b"DEST h 1\nX* 127.0.0.1 156*\nX1 late 9\nSTAR* * 1234 j2\nLATE k 2\n* any 7\nlate never 3\n")


@pytest.mark.parametrize(
    ("ae", "expected"),
    [
        ("DEST", Node("DEST", "h", "1", "un", 1)),
        ("X99", Node("X99", "127.0.0.1", "15699", "un", 2)),
        ("x99", Node("x99", "127.0.0.1", "15699", "un", 2)),
        ("X1", Node("X1", "127.0.0.1", "1561", "un", 2)),
        ("X", Node("X", "127.0.0.1", "156", "un", 2)),
        ("STARlocalhost", Node("STARlocalhost", "localhost", "1234", "j2", 4)),
        ("LATE", Node("LATE", "k", "2", "un", 5)),
        ("late", Node("late", "any", "7", "un", 6)),
    ],
)
def test_look_up_order_and_patterns(ae: str, expected: Node) -> None:
    assert MAP.find(ae) == expected


def test_second_pass_ignores_case_and_keeps_the_spelling_asked_for() -> None:
    table = AcrNemaMap.parse(b"DEST h 1\nDest i 2\n")
    assert table.find("Dest") == Node("Dest", "i", "2", "un", 2)
    assert table.find("dest") == Node("dest", "h", "1", "un", 1)
    assert table.find("other") is None


@pytest.mark.parametrize(
    ("port", "number"), [("104", 104), ("0", None), ("65536", None), ("x", None), ("156*", None), ("", None)]
)
def test_port_number(port: str, number: int | None) -> None:
    assert Node("A", "h", port).port_number == number


OWN = b"CT1              127.0.0.1            5678   un"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", OWN + b"\n"),
        (b"A h 1\n", b"A h 1\n" + OWN + b"\n"),
        (b"A h 1", b"A h 1\n" + OWN + b"\n"),
        (b"A h 1\r\n", b"A h 1\r\n" + OWN + b"\r\n"),
        (b"A h 1\r\nB h 2", b"A h 1\r\nB h 2\r\n" + OWN + b"\r\n"),
        (b"  CT1\told  104 j2 # mine\r\nB h 2", b"  CT1\t127.0.0.1  5678 j2 # mine\r\nB h 2"),
        (b"CT1 127.0.0.1 5678", b"CT1 127.0.0.1 5678"),
        (b"CT1\nB h 2\n", b"CT1 127.0.0.1 5678\nB h 2\n"),
        (b"CT1 h # x\n", b"CT1 127.0.0.1 5678 # x\n"),
        (b"# CT1 h 1\n", b"# CT1 h 1\n" + OWN + b"\n"),
        (b"ct1 h 1\n", b"ct1 h 1\n" + OWN + b"\n"),
        (b"A h 1\n/* x */ C* h 2\n", b"A h 1\n/* x */ " + OWN + b"\nC* h 2\n"),
        (b"/* open\nA h 1\n", OWN + b"\n/* open\nA h 1\n"),
        (b"\xef\xbb\xbf/* open", b"\xef\xbb\xbf" + OWN + b"\n/* open"),
        (b"\xef\xbb\xbf", b"\xef\xbb\xbf" + OWN + b"\n"),
        (b"A h 1 # caf\xe9", b"A h 1 # caf\xe9\n" + OWN + b"\n"),
    ],
)
def test_the_own_entry_is_changed_or_added_and_nothing_else(before: bytes, after: bytes) -> None:
    assert ensure_own_entry(before, "CT1", "127.0.0.1", 5678) == after


@pytest.mark.parametrize("ae", ["", "A B", "A#", "A;", "A*", "A//B", "A" * 17, "Ä"])
def test_a_title_that_the_file_cannot_hold_is_refused(ae: str) -> None:
    with pytest.raises(ValueError, match="AE title"):
        ensure_own_entry(b"", ae, "h", 1)


_PIECES = st.lists(
    st.sampled_from(
        [
            b"CT1",
            b"ct1",
            b"C*",
            b"*",
            b"A",
            b"h",
            b"104",
            b" ",
            b"\t",
            b"\n",
            b"\r\n",
            b"#",
            b"//",
            b";",
            b"/*",
            b"*/",
            b"\xe9",
            b"\xef\xbb\xbf",
        ]
    ),
    max_size=30,
).map(b"".join)


@given(st.one_of(_PIECES, st.binary(max_size=100)))
@settings(max_examples=200)
def test_any_file_gets_an_own_entry_that_is_found_and_keeps_the_others(data: bytes) -> None:
    after = ensure_own_entry(data, "CT1", "127.0.0.1", 5678)
    found = AcrNemaMap.parse(after).find("CT1")
    assert found is not None
    assert (found.ae, found.host, found.port) == ("CT1", "127.0.0.1", "5678")
    assert [line for line in fields(after) if line[0] != "CT1"] == [line for line in fields(data) if line[0] != "CT1"]
    assert ensure_own_entry(after, "CT1", "127.0.0.1", 5678) == after
