"""No object makes the statements that work on pixels raise, whatever it says of its image."""

from __future__ import annotations

import struct
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import EXPLICIT_LITTLE, LITTLE
from dgate.forward.days import days_around
from dgate.interfaces import Session
from dgate.rules import image, picture
from dgate.rules.interfaces import Association
from dgate.rules.picture import Look, Picture, picture_of
from dgate.rules.pictureformats import FORMATS, gif
from dgate.rules.run import Run
from dgate.rules.subject import Subject
from tests.dgate.archive.support import dataset
from tests.dgate.dataset.objects import TERMS
from tests.dgate.rules.bench import CT
from tests.dgate.rules.pictures import indices_of_gif
from tests.dgate.rules.test_any_input import LIBRARY, Services

NUMBERS = st.one_of(st.integers(0, 9), st.sampled_from([8, 16, 32, 255, 65535])).map(
    lambda each: struct.pack("<H", each)
)
TEXTS = st.one_of(
    st.sampled_from(
        [b"", b"0", b"-1", b"1e400", b"-1e308 ", b"nan ", b"inf ", b"1\\2 ", b"abc ", b"99999999999999999999"]
    ),
    st.binary(max_size=8),
)
KINDS = st.sampled_from([b"MONOCHROME1 ", b"MONOCHROME2 ", b"RGB ", b"YBR_FULL", b"PALETTE COLOR ", b"", b"\xff\xfe"])
WORDS = (
    image.SAMPLES, image.PLANAR, image.ROWS, image.COLUMNS, image.ALLOCATED, image.STORED, image.SIGNED,
)  # fmt: skip
REALS = (picture.CENTRE, picture.WIDTH, picture.INTERCEPT, picture.SLOPE, image.FRAMES)
LOOKS = st.builds(
    Look, *[st.integers(-(10**30), 10**30)] * 2, st.integers(-2, 3), st.integers(-1, 20), st.floats(0.001, 1e9)
)


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    elements = dict(CT)
    for tag in draw(st.sets(st.sampled_from(WORDS))):
        elements[tag] = (b"US", draw(st.one_of(NUMBERS, st.binary(max_size=4))))
    for tag in draw(st.sets(st.sampled_from(REALS))):
        elements[tag] = (b"DS" if tag != image.FRAMES else b"IS", draw(TEXTS))
    elements[image.PHOTOMETRIC] = (b"CS", draw(KINDS))
    elements[image.PIXELS] = (b"OW", draw(st.binary(max_size=600)))
    return Subject(dataset(elements), LITTLE, EXPLICIT_LITTLE, TERMS)


@settings(deadline=None, max_examples=300)
@given(subjects(), LOOKS)
def test_a_picture_is_one_or_none(subject: Subject, look: Look) -> None:
    try:
        made = picture_of(subject, look)
    except DataSetError:
        return
    assert len(made.data) == made.width * made.height * made.channels
    for write in FORMATS.values():
        assert write(made)


@settings(deadline=None, max_examples=300)
@given(subjects(), st.lists(st.integers(-2, 12), max_size=5))
def test_pixels_are_cut_or_left(subject: Subject, corners: list[int]) -> None:
    run = Run("Importconverter", 0, subject, Association("", "", Session()), Services())  # type: ignore[arg-type]
    LIBRARY.line(f"crop {','.join(map(str, corners))}; tomono; crop 0,0,0,0").run(run)
    assert len(subject.data.raw(image.PIXELS) or b"") % 2 == 0


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_gif_gives_back_what_went_in(width: int, height: int, chance: object) -> None:
    data = bytes(chance.randrange(256) for _ in range(width * height))  # type: ignore[attr-defined]
    assert indices_of_gif(gif(Picture(width, height, 1, data))) == (width, height, data)


@given(st.one_of(st.text(max_size=20), st.from_regex(r"[+-]?\d{1,6}[+-]\d{1,6}", fullmatch=True)))
def test_days_are_a_range_or_an_error(text: str) -> None:
    try:
        found = days_around(text, date(2026, 11, 24))
    except ValueError:
        return
    assert len(found) == len("20261124-20261124")


def test_days_may_be_on_one_side() -> None:
    assert days_around("-7-1", date(2026, 11, 24)) == "20261117-20261123"
    assert days_around("-7", date(2026, 11, 24)) == "20261117-20261124"
    with pytest.raises(ValueError, match="there are no such days"):
        days_around("-999999+0", date(2026, 11, 24))
