"""Pixels of uncompressed objects: where they lie, and how they are changed (PS3.3 C.7.6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dgate.dataset.formatting import leading_integer
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import UNCOMPRESSED
from dgate.record import dataclass
from dgate.rules.objects import copy_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dgate.rules.subject import Subject

PIXELS, SAMPLES, PHOTOMETRIC, PLANAR = 0x7FE00010, 0x00280002, 0x00280004, 0x00280006
FRAMES, ROWS, COLUMNS, ALLOCATED = 0x00280008, 0x00280010, 0x00280011, 0x00280100
STORED, SIGNED = 0x00280101, 0x00280103
ORDER: dict[bool, Literal["big", "little"]] = {True: "big", False: "little"}
"""By whether the encoding is big endian."""


@dataclass(frozen=True, slots=True)
class Image:
    """Where the numbers of an object's pixels are. `samples` of them make one pixel."""

    columns: int
    rows: int
    frames: int
    samples: int
    size: int
    """Bytes of one number."""

    @property
    def pixel(self) -> int:
        """Bytes of a pixel."""
        return self.samples * self.size

    @property
    def line(self) -> int:
        """Bytes of a row."""
        return self.columns * self.pixel

    @property
    def frame(self) -> int:
        """Bytes of a frame."""
        return self.rows * self.line

    def offset(self, x: int, y: int, frame: int) -> int:
        """Of a pixel. Raises `DataSetError` outside the image."""
        if not (0 <= x < self.columns and 0 <= y < self.rows and 0 <= frame < self.frames):
            raise DataSetError(f"there is no pixel {x},{y} in frame {frame}")
        return frame * self.frame + y * self.line + x * self.pixel

    def numbers(self, x: int, y: int, frame: int) -> Sequence[int]:
        """The offsets of a pixel's numbers. Raises `DataSetError`."""
        start = self.offset(x, y, frame)
        return range(start, start + self.pixel, self.size)

    def row(self, y: int, frame: int) -> Sequence[int]:
        """The offsets of a row's numbers. Raises `DataSetError`."""
        start = self.offset(0, y, frame)
        return range(start, start + self.line, self.size)

    def column(self, x: int, frame: int) -> Sequence[int]:
        """The offsets of a column's numbers. Raises `DataSetError`."""
        start = self.offset(x, 0, frame)
        starts = range(start, start + self.frame, self.line)
        return [at for each in starts for at in range(each, each + self.pixel, self.size)]


def number_of(subject: Subject, tag: int) -> int:
    """A number of the object, 0 where it has none. Raises `DataSetError`."""
    return leading_integer(subject.data_to_read.text(tag) or "")


def image_of(subject: Subject) -> Image:
    """Raises `DataSetError` for what has no image, or one whose numbers are no whole bytes."""
    columns, rows, frames, samples, bits = (
        number_of(subject, tag) for tag in (COLUMNS, ROWS, FRAMES, SAMPLES, ALLOCATED)
    )
    if bits not in (8, 16, 32) or min(columns, rows) < 1:
        raise DataSetError("there is no image with 8, 16 or 32 bits for each number")
    return Image(columns, rows, max(frames, 1), max(samples, 1), bits // 8)


class Pixels:
    """The image of one object, read from where it is. Raises `DataSetError` where there is none."""

    def __init__(self, subject: Subject) -> None:
        if subject.transfer_syntax not in UNCOMPRESSED:
            raise DataSetError("the image is compressed")
        data = subject.data_to_read if subject.tail is None else copy_of(subject).data
        self.image = image_of(subject)
        self.raw = data.view(PIXELS) or b""
        self.order = ORDER[subject.encoding.big_endian]
        if not self.raw or len(self.raw) < self.image.frame * self.image.frames:
            raise DataSetError("there is no image, or too little of it")

    def number(self, offset: int) -> int:
        """The number at an offset, without its sign."""
        return int.from_bytes(self.raw[offset : offset + self.image.size], self.order)

    def encoded(self, number: int) -> bytes:
        """A number as it is stored."""
        size = self.image.size
        return (number & ((1 << 8 * size) - 1)).to_bytes(size, self.order)


def set_pixels(subject: Subject, content: bytes) -> None:
    """Give it other pixels; it is in memory (`take_in`). Raises `DataSetError`."""
    subject.data.set_value(PIXELS, content, subject.data.written_vr(PIXELS) or b"OW")
