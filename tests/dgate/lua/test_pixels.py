from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, encoding_of
from dgate.rules.subject import Subject
from tests.dgate.archive.support import dataset
from tests.dgate.lua.scripts import CT

if TYPE_CHECKING:
    from tests.dgate.lua.scripts import Bench

PIXELS = 0x7FE00010
IMAGE = {**CT, 0x00280100: (b"US", b"\x10\0"), 0x00280008: (b"IS", b"2 ")}
"""8 columns, 4 rows, 2 frames of 16-bit numbers."""
NUMBERS = list(range(0, 64 * 1000, 1000))


def image(syntax: str) -> dict[int, tuple[bytes, bytes]]:
    order = "big" if syntax == EXPLICIT_BIG else "little"
    words = {tag: (vr, value[::-1] if vr == b"US" and order == "big" else value) for tag, (vr, value) in IMAGE.items()}
    return {**words, PIXELS: (b"OW", b"".join(number.to_bytes(2, order) for number in NUMBERS))}  # type: ignore[arg-type]


@pytest.fixture(params=[EXPLICIT_LITTLE, EXPLICIT_BIG], ids=["little", "big"])
def pictured(request: pytest.FixtureRequest, bench: Bench) -> Bench:
    data = dataset(image(request.param), request.param)
    bench.subject = Subject(data, encoding_of(request.param), request.param, bench.services.terms.get())
    return bench


def test_pixels_are_read(pictured: Bench) -> None:
    assert pictured.value("Data:GetPixel(3, 2, 0), Data:GetPixel(7, 3, 1), getpixel(0, 0, 1)") == "19000\t63000\t32000"
    assert pictured.value("Data:GetRow(1, 0)[0], Data:GetRow(1, 0)[7], Data:GetRow(1, 0)[8]") == "8000\t15000\tnil"
    assert pictured.value("Data:GetColumn(2, 1)[3], getcolumn(0, 0)[1]") == "58000\t8000"
    assert pictured.value("#Data:GetImage(0), #getimage(1)") == "64\t64"
    assert not pictured.subject.dirty


def test_pixels_are_written(pictured: Bench) -> None:
    assert pictured.say("Data:SetPixel(3, 2, 0, 77) Data:SetPixel(0, 0, 1, -1)") == []
    assert pictured.say("local r = Data:GetRow(1, 0) r[0] = 9 Data:SetRow(1, 0, r)") == []
    assert pictured.say("local c = getcolumn(7, 1) c[3] = 5 setcolumn(7, 1, c)") == []
    assert pictured.value("Data:GetPixel(3, 2, 0), Data:GetPixel(0, 0, 1), Data:GetPixel(0, 1, 0)") == "77\t65535\t9"
    assert pictured.value("Data:GetPixel(7, 3, 1), Data:GetPixel(7, 2, 1)") == "5\t55000"
    assert pictured.subject.dirty


def test_a_frame_goes_out_and_in(pictured: Bench) -> None:
    assert pictured.say("Data:SetImage(1, Data:GetImage(0))") == []
    assert pictured.value("Data:GetPixel(3, 2, 1)") == "19000"
    why = "Failed to set image, data and image dimensions incompatible"
    assert why in pictured.say("Data:SetImage(0, 'short')")[0]


def test_all_samples_of_a_pixel(bench: Bench) -> None:
    colour = {**image(EXPLICIT_LITTLE), 0x00280002: (b"US", b"\3\0"), 0x00280100: (b"US", b"\x08\0")}
    colour |= {0x00280010: (b"US", b"\2\0"), 0x00280011: (b"US", b"\2\0"), 0x00280008: (b"IS", b"1 ")}
    bench.take({**colour, PIXELS: (b"OB", bytes(range(12)))})
    assert bench.value("Data:GetPixel(1, 1, 0)") == "9\t10\t11"
    assert bench.value("table.concat(Data:GetRow(1, 0), ',', 0)") == "6,7,8,9,10,11"
    assert bench.value("table.concat(Data:GetColumn(1, 0), ',', 0)") == "3,4,5,9,10,11"
    assert bench.say("Data:SetPixel(0, 0, 0, 70, 71, 72)") == []
    assert bench.value("getpixel(0, 0, 0)") == "70\t71\t72"


@pytest.mark.parametrize(
    "code", ["Data:GetPixel(8, 0, 0)", "Data:GetPixel(0, -1, 0)", "Data:GetRow(0, 2)", "Data:GetColumn(9)"]
)
def test_outside_the_image_is_an_error(pictured: Bench, code: str) -> None:
    (line,) = pictured.say(code)
    assert "there is no pixel" in line


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({PIXELS: (b"OW", b"12")}, "too little of it"),
        ({0x00280100: (b"US", b"\x0c\0")}, "8, 16 or 32 bits"),
        ({0x00280010: (b"US", b"\0\0")}, "8, 16 or 32 bits"),
    ],
)
def test_no_image_is_an_error(bench: Bench, changes: dict[int, tuple[bytes, bytes]], why: str) -> None:
    bench.take({**image(EXPLICIT_LITTLE), **changes})
    (line,) = bench.say("Data:GetPixel(0, 0, 0)")
    assert why in line


def test_a_compressed_image_has_no_pixels(bench: Bench) -> None:
    bench.subject.transfer_syntax = "1.2.840.10008.1.2.4.70"
    assert "the image is compressed" in bench.say("Data:GetPixel(0, 0, 0)")[0]
