"""The managed block: whose lines are whose, whatever else is in the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conquestctl.fleet.amapblock import BEGIN, END, outside, overruled, with_block
from conquestctl.fleet.render import template_folder
from dgate.config.amap import AcrNemaMap, Node, ensure_own_entry

OWN, CT2, PACS = Node("CT1", "127.0.0.1", "5678"), Node("CT2", "ct2", "5679"), Node("PACS", "10.0.0.9", "104", "j2")
ENTRIES = (OWN, CT2, PACS)
MARKED = BEGIN + b"\nGONE gone 1\n" + END + b"\n"

titles = st.text("ABCXYZ019_", min_size=1, max_size=16)
nodes = st.builds(
    Node, titles, st.sampled_from(["ct1", "127.0.0.1", "host.docker.internal"]), st.integers(1, 65535).map(str)
)
tables = st.lists(nodes, max_size=6, unique_by=lambda node: node.ae)
pieces = st.sampled_from(
    [
        *(
            b"A h 1\n",
            b"CT1 h 2 un # why\n",
            b"X* h 15*",
            b"# a comment\n",
            b"\n",
            b"\r\n",
            b"/* many\nlines */\n",
            b"/*",
        ),
        *(
            b"*/",
            b"   ",
            BEGIN,
            END,
            BEGIN + b"\n",
            END + b"\n",
            b"\xef\xbb\xbf",
            b"\xff\x00 x y\n",
            b";",
            b"//",
            b"\t",
        ),
    ]
)
files = st.one_of(st.binary(max_size=80), st.lists(pieces, max_size=14).map(b"".join))


def keys(found: tuple[Node, ...]) -> list[tuple[str, str, str]]:
    return [(node.ae, node.host, node.port) for node in found]


def without_ours(data: bytes) -> bytes:
    """What of a file with a block written by us is not ours."""
    before, begin, rest = data.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin
    assert end
    return before + after.removeprefix(b"\r\n" if after.startswith(b"\r\n") else b"\n")


@given(files, tables)
def test_writing_it_again_changes_nothing(data: bytes, entries: list[Node]) -> None:
    once = with_block(data, entries)
    assert with_block(once, entries) == once


@given(files, tables, tables)
def test_no_byte_of_the_users_is_touched_by_a_change(data: bytes, first: list[Node], second: list[Node]) -> None:
    written, again = with_block(data, first), with_block(with_block(data, first), second)
    assert keys(outside(written)) == keys(outside(again))
    if BEGIN not in data and END not in data:
        assert without_ours(written) == without_ours(again) == data


@given(files, tables)
def test_every_entry_is_found_or_overruled_by_one_of_the_users(data: bytes, entries: list[Node]) -> None:
    written = with_block(data, entries)
    amap = AcrNemaMap.parse(written)
    lost = {entry.ae for entry, _ in overruled(written, entries)}
    for entry in entries:
        found = amap.find(entry.ae)
        assert found is not None
        assert ((found.host, found.port) == (entry.host, entry.port)) != (entry.ae in lost)


@given(st.lists(pieces.filter(lambda piece: b"*" not in piece), max_size=8).map(b"".join), tables)
def test_the_server_adds_nothing_to_what_we_wrote(data: bytes, entries: list[Node]) -> None:
    """`dgate.start` ensures its own entry at each start; in the block it is as the server would write it."""
    own = Node("OWN", "127.0.0.1", "5678")
    written = with_block(data, [own, *(node for node in entries if node.ae != "OWN")])
    assert ensure_own_entry(written, "OWN", "127.0.0.1", 5678) == written


def test_the_block_stands_where_it_was_put() -> None:
    data = b"# mine\nX h 1\n" + MARKED + b"Y h 2\n"
    lines = with_block(data, ENTRIES).splitlines()
    assert lines[:3] == [b"# mine", b"X h 1", BEGIN]
    assert [line.split()[0] for line in lines[3:6]] == [b"CT1", b"CT2", b"PACS"]
    assert lines[6:] == [END, b"Y h 2"]
    assert lines[5].split() == [b"PACS", b"10.0.0.9", b"104", b"j2"]


def test_without_a_block_it_comes_first_where_no_pattern_can_hide_it() -> None:
    data = b"\xef\xbb\xbf* any 7\r\n"
    written = with_block(data, ENTRIES)
    assert written.startswith(b"\xef\xbb\xbf" + BEGIN + b"\r\nCT1 ")
    assert written.endswith(END + b"\r\n* any 7\r\n")
    assert overruled(written, ENTRIES) == []


def test_an_entry_of_the_users_goes_before_ours() -> None:
    written = with_block(b"CT2 elsewhere 7\nPACS 10.0.0.9 104\n", ENTRIES)
    assert keys(AcrNemaMap.parse(written).nodes) == [
        ("CT1", "127.0.0.1", "5678"),
        ("CT2", "elsewhere", "7"),
        ("PACS", "10.0.0.9", "104"),
    ]
    ((ours, theirs),) = overruled(written, ENTRIES)
    assert (ours, theirs.host, theirs.line) == (CT2, "elsewhere", 4)


def test_lines_of_the_users_are_counted_in_the_whole_file() -> None:
    written = with_block(b"# x\nMINE h 1\n" + MARKED + b"LAST h 2\n", ENTRIES)
    assert [(node.ae, node.line) for node in outside(written)] == [("MINE", 2), ("LAST", 8)]


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (BEGIN + b"\nMINE h 1\n", [b"MINE h 1"]),
        (b"MINE h 1\n" + END + b"\n", [b"MINE h 1"]),
        (BEGIN + b"\nA h 1\n" + BEGIN + b"\nOURS h 1\n" + END + b"\nB h 1", [b"A h 1", b"B h 1"]),
        (MARKED + b"A h 1\n" + MARKED, [b"A h 1"]),
        (MARKED + BEGIN + b"\nA h 1\n" + MARKED + b"B h 1\n" + END, [b"A h 1", b"B h 1"]),
    ],
)
def test_begin_and_end_lines_that_lost_each_other(data: bytes, kept: list[bytes]) -> None:
    written = with_block(data, ())
    assert [line for line in written.splitlines() if line not in (BEGIN, END)] == kept
    assert (written.count(BEGIN), written.count(END)) == (1, 1)


def test_a_block_inside_a_comment_is_not_one() -> None:
    data = b"/*\n" + MARKED + b"*/\n"
    written = with_block(data, ENTRIES)
    assert written.endswith(data)
    assert AcrNemaMap.parse(written).find("PACS") is not None


def test_the_template_has_a_place_for_it() -> None:
    template = (template_folder() / "mount" / "config" / "acrnema.map").read_bytes()
    assert with_block(template, ()) == template
