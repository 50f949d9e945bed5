"""Whatever the bytes and whatever the edits: parsed or refused, and what was written comes back."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import Encoding
from dgate.encoding.sequences import encode_sequence
from tests.dgate.dataset.objects import (
    COMMENTS,
    ENCODINGS,
    NAME,
    PATIENT,
    PATIENT_ID,
    ROWS,
    TERMS,
    elements,
    nested,
    read_back,
)


def read_everything(data: DataSet) -> None:
    for holder, tag in data.walk(strict=False):
        holder.text(tag)
        holder.items(tag)
        holder.raw(tag)
        holder.is_empty(tag)


@given(st.binary(max_size=400), st.sampled_from(ENCODINGS))
@settings(max_examples=300, deadline=None)
def test_random_bytes_parse_or_are_refused(source: bytes, encoding: Encoding) -> None:
    try:
        data = DataSet.parse(source, encoding, TERMS)
    except DataSetError:
        return
    read_everything(data)
    assert data.encode() == source


@given(st.integers(0, 2**32), st.sampled_from(ENCODINGS))
@settings(max_examples=300, deadline=None)
def test_mutated_objects_parse_or_are_refused_and_what_parses_can_be_changed(seed: int, encoding: Encoding) -> None:
    chance = random.Random(seed)  # noqa: S311 - test data
    source = bytearray(
        elements(encoding, *PATIENT) + encode_sequence(0x00400275, [elements(encoding, *PATIENT)] * 2, encoding)
    )
    if not encoding.big_endian:
        source = bytearray(nested(encoding, endless=True)) + source
    for _ in range(chance.randint(1, 4)):
        source[chance.randrange(len(source))] = chance.choice([0, 0xFF, 0xFE, chance.randrange(256)])
    try:
        data = DataSet.parse(bytes(source), encoding, TERMS)
    except DataSetError:
        return
    read_everything(data)
    assert data.encode() == source
    try:
        data.set_text(PATIENT_ID, "changed")
        data.append_item(0x00400275).set_text(NAME, "new")
    except DataSetError:
        return
    again = DataSet.parse(data.encode(), encoding, TERMS)
    assert again.text(PATIENT_ID) == "changed"
    assert (again.items(0x00400275) or ())[-1].text(NAME) == "new"


TAGS = st.sampled_from([NAME, PATIENT_ID, COMMENTS, ROWS, 0x00091001, 0x00080018, 0x00180050])
EDITS = st.lists(
    st.tuples(TAGS, st.one_of(st.none(), st.text(st.characters(max_codepoint=255), max_size=20)), st.integers(0, 3)),
    max_size=12,
)


@given(EDITS, st.sampled_from(ENCODINGS), st.booleans())
@settings(max_examples=300, deadline=None)
def test_random_edits_come_back_as_they_were_made(
    edits: list[tuple[int, str | None, int]],
    encoding: Encoding,
    fresh: bool,
) -> None:
    source = b"" if fresh else elements(encoding, *PATIENT) + encode_sequence(0x00400275, [b""], encoding)
    data = DataSet.parse(source, encoding, TERMS)
    for tag, text, level in edits:
        holder = data
        for _ in range(level):
            items = holder.items(0x00400275)
            holder = items[-1] if items else holder.append_item(0x00400275)
        if text is None:
            holder.delete(tag)
        else:
            holder.set_text(tag, text)
    again = DataSet.parse(data.encode(), encoding, TERMS)
    assert dump(again) == dump(data)
    assert dump(DataSet.parse(data.copy().encode(), encoding, TERMS)) == dump(data)
    read_back(data.encode(), encoding)
    for target in ENCODINGS:
        assert dump(DataSet.parse(data.encode(target), target, TERMS)) == dump(data)


def dump(data: DataSet) -> dict[int, object]:
    return {tag: [dump(item) for item in data.items(tag) or ()] or data.text(tag) for tag in data.tags()}
