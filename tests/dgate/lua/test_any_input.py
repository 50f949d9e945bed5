"""Whatever a script asks for, it gets an answer or an error: nothing is raised, nothing hangs, nothing else breaks."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgate.dataset.structure import DataSetError
from dgate.interfaces import Session
from dgate.lua.border import MODULES
from dgate.lua.jsontext import by_keyword, dicomweb, fill
from dgate.lua.objects import ScriptError, new_subject
from dgate.lua.serializing import lua_table, quoted
from dgate.rules.interfaces import Association
from dgate.rules.run import Run
from tests.dgate.dataset.objects import TERMS

if TYPE_CHECKING:
    from tests.dgate.lua.scripts import Bench

OUTSIDE = {"sleep", "system", "mkdir", "servercommand", "write", "dump", "print", "debuglog"}
"""They do what they are told."""
NAMES = sorted({name for names in MODULES.values() for name in names} - OUTSIDE)
LATIN = st.text(st.characters(max_codepoint=255), max_size=30)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.integers(), st.floats(), LATIN,
    st.sampled_from(["PatientID", "0010,1002", "OtherPatientIDsSequence", "number", "string", "nil", "1,2,3"]),
)  # fmt: skip
QUICK = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(name=st.sampled_from(NAMES), arguments=st.lists(SCALARS, max_size=6))
def test_the_border_answers_everything(bench: Bench, name: str, arguments: list[float | str | bool | None]) -> None:
    bench.run("x = 1")
    border = bench.session.scripts.border  # type: ignore[attr-defined]
    border.run = Run("lua", 0, bench.subject, Association("", "", Session()), bench.services)
    answer = border.call(name, *arguments)
    border.run = None
    assert answer[0] in (True, False)
    assert all(value is None or isinstance(value, bool | int | float | str) for value in answer)
    assert answer[0] or isinstance(answer[1], str)


@QUICK
@given(
    text=st.one_of(
        LATIN, st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(LATIN, inner)).map(repr)
    )
)
def test_any_text_may_be_json(text: str) -> None:
    with suppress(ScriptError, DataSetError):
        fill(new_subject(TERMS).data, text)


@QUICK
@given(values=st.dictionaries(st.sampled_from(["PatientName", "PatientID", "PatientComments"]), LATIN))
def test_what_is_written_as_json_is_read_again(values: dict[str, str]) -> None:
    first = new_subject(TERMS).data
    for name, value in values.items():
        first.set_text(TERMS.tag(name) or 0, value)
    for write in (by_keyword, dicomweb):
        second = new_subject(TERMS).data
        fill(second, write(first))
        assert [second.text(tag) for tag in second.tags()] == [first.text(tag) for tag in first.tags()]


@QUICK
@given(text=LATIN)
def test_a_quoted_text_is_that_text_in_lua(bench: Bench, text: str) -> None:
    bench.subject.data.set_text(0x00104000, text)
    bench.run(f"same = loadstring('return ' .. {quoted(quoted(text))})() == {quoted(text)}")
    assert bench.value("same") == "true"
    bench.run(f"t = loadstring('return ' .. {quoted(lua_table(bench.subject.data))})()")
    assert bench.value("t.PatientComments == Data.PatientComments") == "true"


@pytest.mark.parametrize("json", ["[" * 100_000, '{"OtherPatientIDsSequence":' * 2000, "{}" * 3, "\0", "[1]"])
def test_deep_and_broken_json_is_an_error(json: str) -> None:
    with pytest.raises((ScriptError, DataSetError)):
        fill(new_subject(TERMS).data, json)
