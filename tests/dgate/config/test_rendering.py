from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.inifile import IniFile
from dgate.config.rendering import RenderError, render_dicom_ini

TEMPLATE = b"[sscscp]\nMyACRNema = {{ AETITLE }}\nTCPPort = {{ PORT }}\n"
FILLED = b"[sscscp]\nMyACRNema = CT1\nTCPPort = 5678\n"


def render(template: bytes = TEMPLATE, converters: bytes = b"") -> bytes:
    return render_dicom_ini(template, converters, "CT1", 5678)


def test_both_placeholders_are_filled_in_wherever_they_stand() -> None:
    assert render() == FILLED
    assert render(TEMPLATE + b"PACSName = {{ AETITLE }}/{{ PORT }}") == FILLED + b"PACSName = CT1/5678\n"


@pytest.mark.parametrize(
    ("converters", "lines"),
    [
        (b"", b""),
        (b"a\nb\n", b"ImportConverter0 = a\nImportConverter1 = b\n"),
        (b"a\nb", b"ImportConverter0 = a\nImportConverter1 = b\n"),
        (b"a\r\nb\r\n", b"ImportConverter0 = a\nImportConverter1 = b\n"),
        (b"a\n\nb\n", b"ImportConverter0 = a\nImportConverter1 = \nImportConverter2 = b\n"),
        (b"# why\na\n", b"ImportConverter0 = # why\nImportConverter1 = a\n"),
        (b"\t a \n", b"ImportConverter0 = a\n"),
        (rb"save to c:\new\%i.dcm", b"ImportConverter0 = save to c:\\new\\%i.dcm\n"),
        (b"a = {{ PORT }}\n", b"ImportConverter0 = a = {{ PORT }}\n"),
        (b"\xef\xbb\xbfa\n", b"ImportConverter0 = a\n"),
        (b"set (0010,0010) to \xe9\n", b"ImportConverter0 = set (0010,0010) to \xe9\n"),
    ],
)
def test_each_line_of_converters_becomes_a_key(converters: bytes, lines: bytes) -> None:
    assert render(converters=converters) == FILLED + lines


def test_converters_do_not_fall_into_another_section() -> None:
    rendered = render(TEMPLATE + b"[lua]\nstartup = x.lua", b"a\n")
    assert rendered == FILLED + b"[lua]\nstartup = x.lua\n[sscscp]\nImportConverter0 = a\n"
    assert IniFile.parse(rendered).get("ImportConverter0") == "a"


@pytest.mark.parametrize("wrong", [b"{{ NAME }}", b"{{AETITLE}}", b"{{ aetitle }}", b"{{  PORT }}"])
def test_an_unknown_placeholder_is_refused_with_its_line(wrong: bytes) -> None:
    with pytest.raises(RenderError, match=r"^dicom\.ini\.j2:4: unknown placeholder") as caught:
        render(TEMPLATE + b"x = " + wrong + b"\n")
    assert caught.value.line == 4


def test_other_braces_are_left_alone() -> None:
    assert render(TEMPLATE + b"x = {{1, 2}, {3}} { a }\n") == FILLED + b"x = {{1, 2}, {3}} { a }\n"


_LINE = st.binary(max_size=20).filter(lambda line: b"\n" not in line)


@given(st.lists(_LINE, max_size=6), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
@settings(max_examples=150)
def test_every_converter_is_read_back_under_its_number(lines: list[bytes], newline: bytes, ended: bool) -> None:
    lines = [line.strip(b" \t\r") for line in lines]
    ini = IniFile.parse(
        render(converters=b"".join(line + newline for line in [*lines, b"last"])[: None if ended else -len(newline)])
    )
    for number, line in enumerate([*lines, b"last"]):
        if number == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901 - a byte order mark of the file
        if not line.startswith((b'"', b"'")):
            assert ini.get(f"ImportConverter{number}").encode("utf-8", "surrogateescape") == line


@given(st.binary(max_size=200), st.binary(max_size=200))
@settings(max_examples=150)
def test_any_files_render_or_are_refused(template: bytes, converters: bytes) -> None:
    with contextlib.suppress(RenderError):
        assert render(template, converters).endswith(b"\n")
