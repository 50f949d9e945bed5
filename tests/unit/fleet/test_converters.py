"""converters.txt: its lines as they become converters, and edits that keep every other byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.errors import InvalidError, NotFoundError
from conquestctl.fleet.converters import added, checked_line, edit_file, read_file, renumbered, rows_of, without
from dgate.config.inifile import IniFile
from dgate.config.rendering import render_dicom_ini
from tests.unit.fleet.support import make

BOM = b"\xef\xbb\xbf"

files = st.builds(
    lambda bom, rows, end: bom + end.join(rows),
    st.sampled_from([b"", BOM]),
    st.lists(st.binary(max_size=20).filter(lambda row: b"\n" not in row), max_size=6),
    st.sampled_from([b"\n", b"\r\n"]),
)
lines = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=80)


def as_served(data: bytes, number: int) -> str:
    ini = IniFile.parse(render_dicom_ini(b"[sscscp]\nMicroPACS = sscscp\n", data, "CT1", 5678))
    return ini.get(f"ImportConverter{number}")


def rows(data: bytes) -> list[tuple[str, str]]:
    return [(row.kind, row.text) for row in rows_of(data)]


def test_comments_and_empty_lines_have_a_number_too() -> None:
    data = BOM + b'nop a\r\n\r\n# why\r\n  "nop"; nop b  \r\n"nop c"\r\nnop last'
    assert [row.number for row in rows_of(data)] == [0, 1, 2, 3, 4, 5]
    assert rows(data) == [
        ("converter", "nop a"),
        ("empty", ""),
        ("comment", "# why"),
        ("converter", '"nop"; nop b'),
        ("converter", "nop c"),
        ("converter", "nop last"),
    ]
    assert rows_of(b"") == []


@settings(deadline=None)
@given(files)
def test_the_list_is_what_the_server_is_given(data: bytes) -> None:
    for row in rows_of(data):
        if row.kind == "converter":
            assert as_served(data, row.number) == row.text


@settings(deadline=None)
@given(files, st.integers(0, 7), lines)
def test_a_line_that_is_taken_is_served_as_it_is_and_moves_the_others_by_one(data: bytes, at: int, text: str) -> None:
    try:
        raw = checked_line(text)
        new, number = added(data, raw, at)
    except InvalidError:
        return
    assert number == at
    if not raw.startswith(b"#"):
        assert as_served(new, number) == raw.decode()
    assert rows(new)[:number] + rows(new)[number + 1 :] == rows(data)


@settings(deadline=None)
@given(files, st.integers(0, 7))
def test_what_was_added_can_be_taken_out_again(data: bytes, at: int) -> None:
    try:
        new, number = added(data, b"nop", at)
    except InvalidError:
        return
    back = without(new, number)
    assert back == data or (number == len(rows_of(data)) and back.rstrip(b"\r\n") == data.rstrip(b"\r\n"))


@settings(deadline=None)
@given(files, st.integers(0, 7))
def test_taking_out_takes_one_line(data: bytes, number: int) -> None:
    before = rows(data)
    try:
        new = without(data, number)
    except NotFoundError:
        assert number >= len(before)
        return
    assert rows(new) == before[:number] + before[number + 1 :]


def test_line_ends_are_those_of_the_file() -> None:
    assert added(b"a\r\nb\r\n", b"x") == (b"a\r\nb\r\nx\r\n", 2)
    assert added(b"a\r\nb\r\n", b"x", 0) == (b"x\r\na\r\nb\r\n", 0)
    assert added(b"a\nb", b"x") == (b"a\nb\nx\n", 2)
    assert added(BOM, b"x") == (BOM + b"x\n", 0)
    with pytest.raises(InvalidError, match="there are 1 lines: --at goes from 0 to 1"):
        added(b"a\n", b"x", 2)
    with pytest.raises(NotFoundError, match="there is no line -1"):
        without(b"a\n", -1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  ", "empty"),
        ("nop a\nnop b", "a line end"),
        ("nop a\rb", "a carriage return"),
        ("nop a\0b", "a NUL"),
        ("nop " + "x" * 508, "512 bytes, and only 511"),
        ('"a"; nop "b"', "the same quote"),
        ("'a'", "the same quote"),
    ],
)
def test_a_line_that_would_not_survive_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidError, match=why):
        checked_line(text)


def test_the_longest_line_is_taken() -> None:
    assert len(checked_line("nop " + "x" * 507)) == 511


def test_an_edit_keeps_rights_and_leaves_no_other_file(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    path = instance.folder / "mount/config/converters.txt"
    path.write_bytes(b"nop \xe9\\\n")
    path.chmod(0o640)
    before = set(path.parent.iterdir())
    edit_file(instance, lambda data: added(data, b"nop")[0])
    assert path.read_bytes() == b"nop \xe9\\\nnop\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert set(path.parent.iterdir()) == before
    with pytest.raises(NotFoundError):
        edit_file(instance, lambda data: without(data, 5))
    assert path.read_bytes() == b"nop \xe9\\\nnop\n"


def test_a_link_out_of_the_instance_is_not_followed(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    path = instance.folder / "mount/config/converters.txt"
    path.unlink()
    assert read_file(instance) == b""
    (tmp_path / "elsewhere").write_bytes(b"nop\n")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidError, match="a link to another place"):
        edit_file(instance, lambda data: data)


def test_filters_that_belong_to_another_line_are_named() -> None:
    template = b"[sscscp]\nImportModality1 = CT\nimportcalledae12=X\nImportConverter3 = nop\n; ImportModality7 = MR\n"
    assert renumbered(template, 2) == ["importcalledae12"]
    assert renumbered(template, 0) == ["ImportModality1", "importcalledae12"]
