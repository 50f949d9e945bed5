"""The output door: what goes where, in which dress."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conquestctl.errors import ConquestError, NotFoundError, UsageError
from conquestctl.output import Environment, Output, aligned, visible


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def environment(*, terminal: bool = False, stdin: str = "", environ: Mapping[str, str] | None = None) -> Environment:
    stream = Terminal if terminal else io.StringIO
    return Environment(stream(stdin), stream(), stream(), {"COLUMNS": "80", **(environ or {})}, Path("/"))


def out(output: Output) -> str:
    assert isinstance(output.environment.stdout, io.StringIO)
    return output.environment.stdout.getvalue()


def err(output: Output) -> str:
    assert isinstance(output.environment.stderr, io.StringIO)
    return output.environment.stderr.getvalue()


def test_a_plain_table_is_aligned_and_cut_nowhere() -> None:
    output = Output(environment())
    output.table(["Name", "State"], [["ct1", "running"], ["a-long-name" * 10, "absent"]])
    assert out(output).splitlines() == [
        "Name" + " " * 108 + "State",
        "ct1" + " " * 109 + "running",
        "a-long-name" * 10 + "  absent",
    ]
    assert err(output) == ""


def test_a_plain_table_does_not_import_rich() -> None:
    code = (
        "import sys; from conquestctl.output import *; o = Output(Environment.of_process());"
        "o.table(['A'], [['b']]); o.note('n'); o.document({}); sys.exit('rich' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_markup_and_control_characters_in_user_text_stay_text() -> None:
    for terminal in (False, True):
        output = Output(environment(terminal=terminal, environ={"NO_COLOR": "1"}))
        output.table(["N"], [["[red]x[/red]"], ["a\x1b[2Jb"], [":smile:"], ["two\nlines"]])
        output.note("[bold]n\x07")
        assert "[red]x[/red]" in out(output)
        assert "a\\x1b[2Jb" in out(output)
        assert ":smile:" in out(output)
        assert "two lines" in out(output)
        assert "[bold]n\\x07" in err(output)
        assert "\x1b[2J" not in out(output) + err(output)


@pytest.mark.parametrize(
    ("environ", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colour(environ: dict[str, str], terminal: bool, coloured: bool) -> None:
    output = Output(environment(terminal=terminal, environ=environ))
    output.table(["State"], [["running"]])
    output.warn("careful")
    assert ("\x1b[3" in out(output)) is coloured
    assert ("\x1b[33m" in err(output)) is coloured
    assert "running" in out(output)
    assert "Warning: " in err(output)


def test_json_prints_one_document_and_no_text() -> None:
    output = Output(environment(), json=True)
    output.document({"results": [1], "path": Path("/x")})
    output.table(["A"], [["b"]])
    output.data("text")
    output.note("a note")
    assert json.loads(out(output)) == {"schema": 1, "ok": True, "results": [1], "path": "/x"}
    assert err(output) == "a note\n"
    with pytest.raises(AssertionError):
        output.document({})


def test_without_json_a_document_is_not_printed() -> None:
    output = Output(environment())
    output.document({"results": []})
    output.data("text")
    assert out(output) == "text\n"


def test_json_on_failure_is_the_document() -> None:
    output = Output(environment(), json=True)
    output.error(NotFoundError("no instance 'ct9'", hint="Did you mean ct1?", instance="ct9"))
    assert json.loads(out(output)) == {
        "schema": 1,
        "ok": False,
        "error": {
            "message": "no instance 'ct9'",
            "hint": "Did you mean ct1?",
            "status": 4,
            "kind": "not_found",
            "instance": "ct9",
        },
    }


def test_a_failure_after_the_document_does_not_make_a_second() -> None:
    output = Output(environment(), json=True)
    output.document({})
    output.error(ConquestError("late"))
    assert json.loads(out(output))["ok"] is True
    assert err(output) == "Error: late\n"


def test_an_error_names_the_instance_and_the_way_out() -> None:
    output = Output(environment(), quiet=True)
    output.error(ConquestError("port 5678 is taken", hint="Type X.", instance="ct1"))
    output.error(ConquestError("ct2: no", instance="ct2"))
    assert err(output) == "Error: ct1: port 5678 is taken\nType X.\nError: ct2: no\n"


def test_quiet_keeps_data_warnings_and_errors() -> None:
    output = Output(environment(), quiet=True)
    output.note("n")
    output.success("s")
    output.warn("w")
    with output.progress(["ct1"]) as update:
        update("ct1", "starting")
    output.data("d")
    assert (out(output), err(output)) == ("d\n", "Warning: w\n")


def test_progress_is_plain_lines_without_a_terminal() -> None:
    output = Output(environment())
    with output.progress(["ct1", "ct2"]) as update:
        update("ct2", "starting")
        update("ct1", "ready")
    assert (out(output), err(output)) == ("", "ct2: starting\nct1: ready\n")


def test_progress_on_a_terminal_ends_with_the_last_word_of_each() -> None:
    output = Output(environment(terminal=True, environ={"NO_COLOR": "1", "TERM": "xterm"}))
    with output.progress(["ct1", "mr22"]) as update:
        update("ct1", "starting [x]\x1b[2J")
        update("ct1", "ready")
    assert "ct1   ready" in err(output)
    assert "mr22  waiting" in err(output)
    assert out(output) == ""


def test_confirming_takes_the_name_and_nothing_else() -> None:
    for typed, confirmed in [("ct1\n", True), ("CT1\n", False), ("y\n", False), ("", False)]:
        output = Output(environment(terminal=True, stdin=typed))
        assert output.confirm_name("This deletes 3 images of ct1.", "ct1") is confirmed
        assert "This deletes 3 images of ct1." in err(output)
        assert out(output) == ""


def test_confirming_without_a_terminal_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        Output(environment(stdin="ct1\n")).confirm_name("?", "ct1")
    assert "--yes" in caught.value.hint


def test_a_stream_that_cannot_say_a_character_gets_its_escape() -> None:
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii")
    output = Output(Environment(io.StringIO(), ascii_only, ascii_only, {}, Path("/")))
    output.data("Müller")
    output.note("Zürich \udcff")
    output.table(["Näme"], [["é"]])
    ascii_only.flush()
    assert raw.getvalue() == b"M\\xfcller\nZ\\xfcrich \\udcff\nN\\xe4me\n\\xe9\n"


@given(st.text())
def test_visible_leaves_no_control_character(text: str) -> None:
    assert all(c in "\n\t" or c.isprintable() for c in visible(text))
    assert visible(visible(text)) == visible(text)


@given(st.lists(st.lists(st.text("abc ", max_size=5), min_size=2, max_size=2)))
def test_aligned_has_a_line_per_row_and_straight_columns(rows: list[list[str]]) -> None:
    lines = aligned(["A", "B"], rows).splitlines()
    assert len(lines) == len(rows) + 1
    column = lines[0].index("B")
    assert all(line[column:] == row[1].rstrip() for line, row in zip(lines[1:], rows, strict=True))
