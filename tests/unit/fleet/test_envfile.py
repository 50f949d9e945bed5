from __future__ import annotations

import io
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.errors import InvalidError, StorageError
from conquestctl.fleet import envfile

SAMPLE = """# a comment
export A=one   # why
B="two words"
C='three'

EMPTY=
D = spaced out
PATHS=${A}/x:${NONE:-fallback}
A=again
"""


def parse(text: str) -> envfile.EnvFile:
    return envfile.parse(text, "x/.env", {})


def test_reads_what_docker_compose_reads() -> None:
    expected = {
        "A": "again",
        "B": "two words",
        "C": "three",
        "EMPTY": "",
        "D": "spaced out",
        "PATHS": "one/x:fallback",
    }
    assert parse(SAMPLE).values == expected
    assert dotenv_values(stream=io.StringIO(SAMPLE)) == expected


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("A=1\nPORT 5678\n", 2, "'PORT 5678' is not KEY=value"),
        ("A=1\n\n\nB='open\n", 4, "not closed"),
        ('A="x" y\n', 1, "behind the closing quote of A"),
        ("=1", 1, "is not KEY=value"),
        ("A=1\r\nA=${NOPE}\r\n", 2, "refers to NOPE"),
        ("<<<<<<< HEAD\nA=1\n", 1, "is not KEY=value"),
        ("A=x\x00y", 1, "NUL"),
    ],
)
def test_a_broken_line_is_named(text: str, line: int, problem: str) -> None:
    with pytest.raises(InvalidError, match=problem) as caught:
        parse(text)
    assert caught.value.message.startswith(f"x/.env:{line}: ")


def test_other_encodings_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    with pytest.raises(StorageError, match="cannot read"):
        envfile.read(path, {})
    path.write_bytes(b"A=1\nB=M\xfcller\n")
    with pytest.raises(InvalidError, match=r"\.env:2: this is not UTF-8"):
        envfile.read(path, {})
    path.write_bytes(b"\xef\xbb\xbfA=1\n")
    assert envfile.read(path, {}).values == {"A": "1"}


def test_an_edit_keeps_comments_order_quotes_and_line_ends() -> None:
    text = SAMPLE.replace("\n", "\r\n").removesuffix("\r\n")
    changed = envfile.edited(parse(text), {"A": "new", "B": "2", "EMPTY": "full", "NEW": "a b", "D": ""})
    expected = SAMPLE.replace("A=again", "A=new").replace("two words", "2").replace("EMPTY=", "EMPTY=full")
    expected = expected.replace("spaced out", '""') + 'NEW="a b"\n'
    assert changed == expected.replace("\n", "\r\n")


def test_an_edit_before_a_comment_leaves_it_a_comment() -> None:
    file = parse("A= # why\nB=1 # and\n")
    assert file.values == {"A": "", "B": "1"}
    assert parse(envfile.edited(file, {"A": "x", "B": ""})).values == {"A": "x", "B": ""}


@pytest.mark.parametrize("value", ["a\nb", "a\\b", "$HOME", "\x1b[0m", 'it\'s "both"'])
def test_values_that_readers_disagree_about_cannot_be_written(value: str) -> None:
    with pytest.raises(InvalidError, match="cannot be written"):
        envfile.quoted(value)


KEYS = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=20).filter(
    lambda text: text.isprintable() and "\\" not in text and "$" not in text and not ("'" in text and '"' in text)
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]}={envfile.quoted(pair[1])}"),
    st.tuples(KEYS, VALUES).map(lambda pair: f"export  {pair[0]} = {envfile.quoted(pair[1], chr(39))}  # {pair[1]}"),
    VALUES.map(lambda text: f"  # {text}"),
    st.just(""),
)
FILES = st.tuples(st.lists(LINES, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans()).map(
    lambda parts: parts[1].join(parts[0]) + (parts[1] if parts[2] else "")
)


@settings(max_examples=200)
@given(FILES)
def test_any_file_reads_as_python_dotenv_reads_it(text: str) -> None:
    assert parse(text).values == dotenv_values(stream=io.StringIO(text, newline=""))


@settings(max_examples=200)
@given(FILES, st.dictionaries(KEYS, VALUES, max_size=4))
def test_an_edit_changes_those_values_and_no_other_line(text: str, changes: dict[str, str]) -> None:
    file = parse(text)
    changed = envfile.edited(file, changes)
    after = parse(changed)
    assert after.values == {**file.values, **changes}
    assert dotenv_values(stream=io.StringIO(changed, newline="")) == after.values
    touched = {entry.line for key in changes if (entry := file.entry(key))}
    before = text.splitlines()
    same = [line for number, line in enumerate(before, 1) if number not in touched]
    kept = [line for number, line in enumerate(changed.splitlines()[: len(before)], 1) if number not in touched]
    assert kept == same


@settings(max_examples=200)
@given(st.text(st.sampled_from("AB=\"'\\ \t#\n\r${}:-é\x00"), max_size=30))
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        parse(text)
    except InvalidError as error:
        assert error.message.startswith("x/.env:")  # noqa: PT017
