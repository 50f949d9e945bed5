"""Pixels of uncompressed objects as numbers without sign, and frames as bytes (PS3.3 C.7.6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from dgate.dataset.formatting import leading_integer
from dgate.lua.border import NOTHING, whole
from dgate.lua.methods import is_uncompressed
from dgate.lua.objects import ScriptError, copy_of, take_in
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar
    from dgate.rules.subject import Subject

PIXELS, SAMPLES, FRAMES, ROWS, COLUMNS, BITS = 0x7FE00010, 0x00280002, 0x00280008, 0x00280010, 0x00280011, 0x00280100
_CODES = {1: "B", 2: "H", 4: "I"}


@dataclass(frozen=True, slots=True)
class Image:
    """Where the pixels of an object are. `samples` numbers make one pixel; only the first of them is shown."""

    columns: int
    rows: int
    frames: int
    samples: int
    size: int
    """Bytes of one number."""

    @property
    def frame(self) -> int:
        """Bytes of a frame."""
        return self.columns * self.rows * self.samples * self.size

    def offset(self, x: int, y: int, frame: int) -> int:
        """Of a pixel. Raises `ScriptError` outside the image."""
        if not (0 <= x < self.columns and 0 <= y < self.rows and 0 <= frame < self.frames):
            raise ScriptError(f"there is no pixel {x},{y} in frame {frame}")
        return frame * self.frame + (y * self.columns + x) * self.samples * self.size

    def row(self, y: int, frame: int) -> range:
        """The offsets of a row's pixels. Raises `ScriptError`."""
        start, step = self.offset(0, y, frame), self.samples * self.size
        return range(start, start + self.columns * step, step)

    def column(self, x: int, frame: int) -> range:
        """The offsets of a column's pixels. Raises `ScriptError`."""
        start, step = self.offset(x, 0, frame), self.columns * self.samples * self.size
        return range(start, start + self.rows * step, step)


class Pixels:
    """The image of one object, read from where it is. Raises `ScriptError` where there is none."""

    def __init__(self, subject: Subject) -> None:
        if not is_uncompressed(subject):
            raise ScriptError("the image is compressed")
        data = subject.data if subject.tail is None else copy_of(subject).data
        self.image = _image(subject)
        self.raw = data.view(PIXELS) or b""
        self._order: Literal["big", "little"] = "big" if subject.encoding.big_endian else "little"
        if not self.raw or len(self.raw) < self.image.frame * self.image.frames:
            raise ScriptError("there is no image, or too little of it")

    def number(self, offset: int) -> int:
        """The number at an offset."""
        return int.from_bytes(self.raw[offset : offset + self.image.size], self._order)

    def encoded(self, number: int) -> bytes:
        """A number as it is stored."""
        size = self.image.size
        return (number & ((1 << 8 * size) - 1)).to_bytes(size, self._order)


def _image(subject: Subject) -> Image:
    """Raises `ScriptError` for an image of another kind."""
    texts = [subject.attribute(tag) for tag in (COLUMNS, ROWS, FRAMES, SAMPLES, BITS)]
    columns, rows, frames, samples, bits = map(leading_integer, texts)
    if bits not in (8, 16, 32) or min(columns, rows) < 1:
        raise ScriptError("there is no image with 8, 16 or 32 bits for each number")
    return Image(columns, rows, max(frames, 1), max(samples, 1), bits // 8)


def get_pixel(border: Border, number: Scalar, x: Scalar, y: Scalar, frame: Scalar = 0) -> Values:
    """`GetPixel(x, y, frame)`."""
    pixels = Pixels(border.thing(number).subject)
    return "v", pixels.number(pixels.image.offset(whole(x), whole(y), whole(frame)))


def set_pixel(border: Border, number: Scalar, x: Scalar, y: Scalar, frame: Scalar, value: Scalar) -> Values:
    """`SetPixel(x, y, frame, value)`."""
    pixels = _to_change(border, number)
    _change(border, number, pixels, {pixels.image.offset(whole(x), whole(y), whole(frame)): whole(value)})
    return NOTHING


def get_row(border: Border, number: Scalar, y: Scalar, frame: Scalar = 0) -> Values:
    """`GetRow(y, frame)`: a table from 0."""
    pixels = Pixels(border.thing(number).subject)
    offsets = pixels.image.row(whole(y), whole(frame))
    return "n", ",".join(str(pixels.number(offset)) for offset in offsets)


def get_column(border: Border, number: Scalar, x: Scalar, frame: Scalar = 0) -> Values:
    """`GetColumn(x, frame)`: a table from 0."""
    pixels = Pixels(border.thing(number).subject)
    offsets = pixels.image.column(whole(x), whole(frame))
    return "n", ",".join(str(pixels.number(offset)) for offset in offsets)


def set_row(border: Border, number: Scalar, y: Scalar, *rest: Scalar) -> Values:
    """`SetRow(y, frame, table)`; without a frame it is the first one."""
    pixels = _to_change(border, number)
    frame, values = _frame_and_values(rest)
    _change(border, number, pixels, dict(zip(pixels.image.row(whole(y), frame), values, strict=False)))
    return NOTHING


def set_column(border: Border, number: Scalar, x: Scalar, *rest: Scalar) -> Values:
    """`SetColumn(x, frame, table)`."""
    pixels = _to_change(border, number)
    frame, values = _frame_and_values(rest)
    _change(border, number, pixels, dict(zip(pixels.image.column(whole(x), frame), values, strict=False)))
    return NOTHING


def get_image(border: Border, number: Scalar, frame: Scalar = 0) -> Values:
    """`GetImage(frame)`: the bytes of a frame."""
    pixels = Pixels(border.thing(number).subject)
    start = pixels.image.offset(0, 0, whole(frame))
    return "v", bytes(pixels.raw[start : start + pixels.image.frame]).decode("latin-1")


def set_image(border: Border, number: Scalar, *rest: Scalar) -> Values:
    """`SetImage(frame, bytes)`; without a frame it is the first one."""
    pixels = _to_change(border, number)
    frame = whole(rest[0]) if len(rest) > 1 else 0
    content = rest[-1]
    if not isinstance(content, str) or len(content) != pixels.image.frame:
        raise ScriptError(f"a frame of this image has {pixels.image.frame} bytes")
    start = pixels.image.offset(0, 0, frame)
    changed = bytearray(pixels.raw)
    changed[start : start + len(content)] = content.encode("latin-1")
    _store(border, number, bytes(changed))
    return NOTHING


def _frame_and_values(rest: tuple[Scalar, ...]) -> tuple[int, list[int]]:
    frame = whole(rest[0]) if len(rest) > 1 else 0
    if not rest:
        raise ScriptError("a table of numbers expected")
    return frame, [whole(part) for part in str(rest[-1]).split(",") if part]


def _to_change(border: Border, number: Scalar) -> Pixels:
    subject = border.thing(number).subject
    take_in(subject)
    return Pixels(subject)


def _change(border: Border, number: Scalar, pixels: Pixels, numbers: Mapping[int, int]) -> None:
    changed = bytearray(pixels.raw)
    for offset, value in numbers.items():
        changed[offset : offset + pixels.image.size] = pixels.encoded(value)
    _store(border, number, bytes(changed))


def _store(border: Border, number: Scalar, content: bytes) -> None:
    data = border.thing(number).subject.data
    data.set_value(PIXELS, content, data.written_vr(PIXELS) or b"OW")


COMMANDS: dict[str, Command] = {
    "get_pixel": get_pixel,
    "set_pixel": set_pixel,
    "get_row": get_row,
    "set_row": set_row,
    "get_column": get_column,
    "set_column": set_column,
    "get_image": get_image,
    "set_image": set_image,
}
