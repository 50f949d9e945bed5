from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.options import CONSOLE_PORT, SHOWN, LogFile, Options, UsageError, parse


def test_options_are_read_left_to_right() -> None:
    words = ["-v", "-w/inst", "-p104", "-p5678", "-hCT1", "-q10.0.0.1"]
    assert parse(words, "/default") == Options("/inst", verbose=True, port=5678, ae_title="CT1", host="10.0.0.1")
    assert parse([], "/default") == Options("/default")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("-r", {"action": "regenerate"}),
        ("-r1", {"action": "regenerate", "mode": 1}),
        ("-r2", {"action": "regenerate", "mode": 2}),
        ("-i", {"action": "initialise"}),
        ("-i2", {"action": "initialise", "mode": 2}),
        ("--echo", {"action": "echo"}),
        ("--echo:host:104", {"action": "echo", "argument": "host:104"}),
        ("--echo:104", {"action": "echo", "argument": "104"}),
        ("--echo:CT1", {"action": "send", "argument": "echo:CT1"}),
        ("--get_param:MyACRNema,%s", {"action": "send", "argument": "get_param:MyACRNema,%s"}),
        ("--dolua:print(1)", {"action": "lua", "argument": "print(1)"}),
        ("-fu", {"action": "uid"}),
        ("-zPAT 1", {"action": "local", "name": "deletepatient", "argument": "PAT 1"}),
        ("-fpPAT", {"action": "local", "name": "deletepatient", "argument": "PAT"}),
        ("-faa/b.dcm,NEW", {"action": "local", "name": "addimagefile", "argument": "a/b.dcm,NEW"}),
        ("-fex.dcm", {"action": "local", "name": "regenfile", "argument": "x.dcm"}),
        ("-frMAG0,dir", {"action": "local", "name": "regendir", "argument": "MAG0,dir"}),
        ("-arMAG0", {"action": "local", "name": "regendevice", "argument": "MAG0"}),
        ("-b", {"verbose": True, "debug_level": 4}),
        ("-^serverstatus.log", {"log_files": (LogFile("serverstatus.log", debug=False, stamped=True),)}),
        ("-#a", {"log_files": (LogFile("a", debug=True, stamped=True),)}),
        ("-la", {"log_files": (LogFile("a", debug=False, stamped=False),)}),
        ("-La", {"log_files": (LogFile("a", debug=True, stamped=False),)}),
        ("-!", {"console": CONSOLE_PORT}),
        ("-!2222", {"console": 2222}),
        ("-u2222", {"console": 2222}),
        ("-h" + 20 * "A", {"ae_title": 16 * "A"}),
        *((option, {"action": action}) for option, action in SHOWN.items()),
    ],
)
def test_what_a_word_says(word: str, expected: dict[str, Any]) -> None:
    assert parse([word], "") == Options("", **expected)


def test_log_files_add_up() -> None:
    assert [file.path for file in parse(["-^a", "-Lb"], "").log_files] == ["a", "b"]


@pytest.mark.parametrize(
    "word",
    [
        *("-?", "-x", "-w", "-p", "-pabc", "-p0", "-p65536", "-r7", "file", "", "-", "--", "--what", "--:a"),
        *("-^", "-l", "-!x", "-u", "-z", "-fp", "-fa", "-ar", "-f", "-fux", "-dx", "-v1"),
    ],
)
def test_what_is_not_an_option_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        parse([word], "")


@given(st.lists(st.text(max_size=12) | st.from_regex(r"-[-^#lL!uwphqrizfadmkotvb?]{1,2}.{0,6}", fullmatch=True)))
@settings(max_examples=300)
def test_any_words_are_options_or_refused(words: list[str]) -> None:
    try:
        found = parse(words, "here")
    except UsageError:
        return
    assert found.where
    assert found.port is None or 1 <= found.port <= 65535
