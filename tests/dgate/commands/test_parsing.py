"""Parsers and editors of the commands, under any input."""

from __future__ import annotations

import io
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.commands.arguments import formatted, row, split
from dgate.commands.classes import entries
from dgate.commands.client import command_set
from dgate.commands.context import CommandError
from dgate.commands.dump import dump
from dgate.commands.nodes import as_file
from dgate.commands.parameters import with_param, without_param
from dgate.config.amap import AcrNemaMap, Node
from dgate.config.dictionary import Dictionary
from dgate.config.inifile import IniFile
from dgate.encoding.part10 import NotDicomError
from dgate.net.commands import command_text, output_of, padded, upload
from dgate.net.dimse import parse_command
from tests.dgate.archive.support import CT1, dataset

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
WORDS = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=16)


class TestFormats:
    def test_as_printf(self) -> None:
        assert formatted("%s|%5s|%-5s|%.2s|%0.0s%d%%", ("a", "b", "c", "defg", "x", "9")) == "a|    b|c    |de|9%"
        assert formatted("%s and %s", ("only",)) == "only and "
        assert formatted("a\\tb\\n%", ()) == "a\tb\n%"
        assert row("", ("a", "b")) == "a|b\n"

    @given(TEXTS, st.lists(TEXTS, max_size=4))
    def test_any_format(self, pattern: str, values: list[str]) -> None:
        assert isinstance(formatted(pattern, values), str)

    @given(TEXTS, st.integers(1, 5))
    def test_split_gives_what_is_asked_for(self, text: str, count: int) -> None:
        parts = split(text, "|", count)
        assert len(parts) == count
        assert "|".join(parts).rstrip("|") == text.rstrip("|")


class TestWire:
    @given(st.binary(max_size=50), st.none() | st.binary(max_size=50))
    def test_command_and_file_arrive(self, text: bytes, file: bytes | None) -> None:
        command = parse_command(command_set(text, file))
        assert command_text(command) == text.rstrip(b" \0")
        assert upload(command) == file

    @given(st.binary(min_size=1, max_size=50))
    def test_output_arrives_to_the_byte(self, output: bytes) -> None:
        assert output_of(parse_command(command_set(b"", None) + padded(0x99990401, output))) == output

    @given(st.dictionaries(st.sampled_from([0x99990400, 0x99990401, 0x99990402, 0x99990404]), st.binary(max_size=9)))
    def test_any_elements(self, elements: dict[int, bytes]) -> None:
        command = parse_command(command_set(b"", None))
        command.elements.update(elements)
        command_text(command)
        assert upload(command) is None or 0x99990402 in elements
        assert output_of(command) is None or 0x99990401 in elements


class TestIniEditing:
    @given(st.binary(max_size=200), TEXTS, TEXTS)
    def test_what_is_written_is_read_and_nothing_else_changes(self, data: bytes, name: str, value: str) -> None:
        data = b"[sscscp]\nA = 1\n" + data
        try:
            changed = with_param(data, name, value, "now")
        except CommandError:
            return
        before, after = IniFile.parse(data), IniFile.parse(changed)
        assert after.get(name) == value
        for section in before.sections:
            old, new = before.section(section), after.section(section)
            old.pop(name.lower(), None)
            new.pop(name.lower(), None)
            assert new == old

    @given(WORDS, WORDS)
    def test_what_is_put_can_be_deleted(self, name: str, value: str) -> None:
        data = b"[sscscp]\r\nA = 1\r\n[lua]\r\nx = y\r\n"
        added = with_param(data, name, value, "now")
        assert b"\r\n" in added
        assert name not in IniFile.parse(without_param(added, name))


class TestMap:
    @given(st.lists(st.tuples(WORDS, WORDS, st.integers(1, 65535), WORDS), max_size=5))
    def test_what_is_written_is_read(self, entries: list[tuple[str, str, int, str]]) -> None:
        nodes = [Node(ae, host, str(port), compression) for ae, host, port, compression in entries]
        read = AcrNemaMap.parse(as_file(AcrNemaMap(tuple(nodes)), "now")).nodes
        assert [(node.ae, node.host, node.port, node.compression) for node in read] == [
            (node.ae, node.host, node.port, node.compression) for node in nodes
        ]


@given(st.binary(max_size=300))
def test_any_sop_list(data: bytes) -> None:
    assert all(len(entry) == 2 for entry in entries(data, ("sop",)))


class TestDump:
    def lines(self, data: bytes) -> list[str]:
        return dump(io.BytesIO(data), Dictionary()).splitlines()

    def test_sequences_of_both_lengths(self) -> None:
        inner = b"\x10\x00\x20\x00LO\x02\x00ID"
        undefined = b"\xff\xff\xff\xff"
        item = b"\xfe\xff\x00\xe0"
        closed = item + len(inner).to_bytes(4, "little") + inner
        open_ = item + undefined + inner + b"\xfe\xff\x0d\xe0\0\0\0\0"
        sequence = b"\x08\x00\x15\x11SQ\0\0"
        end = b"\xfe\xff\xdd\xe0\0\0\0\0"
        data = sequence + len(closed).to_bytes(4, "little") + closed + sequence + undefined + open_ + closed + end
        data += b"\x20\x00\x11\x00IS\x02\x007 "
        assert [" ".join(line.split()) for line in self.lines(data)] == [
            f"0008,1115 {len(closed)} SQ",
            '>0010,0020 2 LO "ID"',
            "0008,1115 undefined SQ",
            '>0010,0020 2 LO "ID"',
            '>0010,0020 2 LO "ID"',
            '0020,0011 2 IS "7"',
        ]

    def test_encapsulated_pixel_data_is_passed_over(self) -> None:
        pixels = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\x04\0\0\0abcd\xfe\xff\xdd\xe0\0\0\0\0"
        data = b"\x10\x00\x20\x00LO\x02\x00ID" + pixels + b"\xfc\xff\xfc\xffOB\0\0\x02\0\0\0\0\0"
        assert [line.split()[0] for line in self.lines(data)] == ["0010,0020", "7fe0,0010", "fffc,fffc"]

    def test_deep_nesting_is_refused(self) -> None:
        level = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
        with pytest.raises(NotDicomError, match="nested deeper"):
            self.lines(level * 10_000)

    @given(st.binary(max_size=400), st.booleans())
    def test_any_bytes(self, data: bytes, whole: bool) -> None:
        try:
            lines = self.lines((dataset(CT1) if whole else b"") + data)
        except NotDicomError:
            return
        assert all(line.isprintable() for line in lines)
