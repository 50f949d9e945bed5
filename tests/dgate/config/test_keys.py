from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config import keys
from dgate.config.inifile import IniFile
from dgate.config.settings import FIXED_AT_START, key_of, load_settings

MINIMUM = "[sscscp]\nSQLite = 1\nSQLServer = ./c.db3\nMAGDevice0 = ./data\n"


def faults(*lines: str) -> list[str]:
    _, found = load_settings(IniFile.parse((MINIMUM + "\n".join(lines)).encode()), "conf")
    return [str(fault) for fault in found]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("IncomingCompresion = un", "; did you mean IncomingCompression?"),
        ("filenamesyntaxe = 4", "; did you mean FileNameSyntax?"),
        ("MAGDeviceTreshHold = 4", "; did you mean MAGDeviceThreshHold?"),
        ("ImportConvertor12 = nop", "; did you mean ImportConverter12?"),
        ("ExportConverter = 1", "; did you mean ExportConverters?"),
        ("Colour = blue", ""),
    ],
)
def test_an_unknown_key_is_named_with_one_that_looks_like_it(line: str, hint: str) -> None:
    key = line.partition(" ")[0]
    assert faults(line) == [f"conf/dicom.ini:5: {key}: unknown key, ignored{hint}"]


@pytest.mark.parametrize(
    "line",
    ["#Colour = blue", "# TCPPort = 1", "//x = 1", "ImportConverter99 = nop", "CACHEDevice3 = /x", "WebPush = 1"],
)
def test_lines_put_out_of_use_and_known_keys_are_not_reported(line: str) -> None:
    assert faults(line) == []


def test_the_same_key_twice_is_reported_once() -> None:
    assert len(faults("Colour = blue", "COLOUR = red")) == 1


def test_ignored_keys_are_listed_as_written_in_the_order_of_the_file() -> None:
    found, _ = load_settings(IniFile.parse((MINIMUM + "WEBPUSH = 1\nTCPPort = 1\nEdition = x\n").encode()), "conf")
    assert found.without_effect == ("WEBPUSH", "Edition")


def test_each_key_is_known_in_one_way_only() -> None:
    found, _ = load_settings(IniFile.parse(MINIMUM.encode()), "conf")
    assert not keys.WITHOUT_EFFECT.keys() & keys.READ_ELSEWHERE.keys()
    assert {key_of(name) for name in FIXED_AT_START} >= {"TCPPort", "SQLServer", "MAGDevices"}
    assert all(hasattr(found, name) for name in FIXED_AT_START)


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z_0-9#]{1,20}", fullmatch=True), st.text("ab1 ;=", max_size=5))))
@settings(max_examples=60)
def test_every_entry_is_either_known_ignored_or_reported_once(lines: list[tuple[str, str]]) -> None:
    text = MINIMUM + "".join(f"{key} = {value}\n" for key, value in lines)
    ini = IniFile.parse(text.encode())
    found, reported = load_settings(ini, "conf")
    unknown = [fault.key for fault in reported if fault.message.startswith("unknown key")]
    assert len(unknown) == len(set(unknown))
    ignored = {key.lower() for key in found.without_effect}
    assert not {key.lower() for key in unknown} & (ignored | keys.READ_ELSEWHERE.keys())


def test_a_file_of_another_kind_gets_a_few_guesses_only() -> None:
    found = faults(*(f"Kolour{number}Name{number} = 1" for number in range(50)), "TCPIPTimeOuts = 1")
    assert len(found) == 51
    assert not any("did you mean" in fault for fault in found)
