"""A change made where an element lies gives the same bytes as one made in the whole data set."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.dataset.paths import Path, parse_path
from dgate.encoding.elements import BIG, IMPLICIT, LITTLE, Encoding, Walker, encode_element
from dgate.rules.subject import Known, Subject
from tests.dgate.archive.support import CT1
from tests.dgate.dataset.objects import TERMS, bundled

SYNTAXES = {LITTLE: "1.2.840.10008.1.2.1", IMPLICIT: "1.2.840.10008.1.2", BIG: "1.2.840.10008.1.2.2"}
TAGS = [0x00080008, 0x00080050, 0x00080060, 0x00100010, 0x00100020, 0x00100040, 0x00104000, 0x00181030, 0x00280010]
CHANGES = st.lists(
    st.tuples(st.sampled_from(TAGS), st.one_of(st.none(), st.text("AZ09 \\^é", max_size=20))), max_size=6
)


def subjects(data: bytes, encoding: Encoding, known: frozenset[int]) -> tuple[Subject, Subject]:
    """One that may change elements where they lie, and one that takes the data set apart first."""
    walker = Walker(encoding, known)
    walker.feed(data)
    walker.end()
    assert not walker.fault
    values = dict(walker.values)
    patched = Subject(
        data, encoding, SYNTAXES[encoding], TERMS, Known(known, values, encoding.big_endian, walker.spans)
    )
    return patched, Subject(data, encoding, SYNTAXES[encoding], TERMS)


@settings(deadline=None)
@given(
    CHANGES,
    st.sampled_from([LITTLE, IMPLICIT, BIG]),
    st.sets(st.sampled_from([*CT1, 0x00080000, 0x00100000, 0x00091001])),
    st.sets(st.sampled_from(TAGS)),
)
def test_the_same_bytes(
    changes: list[tuple[int, str | None]], encoding: Encoding, present: set[int], more: set[int]
) -> None:
    elements = {tag: CT1.get(tag, (b"LO", b"PRIVATE ")) for tag in present}
    for group in (0x00080000, 0x00100000):
        if group in elements:
            elements[group] = (b"UL", bytes(4))
    data = b"".join(encode_element(tag, vr, value, encoding) for tag, (vr, value) in sorted(elements.items()))
    known = frozenset(TAGS) | frozenset(tag & 0xFFFF0000 for tag in TAGS) | more
    first, second = subjects(data, encoding, known)
    for tag, text in changes:
        for subject in (first, second):
            if text is None:
                subject.delete(Path(tag))
            else:
                subject.set_text(Path(tag), text)
        assert first.read(Path(tag)) == second.read(Path(tag))
    assert b"".join(first.pieces()) == b"".join(second.pieces())
    assert first.data.encode() == second.data.encode()


def test_an_element_that_is_there_twice_is_changed_for_good() -> None:
    """Whoever reads the first of two would else see what was to be replaced."""
    twice = [encode_element(0x00100020, b"LO", value, LITTLE) for value in (b"SECRET", b"OTHER ")]
    name = encode_element(0x00100010, b"PN", b"Name", LITTLE)
    for data in (name + twice[0] + twice[1], twice[0] + name + twice[1]):
        subject, _ = subjects(data, LITTLE, frozenset({0x00100000, 0x00100010, 0x00100020}))
        subject.set_text(Path(0x00100020), "NEW")
        written = b"".join(subject.pieces())
        assert b"NEW " in written
        assert b"SECRET" not in written


FILES = [file for file in bundled() if len(file.data) < 1 << 20 and file.name != "winter.dcm"]
"""In that one the SOP instance UID stands twice, which only a data set that is taken apart puts right."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_in_real_files(file: object) -> None:
    data, encoding = file.data, file.encoding  # type: ignore[attr-defined]
    names = ("PatientComments", "PatientName", "AccessionNumber", "Modality", "0018,1030", "PatientSex")
    tags = frozenset(parse_path(name, TERMS).tag for name in names)
    first, second = subjects(data, encoding, tags | {tag & 0xFFFF0000 for tag in tags} | {0x00080018, 0x0020000D})
    for name in names:
        for subject in (first, second):
            subject.set_text(parse_path(name, TERMS), "Some text")
    for subject in (first, second):
        subject.delete(parse_path("PatientSex", TERMS))
    assert b"".join(first.pieces()) == b"".join(second.pieces())
