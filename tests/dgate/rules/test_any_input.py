"""No text makes the parser, the substitution or a line raise, loop or grow."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.converters.findings import EXPORT, IMPORT, check_line
from dgate.config.converters.grammar import MAX_LINE, lines_of, split
from dgate.config.converters.items import Item, scan
from dgate.encoding.elements import LITTLE
from dgate.interfaces import Session
from dgate.rules.converters import make_library
from dgate.rules.interfaces import Association
from dgate.rules.program import Line
from dgate.rules.quoting import for_line, for_lua, for_path, for_shell
from dgate.rules.run import MAX_DEPTH, Budget, Run
from dgate.rules.subject import Subject
from tests.dgate.archive.support import dataset
from tests.dgate.dataset.objects import TERMS
from tests.dgate.rules.bench import CT, Record

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())

WORDS = st.sampled_from(
    ["nop ", "ifequal ", 'ifequal "a","b"', "set ", "0010,0020", " to ", '"', ";", "; ", "{", "}", "%V", "%", "lua:",
     "PatientName", "/", ".1", "[0,1]", "^", "~", "format ", "delete ", "scrub ", "stop", "%Q", "%x", "nil", "\\", "*",
     "(", "0008,1140", "setifempty ", "x"]
)  # fmt: skip
TEXTS = st.one_of(
    st.lists(WORDS, max_size=30).map("".join), st.binary(max_size=300).map(lambda data: data.decode("latin-1"))
)


class Fixed:
    """A dictionary that is there already."""

    def get(self) -> object:
        return TERMS


HARMLESS = {"system ", "process with ", "save ", 'write "', 'append "', "copy ", "mkdir ", "rm ", "newuids", "olduids"}
LIBRARY = make_library(Fixed())  # type: ignore[arg-type]
LIBRARY.verbs = {word: verb for word, verb in LIBRARY.verbs.items() if word not in HARMLESS}
for word in HARMLESS:
    LIBRARY.verbs[word] = LIBRARY.verbs["nop"]
LIBRARY.verbs[""] = LIBRARY.verbs["nop"]


class Services:
    """As much as harmless statements need."""

    log = Record()
    library = LIBRARY
    engine = forwarder = None


@given(TEXTS)
def test_splitting_loses_nothing_but_what_it_should(text: str) -> None:
    statements = split(text)
    assert sum(len(statement.text) + len(statement.brace) for statement in statements) <= len(text)
    for number, statement in enumerate(statements):
        assert statement.part == number
        assert text[statement.column - 1 :].startswith(statement.text)


@given(TEXTS)
def test_scanning(text: str) -> None:
    found = scan(text, lambda _text, at: (at, at + 1))
    literal = "".join(token for token in found.tokens if isinstance(token, str))
    assert len(literal) <= len(text)
    assert all(0 <= item.at < len(text) for item in found.tokens if isinstance(item, Item))


@given(TEXTS)
def test_checking(text: str) -> None:
    for kind in (IMPORT, EXPORT):
        for finding in check_line(text, kind=kind):
            assert 1 <= finding.column <= len(text) + 1


@given(st.binary(max_size=2000))
def test_files_of_lines(content: bytes) -> None:
    assert all(line.strip(" \t") for _, line in lines_of(content))


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=3))
def test_running(lines: list[str]) -> None:
    subject = Subject(dataset(CT), LITTLE, "1.2.840.10008.1.2.1", TERMS)
    association = Association("A", "B", Session())
    budget = Budget(1000)
    for text in lines:
        run = Run("Importconverter", 0, subject, association, Services(), budget)  # type: ignore[arg-type]
        Line(text, TERMS, LIBRARY.verbs).run(run)
    assert budget.left >= -1
    assert sum(map(len, subject.pieces())) <= len(dataset(CT)) + 100 * sum(map(len, lines)) + 1000


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_the_corpus(path: Path) -> None:
    for _, line in lines_of(path.read_bytes()):
        test_splitting_loses_nothing_but_what_it_should.hypothesis.inner_test(line)  # type: ignore[attr-defined]
        test_scanning.hypothesis.inner_test(line)  # type: ignore[attr-defined]
        test_checking.hypothesis.inner_test(line)  # type: ignore[attr-defined]
        test_running.hypothesis.inner_test([line[:MAX_LINE]])  # type: ignore[attr-defined]


@given(
    st.lists(st.tuples(st.binary(max_size=20).map(lambda data: data.decode("latin-1")), st.integers(0, 2)), max_size=8)
)
def test_quoting(pieces: list[tuple[str, int]]) -> None:
    command, environment = for_shell(pieces)
    assert "\0" not in "".join(environment.values())
    assert len(for_path(pieces)) == sum(len(text) for text, _ in pieces)
    assert isinstance(for_lua(pieces), str)
    assert len(for_line(pieces)) == len(for_path(pieces))
    assert len(command) <= sum(len(text) for text, _ in pieces) + 25 * len(pieces)


def test_depth_is_bounded_by_more_than_the_stack() -> None:
    assert MAX_DEPTH < 50
