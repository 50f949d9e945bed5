"""`crop`, `tomono`, `save frame` and pictures: what is stored or written, and the log lines."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
import pytest

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dgate.rules.jpeg import jpeg
from dgate.rules.picture import Picture
from dgate.rules.pictureformats import bmp, gif
from tests.dgate.rules.bench import CT, Instance
from tests.dgate.rules.pictures import grey_of_jpeg, indices_of_gif

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PIXELS = 0x7FE00010
JPEG = "1.2.840.10008.1.2.4.70"
GREY = list(range(0, 64 * 500, 500))
"""8 columns, 4 rows, 2 frames."""
COLOURS = [(at, 100 + at, 200 - at) for at in range(64)]

Elements = dict[int, tuple[bytes, bytes]]


def words(elements: Mapping[int, tuple[bytes, bytes]], syntax: str) -> Elements:
    big = syntax == EXPLICIT_BIG
    return {tag: (vr, value[::-1] if vr == b"US" and big else value) for tag, (vr, value) in elements.items()}


def us(number: int) -> tuple[bytes, bytes]:
    return b"US", struct.pack("<H", number)


def grey(syntax: str = EXPLICIT_LITTLE, **changes: tuple[bytes, bytes]) -> Elements:
    return image(GREY, syntax, changes)


def image(numbers: Sequence[int], syntax: str, changes: Mapping[str, tuple[bytes, bytes]]) -> Elements:
    made = {**CT, 0x00280004: (b"CS", b"MONOCHROME2 "), 0x00280008: (b"IS", b"2 "), 0x00280100: us(16)}
    made |= {0x00280002: us(1), 0x00280101: us(16), 0x00280103: us(0)}
    made |= {int(name[1:], 16): value for name, value in changes.items()}
    order = ">" if syntax == EXPLICIT_BIG else "<"
    made = words(made, syntax)
    return {**made, PIXELS: (b"OW", struct.pack(f"{order}{len(numbers)}H", *numbers))}


def colour(*, planes: bool, kind: bytes = b"RGB ") -> Elements:
    made = {**CT, 0x00280004: (b"CS", kind), 0x00280008: (b"IS", b"2 "), 0x00280100: us(8), 0x00280101: us(8)}
    made |= {0x00280002: us(3), 0x00280006: us(int(planes)), 0x00280103: us(0)}
    frames = [COLOURS[:32], COLOURS[32:]]
    if planes:
        data = bytes(pixel[channel] for frame in frames for channel in range(3) for pixel in frame)
    else:
        data = bytes(value for pixel in COLOURS for value in pixel)
    return {**made, PIXELS: (b"OB", data)}


def stored_after(instance: Instance, line: str, elements: Elements, syntax: str = EXPLICIT_LITTLE) -> list[str]:
    """The log lines."""
    instance.configure(line)
    assert instance.store(elements, syntax) == 0
    return instance.log.lines


# -- crop and tomono


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_crop_keeps_columns_and_rows(instance: Instance, syntax: str) -> None:
    assert stored_after(instance, "crop 2,1,4,3", grey(syntax), syntax) == ["D Importconverter0.0: crop 2,1,4,3"]
    found = instance.stored()
    assert (found.Rows, found.Columns, found.NumberOfFrames) == (3, 3, 2)
    wanted = [GREY[frame * 32 + y * 8 + x] for frame in range(2) for y in (1, 2, 3) for x in (2, 3, 4)]
    order = "<" if found.file_meta.TransferSyntaxUID.is_little_endian else ">"
    assert list(struct.unpack(f"{order}18H", found.PixelData)) == wanted


@pytest.mark.parametrize("corners", ["0,0,8,3", "0,0,7,4", "5,0,4,3", "-1,0,4,3", "1,1", "", "x", "0,3,7,2"])
def test_crop_outside_the_image_changes_nothing(instance: Instance, corners: str) -> None:
    assert stored_after(instance, f"crop {corners}; nop next", grey()) == [
        f"D Importconverter0.0: crop {corners}",
        "O Importconverter0.1: nop next",
    ]
    found = instance.stored()
    assert (found.Rows, found.Columns) == (4, 8)
    assert found.PixelData == grey()[PIXELS][1]


@pytest.mark.parametrize("planes", [False, True])
def test_crop_of_colours(instance: Instance, planes: bool) -> None:
    stored_after(instance, "crop 1,1,1,2", colour(planes=planes))
    chosen = [[COLOURS[frame * 32 + y * 8 + 1] for y in (1, 2)] for frame in range(2)]
    if planes:
        wanted = [pixel[channel] for frame in chosen for channel in range(3) for pixel in frame]
    else:
        wanted = [value for frame in chosen for pixel in frame for value in pixel]
    assert list(instance.stored().PixelData) == wanted


@pytest.mark.parametrize("planes", [False, True])
def test_colours_become_grey(instance: Instance, planes: bool) -> None:
    assert stored_after(instance, "tomono", colour(planes=planes)) == ["D Importconverter0.0: tomono"]
    found = instance.stored()
    assert list(found.PixelData) == [(sum(pixel) + 1) // 3 for pixel in COLOURS]
    assert (found.SamplesPerPixel, found.PhotometricInterpretation) == (1, "MONOCHROME2")
    assert "PlanarConfiguration" not in found


@pytest.mark.parametrize("elements", [grey(), colour(planes=False, kind=b"YBR_FULL")], ids=["grey", "ybr"])
def test_what_is_no_rgb_stays(instance: Instance, elements: Elements) -> None:
    assert stored_after(instance, "tomono", elements) == ["D Importconverter0.0: tomono"]
    assert instance.stored().PixelData == elements[PIXELS][1]


def test_a_large_image_is_cropped(instance: Instance) -> None:
    numbers = [at % 65536 for at in range(2 * 1024 * 512)]
    elements = image(numbers, EXPLICIT_LITTLE, {"t00280010": us(1024), "t00280011": us(512)})
    stored_after(instance, "crop 0,1000,511,1000", elements)
    found = instance.stored()
    assert (found.Rows, found.Columns) == (1, 512)
    assert list(struct.unpack("<1024H", found.PixelData))[:512] == numbers[1000 * 512 : 1001 * 512]


@pytest.mark.parametrize("line", ["crop 0,0,1,1", "tomono", "save frame 0 to x.dcm", "save bmp to x.bmp"])
def test_a_compressed_image_stays_as_it_is(instance: Instance, line: str) -> None:
    instance.configure(f"{line}; nop next")
    elements = colour(planes=False) if line == "tomono" else grey()
    assert instance.store(elements, JPEG) == 0
    assert instance.log.lines == [
        f"O *** Importconverter0.0 error: the image is compressed: {line}",
        "O Importconverter0.1: nop next",
    ]
    assert not list(instance.root.glob("x.*"))


# -- save


@pytest.mark.parametrize(("frame", "numbers"), [("1", GREY[32:]), ("0", GREY[:32]), ("2", GREY), ("-1", GREY)])
def test_one_frame_is_saved(instance: Instance, frame: str, numbers: list[int]) -> None:
    line = f"save frame {frame} to frame.dcm"
    assert stored_after(instance, line, grey()) == [f"O Importconverter0.0 executes: {line}"]
    found = pydicom.dcmread(instance.root / "frame.dcm")
    assert list(struct.unpack(f"<{len(numbers)}H", found.PixelData)) == numbers
    assert found.NumberOfFrames == len(numbers) // 32
    assert instance.stored().NumberOfFrames == 2


def shades(path: Path) -> list[int]:
    """Of an 8-bit BMP, from the top."""
    data = path.read_bytes()
    width, height = struct.unpack_from("<ii", data, 18)
    line, start = -(-width // 4) * 4, struct.unpack_from("<I", data, 10)[0]
    return [data[start + y * line + x] for y in range(height - 1, -1, -1) for x in range(width)]


def linear(number: float, centre: float, width: float) -> int:
    """PS3.3 C.11.2.1.2."""
    return round(255 * min(max((number - (centre - 0.5)) / (width - 1) + 0.5, 0), 1))


SLOPE = {"t00281053": (b"DS", b"2 "), "t00281052": (b"DS", b"-100")}
WINDOW = {"t00281050": (b"DS", b"9000\\1 "), "t00281051": (b"DS", b"6000\\2 ")}
LOOKS: list[tuple[str, dict[str, tuple[bytes, bytes]], list[int]]] = [
    ("save bmp to p", {}, [linear(n, 7750.5, 15501) for n in GREY[:32]]),
    ("save bmp as p", WINDOW, [linear(n, 9000, 6000) for n in GREY[:32]]),
    ("save bmp frame 1 to p", WINDOW, [linear(n, 9000, 6000) for n in GREY[32:]]),
    ("save bmp level 5000 window 1000 to p", WINDOW, [linear(n, 5000, 1000) for n in GREY[:32]]),
    ("save bmp level 5000 window 9000 to p", SLOPE, [linear(2 * n - 100, 5000, 9000) for n in GREY[:32]]),
    ("save bmp window 4000 level 20000 frame 1 gamma 1 to p", {}, [linear(n, 20000, 4000) for n in GREY[32:]]),
    ("save bmp to p", {"t00280004": (b"CS", b"MONOCHROME1 ")}, [255 - linear(n, 7750.5, 15501) for n in GREY[:32]]),
    (
        "save bmp level 0 window 2000 to p",
        {"t00280103": us(1), "t00280101": us(12)},
        [linear(((n & 0xFFF) ^ 0x800) - 0x800, 0, 2000) for n in GREY[:32]],
    ),
]


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG])
@pytest.mark.parametrize(("line", "changes", "wanted"), LOOKS)
def test_a_picture_looks_as_it_should(
    instance: Instance, line: str, changes: dict[str, tuple[bytes, bytes]], wanted: list[int], syntax: str
) -> None:
    assert stored_after(instance, line, grey(syntax, **changes), syntax) == [f"D Importconverter0.0 executes: {line}"]
    assert shades(instance.root / "p") == wanted


def test_gamma_makes_the_middle_darker(instance: Instance) -> None:
    stored_after(instance, "save bmp gamma 2 to p", grey())
    plain = [linear(n, 7750.5, 15501) for n in GREY[:32]]
    found = shades(instance.root / "p")
    assert (found[0], found[31]) == (0, 255)
    assert all(dark < light for dark, light in zip(found[1:31], plain[1:31], strict=True))


def test_a_large_picture_is_thinned_out(instance: Instance) -> None:
    numbers = [x for _ in range(32) for x in range(64)] * 2
    elements = image(numbers, EXPLICIT_LITTLE, {"t00280010": us(32), "t00280011": us(64)})
    stored_after(instance, "save bmp size 20 to p", elements)
    assert struct.unpack_from("<ii", (instance.root / "p").read_bytes(), 18) == (16, 8)
    assert shades(instance.root / "p")[:16] == [linear(x, 32, 64) for x in range(0, 64, 4)]


@pytest.mark.parametrize(("kind", "first"), [(b"RGB ", (0, 100, 200)), (b"YBR_FULL", (101, 0, 0))])
@pytest.mark.parametrize("planes", [False, True])
def test_colours_are_shown(instance: Instance, kind: bytes, first: tuple[int, int, int], planes: bool) -> None:
    stored_after(instance, "save bmp to p", colour(planes=planes, kind=kind))
    data = (instance.root / "p").read_bytes()
    blue, green, red = data[54 + 3 * 24 : 54 + 3 * 24 + 3]
    assert (red, green, blue) == first


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        (grey(t00280004=(b"CS", b"PALETTE COLOR ")), "no picture is made of PALETTE COLOR"),
        ({**grey(), PIXELS: (b"OW", b"12")}, "there is no image, or too little of it"),
    ],
    ids=["palette", "short"],
)
def test_what_cannot_be_shown_is_said(instance: Instance, elements: Elements, why: str) -> None:
    line = "save jpg frame 0 to p"
    assert stored_after(instance, line, elements) == [f"O *** Importconverter0.0 error: {why}: {line}"]


def test_a_frame_that_is_not_there(instance: Instance) -> None:
    (line,) = stored_after(instance, "save jpg frame 7 to p", grey())
    assert line == "O *** Importconverter0.0 error: there is no pixel 0,0 in frame 7: save jpg frame 7 to p"


def test_a_folder_that_is_not_there_is_silence(instance: Instance) -> None:
    assert stored_after(instance, "save gif to no/p; save frame 0 to no/p", grey()) == [
        "D Importconverter0.0 executes: save gif to no/p",
        "O Importconverter0.1 executes: save frame 0 to no/p",
    ]


# -- formats


def waves(width: int, height: int) -> bytes:
    return bytes((x * x // 7 + 3 * y * x // 5 + y) % 256 for y in range(height) for x in range(width))


SIZES = [(1, 1), (8, 8), (9, 7), (200, 130)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_gif_holds_each_grey_value(width: int, height: int) -> None:
    data = waves(width, height)
    assert indices_of_gif(gif(Picture(width, height, 1, data))) == (width, height, data)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_jpeg_is_close_to_the_picture(width: int, height: int) -> None:
    smooth = bytes((x + 2 * y) % 128 + (x // 16) for y in range(height) for x in range(width))
    for data, tolerance in ((smooth, 16), (waves(width, height), 24)):
        found_width, found_height, found = grey_of_jpeg(jpeg(Picture(width, height, 1, data)))
        assert (found_width, found_height) == (width, height)
        assert max(abs(a - b) for a, b in zip(found, data, strict=True)) <= tolerance


def test_a_jpeg_has_three_components_for_colours() -> None:
    found = jpeg(Picture(2, 1, 3, b"\xff\0\0\0\0\xff"))
    at = found.index(b"\xff\xc0")
    assert struct.unpack(">HBHHB", found[at + 2 : at + 10]) == (17, 8, 1, 2, 3)
    assert found.endswith(b"\xff\xd9")


def test_rows_of_a_bmp_are_filled_up() -> None:
    found = bmp(Picture(1, 2, 3, b"\1\2\3\4\5\6"))
    assert found[54:] == b"\6\5\4\0\3\2\1\0"
    assert len(found) == struct.unpack_from("<I", found, 2)[0]
