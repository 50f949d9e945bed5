from __future__ import annotations

import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.dictionary import Attribute, Dictionary

NAME = Attribute(0x10, 0x10, "PN", "1", "PatientName", "Patient's Name", retired=False)
LINE = b'(0010,0010) VERS="4"\tVR="PN"   VM="1"\tKeyword="PatientName"\tName="Patient\'s Name"\r\n'


def test_a_line_is_found_by_tag_and_by_keyword() -> None:
    found = Dictionary.parse(b"# a comment (0010,0020)\n\n" + LINE)
    assert found.tag(0x10, 0x10) == NAME
    assert found.keyword("patientname") == NAME
    assert found.tag(0x10, 0x20) is None
    assert found.keyword("PatientID") is None


def test_the_first_line_of_a_tag_wins() -> None:
    found = Dictionary.parse(LINE + b'(0010,0010) VR="LO" Keyword="Other"\n')
    assert (found.tag(0x10, 0x10), found.keyword("Other")) == (NAME, None)


def test_retired_attributes_are_marked() -> None:
    found = Dictionary.parse(b'(4000,4000) VERS="4RET" VR="LT" VM="1 " Keyword="TextComments" Name=""').tag(
        0x4000, 0x4000
    )
    assert found == Attribute(0x4000, 0x4000, "LT", "1", "TextComments", "", retired=True)


def test_repeating_groups_are_found_under_their_first() -> None:
    found = Dictionary.parse(b'(6000,3000) VR="OW" Keyword="OverlayData"\n')
    for group, hit in ((0x6002, True), (0x60FE, True), (0x6001, False), (0x6100, False)):
        assert (found.tag(group, 0x3000) is not None) == hit


def test_the_start_of_an_instance_does_not_read_it() -> None:
    script = "import sys, dgate.start; print('dgate.config.dictionary' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters='"\n', exclude_categories=["Cs"]), max_size=20).map(
    str.strip
)


@given(st.dictionaries(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)), st.tuples(_TEXT, _TEXT), max_size=6))
@settings(max_examples=100)
def test_what_is_written_is_read(entries: dict[tuple[int, int], tuple[str, str]]) -> None:
    lines = [f'({g:04X},{e:04x}) VERS="4" VR="{vr}" Name="{name}"' for (g, e), (vr, name) in entries.items()]
    found = Dictionary.parse("\n".join(lines).encode())
    assert {tag: (item.vr, item.name) for tag, item in found.by_tag.items()} == entries


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_any_bytes_can_be_parsed(data: bytes) -> None:
    assert Dictionary.parse(data + b"\n" + LINE).by_tag[0x10, 0x10].group == 0x10
