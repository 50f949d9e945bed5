from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.dataset.paths import APPEND, Path, PathError, Step, match_path, parse_path
from dgate.dataset.terms import NO_TERMS
from tests.dgate.dataset.objects import TERMS

NAME, IDS, REFERENCED, INSTANCE = 0x00100010, 0x00101002, 0x00081140, 0x00081155


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0010,0010", Path(NAME)),
        ("7fe0,0010", Path(0x7FE00010)),
        ("face,BEEF", Path(0xFACEBEEF)),
        ("PatientName", Path(NAME)),
        ("patientname", Path(NAME)),
        ("/0010,0010", Path(NAME)),
        ("/0010,1002.1/0010,0020", Path(0x00100020, (Step(IDS, 1),))),
        ("/OtherPatientIDsSequence/PatientID", Path(0x00100020, (Step(IDS, 0),))),
        ("0010,1002/0010,0020", Path(0x00100020, (Step(IDS, 0),))),
        ("OtherPatientIDsSequence.*/PatientID", Path(0x00100020, (Step(IDS, APPEND),))),
        ("/0010,1002.12/0008,1140/0008,1155", Path(INSTANCE, (Step(IDS, 12), Step(REFERENCED, 0)))),
        ("*0010,0022", Path(0x00100022, anywhere=True)),
        ("*PatientName", Path(NAME, anywhere=True)),
        ("(/0008,1140.1/0008,1155)PatientName", Path(NAME, source=Path(INSTANCE, (Step(REFERENCED, 1),)))),
        ("(*0008,1155)*0010,0010", Path(NAME, anywhere=True, source=Path(INSTANCE, anywhere=True))),
    ],
)
def test_forms(text: str, path: Path) -> None:
    assert parse_path(text, TERMS) == path
    assert parse_path(str(path), TERMS) == path
    if text[0] == "/" or "/" not in text or text[0] == "(":
        assert match_path(f"see {text} {text}", 4, TERMS) == (path, 4 + len(text))


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("", 0, "expected a tag"),
        ("0010", 0, "expected a tag"),
        ("0010,001", 0, "expected a tag"),
        ("0010,00100", 9, "nothing can follow"),
        ("0010,0010 ", 9, "nothing can follow"),
        ("0010,1002.1", 9, "nothing can follow"),
        ("nosuch", 0, "nosuch is not in the dictionary"),
        ("/0010,1002.x/0010,0020", 10, "nothing can follow"),
        ("/0010,1002.1/nosuch", 13, "nosuch is not"),
        ("0010,1002//0010,0020", 10, "expected a tag"),
        ("*", 1, "expected a tag"),
        ("**0010,0010", 1, "expected a tag"),
        ("*0010,1002/0010,0010", 10, "nothing can follow"),
        ("(0010,0010", 0, "never closed"),
        ("(0010,0010)", 11, "expected a tag"),
        ("(0010,0010 )0010,0010", 10, r"expected `\)`"),
        ("((0008,0018)0010,0010)0010,0010", 1, "one path in brackets"),
        ("(0008,0018)(0008,0018)0010,0010", 1, "one path in brackets"),
        ("/0010,1002" * 34, 330, "more than 32"),
    ],
)
def test_what_is_no_path_is_named_with_its_place(text: str, at: int, message: str) -> None:
    with pytest.raises(PathError, match=message) as fault:
        parse_path(text, TERMS)
    assert fault.value.at == at


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("0010,0020/0010,0010", "/0010,0010"),
        ("PatientID.0", ".0"),
        ("PatientID~", "~"),
        ("0010,00100", "0"),
        ("0010,1002.1/0010,0020", ".1/0010,0020"),
        ("/0010,1002.1/0010,0020/file", "/file"),
        ("/0010,1002.1/0010,0020.1/file", ".1/file"),
        ("/0010,1002.1", ".1"),
    ],
)
def test_the_longest_path_ends_where_text_goes_on(text: str, rest: str) -> None:
    found = match_path(text, 0, TERMS)
    assert found is not None
    assert text[found[1] :] == rest


@pytest.mark.parametrize("text", ["", "nosuch", "PatientNamex", "/nosuch/PatientID", "(PatientID", "()PatientID", "%"])
def test_what_is_no_path_is_left(text: str) -> None:
    assert match_path(text, 0, TERMS) is None


def test_without_a_dictionary_tags_in_hex_still_work() -> None:
    assert parse_path("/0010,1002.1/0010,0020", NO_TERMS).tag == 0x00100020
    with pytest.raises(PathError, match="not in the dictionary"):
        parse_path("PatientName", NO_TERMS)


PIECES = st.sampled_from(
    [
        "0010,0010",
        "0010",
        ",",
        "/",
        ".",
        ".*",
        "*",
        "(",
        ")",
        "12",
        "PatientName",
        "nosuch",
        " ",
        "\0",
        "\xff",
        "²",
        "9" * 50,
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=40).map("".join)), st.integers(0, 80))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_path_or_refused(text: str, at: int) -> None:
    found = match_path(text, at, TERMS)
    assert found is None or at < found[1] <= len(text)
    fault_at = -1
    try:
        path = parse_path(text, TERMS)
        assert parse_path(str(path), TERMS) == path
    except PathError as fault:
        fault_at = fault.at
    assert fault_at <= len(text)
