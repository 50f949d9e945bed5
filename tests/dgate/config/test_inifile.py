from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.inifile import MAX_LINE, MAX_VALUE, IniFile


def main_section(*lines: str) -> IniFile:
    return IniFile.parse("\n".join(["[sscscp]", *lines]).encode())


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("TCPPort = 5678", "TCPPort", "5678"),
        ("TCPPort=5678", "tcpport", "5678"),
        ("tcpport \t=\t 5678 \t ", "TCPPORT", "5678"),
        ("a = x = y", "a", "x = y"),
        ("a = x ; not a comment", "a", "x ; not a comment"),
        ("a = x # not a comment", "a", "x # not a comment"),
        ('a = " x "', "a", " x "),
        ("a = ' x '", "a", " x "),
        ('a = ""x""', "a", '"x"'),
        ("a = \"x'", "a", "\"x'"),
        ('a = "', "a", '"'),
        ("a =", "a", ""),
        ("#a = 1", "#a", "1"),
        (r"a = c:\new\table", "a", r"c:\new\table"),
    ],
)
def test_a_line_is_a_key_and_its_value(line: str, key: str, value: str) -> None:
    assert main_section(line).get(key, "absent") == value


@pytest.mark.parametrize("line", ["; a = 1", " a = 1", "a 1", "= 1", "", "#a = 1"])
def test_comments_and_lines_without_a_key_hold_nothing(line: str) -> None:
    assert main_section(line).get("a", "absent") == "absent"


def test_the_first_of_equal_keys_wins_also_over_a_split_section() -> None:
    ini = IniFile.parse(b"[sscscp]\na = 1\nA = 2\n[lua]\na = 3\n[SSCSCP]\na = 4\nb = 5\n")
    assert (ini.get("a"), ini.get("b"), ini.section("lua")) == ("1", "5", {"a": "3"})
    assert ini.sections == ("sscscp", "lua")


def test_micropacs_names_the_section_of_all_other_keys() -> None:
    ini = IniFile.parse(b"[sscscp]\nMicroPACS = MySec\nTCPPort = 1\n[mysec]\nTCPPort = 2\n")
    assert (ini.selected, ini.get("TCPPort")) == ("mysec", "2")


@pytest.mark.parametrize("line", [b"", b"MicroPACS =", b"MicroPACS = sscscp"])
def test_without_micropacs_sscscp_is_used(line: bytes) -> None:
    assert IniFile.parse(b"[sscscp]\n" + line + b"\nTCPPort = 1\n").get("TCPPort") == "1"


def test_byte_order_mark_and_crlf_do_not_matter() -> None:
    ini = IniFile.parse(b"\xef\xbb\xbf[sscscp]\r\na = 'x'\r\nb =\r\n")
    assert (ini.get("a"), ini.get("b", "absent")) == ("x", "")


def test_a_line_is_read_up_to_its_limit() -> None:
    key = "k" * (MAX_LINE - 3)
    ini = main_section(f"{key}=12345")
    entry = ini.find(key)
    assert entry is not None
    assert (entry.value, entry.cut) == ("12", True)


@pytest.mark.parametrize(("length", "cut"), [(MAX_VALUE, False), (MAX_VALUE + 1, True)])
def test_a_value_is_read_up_to_its_limit(length: int, cut: bool) -> None:
    entry = main_section("a = " + "v" * length).find("a")
    assert entry is not None
    assert (len(entry.value), entry.cut) == (MAX_VALUE, cut)


def test_any_byte_of_a_value_comes_back() -> None:
    value = bytes(byte for byte in range(256) if byte not in b"\r\n")
    text = IniFile.parse(b"[sscscp]\na = <" + value + b">\n").get("a")
    assert text.encode("utf-8", "surrogateescape") == b"<" + value + b">"


def test_lines_are_counted_from_one() -> None:
    ini = IniFile.parse(b"; x\n[sscscp]\n\na = 1\n[lua]\nb = 2")
    assert (ini.line_of("A"), ini.line_of("b"), ini.line_of("b", "LUA")) == (4, 0, 6)
    assert ini.last_section == "lua"


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_any_bytes_can_be_parsed(data: bytes) -> None:
    ini = IniFile.parse(data)
    assert all(ini.get(entry.key) == entry.value for entry in ini)


_WORD = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30)
_KEY = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,15}", fullmatch=True)


@given(st.dictionaries(_KEY.map(str.lower), _WORD.map(str.strip), max_size=8))
@settings(max_examples=150)
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    lines = [f'{key} = "{value}"' for key, value in values.items()]
    ini = IniFile.parse("\r\n".join(["[other]", *lines]).encode())
    assert ini.section("OTHER") == values
