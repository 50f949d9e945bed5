"""Pixels of uncompressed objects as numbers without sign, and frames as bytes (conquest-converters.md 11.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.lua.border import NOTHING, whole
from dgate.lua.objects import ScriptError
from dgate.rules.image import Pixels, set_pixels
from dgate.rules.objects import take_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar


def get_pixel(border: Border, number: Scalar, x: Scalar, y: Scalar, frame: Scalar = 0) -> Values:
    """`GetPixel(x, y, frame)`: a number, or as many as the pixel has samples."""
    pixels = Pixels(border.thing(number).subject)
    return tuple(map(pixels.number, pixels.image.numbers(whole(x), whole(y), whole(frame))))


def set_pixel(border: Border, number: Scalar, x: Scalar, y: Scalar, frame: Scalar, *values: Scalar) -> Values:
    """`SetPixel(x, y, frame, value...)`."""
    pixels = _to_change(border, number)
    if not values:
        raise ScriptError("a number expected")
    offsets = pixels.image.numbers(whole(x), whole(y), whole(frame))
    _change(border, number, pixels, dict(zip(offsets, map(whole, values), strict=False)))
    return NOTHING


def get_row(border: Border, number: Scalar, y: Scalar, frame: Scalar = 0) -> Values:
    """`GetRow(y, frame)`: a table from 0."""
    pixels = Pixels(border.thing(number).subject)
    return _table(map(pixels.number, pixels.image.row(whole(y), whole(frame))))


def get_column(border: Border, number: Scalar, x: Scalar, frame: Scalar = 0) -> Values:
    """`GetColumn(x, frame)`: a table from 0."""
    pixels = Pixels(border.thing(number).subject)
    return _table(map(pixels.number, pixels.image.column(whole(x), whole(frame))))


def _table(numbers: Iterable[int]) -> Values:
    return "n", ",".join(map(str, numbers))


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
    content = rest[1] if len(rest) > 1 else rest[-1] if rest else None
    if not isinstance(content, str) or len(content) != pixels.image.frame:
        raise ScriptError("Failed to set image, data and image dimensions incompatible")
    start = pixels.image.offset(0, 0, frame)
    changed = bytearray(pixels.raw)
    changed[start : start + len(content)] = content.encode("latin-1")
    set_pixels(border.thing(number).subject, bytes(changed))
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
    set_pixels(border.thing(number).subject, bytes(changed))


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
