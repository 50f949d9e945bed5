"""A frame of an object as a picture that any program shows: window, size, gamma (PS3.3 C.11.2)."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dgate.dataset.formatting import leading_float
from dgate.dataset.structure import DataSetError
from dgate.record import dataclass
from dgate.rules.image import PHOTOMETRIC, PLANAR, SIGNED, STORED, Image, Pixels, number_of

if TYPE_CHECKING:
    from dgate.rules.subject import Subject

CENTRE, WIDTH, INTERCEPT, SLOPE = 0x00281050, 0x00281051, 0x00281052, 0x00281053
LARGEST = 4096
MOST = 65535
_CODES = {1: "B", 2: "H", 4: "I"}
_COLOURS = ("RGB", "YBR_FULL")


@dataclass(frozen=True, slots=True)
class Look:
    """How it is to look; zeros leave the choice to the object."""

    level: int = 0
    window: int = 0
    frame: int = 0
    size: int = 0
    """Pixels of the longer side at most."""
    gamma: float = 1.0


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of grey values, or of red, green and blue ones, from the top."""

    width: int
    height: int
    channels: int
    data: bytes


def picture_of(subject: Subject, look: Look) -> Picture:
    """Raises `DataSetError` for what cannot be shown."""
    pixels = Pixels(subject)
    image = pixels.image
    start = image.offset(0, 0, look.frame)
    if max(image.columns, image.rows) > MOST:
        raise DataSetError(f"a picture has {MOST} rows or columns at most")
    raw = bytes(pixels.raw[start : start + image.frame])
    kind = subject.data_to_read.text(PHOTOMETRIC) or ""
    if image.samples == 1 and kind != "PALETTE COLOR":
        data = _grey(raw, image, subject, look, inverted=kind == "MONOCHROME1")
    elif image.samples == 3 and image.size == 1 and kind in _COLOURS:
        data = _colours(raw, planes=number_of(subject, PLANAR) == 1, luminance=kind == "YBR_FULL")
    else:
        raise DataSetError(f"no picture is made of {kind or 'an image of no known kind'}")
    return _smaller(Picture(image.columns, image.rows, image.samples, data), look.size)


def _grey(raw: bytes, image: Image, subject: Subject, look: Look, *, inverted: bool) -> bytes:
    numbers = array(_CODES[image.size], raw)
    if subject.encoding.big_endian:
        numbers.byteswap()
    modality = _modality(subject, image)
    shades = {number: modality(number) for number in set(numbers)}
    shade = _shade(subject, look, shades.values())
    known = {number: 255 - shade(value) if inverted else shade(value) for number, value in shades.items()}
    return bytes(map(known.__getitem__, numbers))


def _modality(subject: Subject, image: Image) -> Callable[[int], float]:
    """What a stored number means."""
    bits = number_of(subject, STORED)
    bits = bits if 0 < bits <= 8 * image.size else 8 * image.size
    mask, sign = (1 << bits) - 1, 1 << bits - 1 if number_of(subject, SIGNED) == 1 else 0
    slope, intercept = _float(subject, SLOPE) or 1.0, _float(subject, INTERCEPT)
    return lambda number: ((((number & mask) ^ sign) - sign) * slope) + intercept


def _shade(subject: Subject, look: Look, values: Iterable[float]) -> Callable[[float], int]:
    """The grey value of what a number means."""
    centre, width = float(look.level), float(look.window)
    if not width:
        centre, width = _float(subject, CENTRE), _float(subject, WIDTH)
    if width < 1:
        low, high = min(values), max(values)
        centre, width = (low + high + 1) / 2, high - low + 1
    low, span, gamma = centre - 0.5 - (width - 1) / 2, max(width - 1, 1.0), look.gamma

    def shade(value: float) -> int:
        part = (value - low) / span
        if not part > 0:  # nor is what is no number at all
            return 0
        return round(255 * part**gamma) if part < 1 else 255

    return shade


def _float(subject: Subject, tag: int) -> float:
    return leading_float(subject.data_to_read.text(tag) or "")


def _colours(raw: bytes, *, planes: bool, luminance: bool) -> bytes:
    third = len(raw) // 3
    channels = [raw[at * third : (at + 1) * third] if planes else raw[at::3] for at in range(3)]
    if luminance:
        channels = _as_rgb(*channels)
    data = bytearray(3 * third)
    for at, channel in enumerate(channels):
        data[at::3] = channel
    return bytes(data)


def _as_rgb(luma: bytes, blue: bytes, red: bytes) -> list[bytes]:
    """YBR_FULL (PS3.3 C.7.6.3.1.2) as red, green and blue."""
    rows = list(zip(luma, blue, red, strict=True))
    return [
        bytes(_byte(y + 1.402 * (r - 128)) for y, _, r in rows),
        bytes(_byte(y - 0.344136 * (b - 128) - 0.714136 * (r - 128)) for y, b, r in rows),
        bytes(_byte(y + 1.772 * (b - 128)) for y, b, _ in rows),
    ]


def _byte(value: float) -> int:
    return min(max(round(value), 0), 255)


def _smaller(picture: Picture, size: int) -> Picture:
    """Every so many-th pixel of every so many-th row, so that no side is longer."""
    longest = max(picture.width, picture.height)
    step = -(-longest // (size if size >= 10 else LARGEST))
    if step <= 1:
        return picture
    width, height, channels = max(picture.width // step, 1), max(picture.height // step, 1), picture.channels
    line = picture.width * channels
    rows = []
    for y in range(height):
        row = picture.data[y * step * line : (y * step + 1) * line]
        thinned = bytearray(width * channels)
        for channel in range(channels):
            thinned[channel::channels] = row[channel :: step * channels][:width]
        rows.append(bytes(thinned))
    return Picture(width, height, channels, b"".join(rows))
