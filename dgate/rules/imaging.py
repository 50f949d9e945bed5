"""Statements that change pixels or show them: `crop`, `tomono`, `save frame`, `save bmp` (conquest-converters.md 6).

They work on what is uncompressed; a compressed image is an error line, and stays as it is.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from dgate.config.converters import forms
from dgate.dataset.formatting import leading_float, leading_integer
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import UNCOMPRESSED
from dgate.rules.image import COLUMNS, FRAMES, PHOTOMETRIC, PLANAR, ROWS, SAMPLES, Pixels, number_of, set_pixels
from dgate.rules.objects import copy_of, save, take_in
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.rules.picture import Look
    from dgate.rules.run import Run
    from dgate.rules.subject import Subject

_CORNERS = re.compile(r"\s*([+-]?\d{1,9})(?:,\s*([+-]?\d{1,9}))?(?:,\s*([+-]?\d{1,9}))?(?:,\s*([+-]?\d{1,9}))?")
_WHOLE = ("0", "0", "9999", "9999")


def crop(run: Run, word: str, text: str) -> Status:
    """`crop x1,y1,x2,y2`: keep these columns and rows, the last ones included. Outside the image nothing is done."""
    found = _CORNERS.match(text, len(word))
    given = found.groups() if found else (None,) * 4
    x1, y1, x2, y2 = (int(each or usual) for each, usual in zip(given, _WHOLE, strict=True))
    pixels = _to_change(run.subject)
    if pixels is not None and 0 <= x1 <= x2 < pixels.image.columns and 0 <= y1 <= y2 < pixels.image.rows:
        set_pixels(run.subject, _cut_out(pixels, _planes(run.subject, pixels), (x1, y1, x2, y2)))
        run.subject.data.set_text(ROWS, str(y2 - y1 + 1))
        run.subject.data.set_text(COLUMNS, str(x2 - x1 + 1))
    run.debug(f"{run.where}: {text}")
    return Status.NEXT


def _planes(subject: Subject, pixels: Pixels) -> int:
    """How many planes a frame has: those of colours may lie behind one another (PS3.3 C.7.6.3.1.3)."""
    samples = pixels.image.samples
    return samples if samples > 1 and number_of(subject, PLANAR) == 1 else 1


def _cut_out(pixels: Pixels, planes: int, corners: tuple[int, int, int, int]) -> bytes:
    image, (x1, y1, x2, y2) = pixels.image, corners
    pixel, plane = image.pixel // planes, image.frame // planes
    line = image.columns * pixel
    starts = (frame * plane + y * line for frame in range(image.frames * planes) for y in range(y1, y2 + 1))
    content = b"".join(pixels.raw[start + x1 * pixel : start + (x2 + 1) * pixel] for start in starts)
    return content + bytes(len(content) & 1)


def to_mono(run: Run, _word: str, text: str) -> Status:
    """`tomono`: the mean of red, green and blue; of any other image nothing is changed."""
    subject = run.subject
    kind = subject.data_to_read.text(PHOTOMETRIC) or ""
    pixels = _to_change(subject) if kind.startswith("RGB") else None
    if pixels is not None and (pixels.image.samples, pixels.image.size) == (3, 1):
        set_pixels(subject, _mean(pixels, planes=_planes(subject, pixels) > 1))
        subject.data.set_text(SAMPLES, "1")
        subject.data.set_text(PHOTOMETRIC, "MONOCHROME2")
        subject.data.delete(PLANAR)
    run.debug(f"{run.where}: {text}")
    return Status.NEXT


def _mean(pixels: Pixels, *, planes: bool) -> bytes:
    image, parts = pixels.image, []
    third = image.frame // 3
    for start in range(0, image.frames * image.frame, image.frame):
        frame = pixels.raw[start : start + image.frame]
        channels = [frame[at * third : (at + 1) * third] if planes else frame[at::3] for at in range(3)]
        parts.append(bytes((red + green + blue + 1) // 3 for red, green, blue in zip(*channels, strict=True)))
    content = b"".join(parts)
    return content + bytes(len(content) & 1)


def _to_change(subject: Subject) -> Pixels | None:
    """Its pixels, to be set anew; None if there are none. Raises `DataSetError` for compressed ones."""
    if subject.transfer_syntax not in UNCOMPRESSED:
        raise DataSetError("the image is compressed")
    take_in(subject)
    with contextlib.suppress(DataSetError):
        return Pixels(subject)
    return None


def save_frame(run: Run, path: bytes, frame: int, text: str) -> Status:
    """`save frame N to FILE`: the object with one of its frames; with all of them where it has no such one."""
    made = copy_of(run.subject)
    pixels = _to_change(made)
    if pixels is not None and pixels.image.frames > 1 and 0 <= frame < pixels.image.frames:
        start, size = frame * pixels.image.frame, pixels.image.frame
        set_pixels(made, bytes(pixels.raw[start : start + size]) + bytes(size & 1))
        made.data.set_text(FRAMES, "1")
    with contextlib.suppress(OSError):  # the original says nothing either
        save(made, path)
    run.operator(f"{run.where} executes: {text}")
    return Status.NEXT


def save_picture(run: Run, path: bytes, kind: str, options: str, text: str) -> Status:
    """`save bmp|gif|jpg [options] to FILE`: a frame as it would be shown."""
    from dgate.rules.picture import picture_of
    from dgate.rules.pictureformats import FORMATS

    content = FORMATS[kind](picture_of(run.subject, _look(options)))
    run.debug(f"{run.where} executes: {text}")
    with contextlib.suppress(OSError), open(path, "wb") as file:
        file.write(content)
    return Status.NEXT


def _look(options: str) -> Look:
    from dgate.rules.picture import Look

    numbers = {name.lower(): value for name, value in forms.OPTION.findall(options)}
    level, window, frame, size = (
        leading_integer(numbers.get(name, "")) for name in ("level", "window", "frame", "size")
    )
    gamma = leading_float(numbers.get("gamma", ""))
    return Look(level, window, frame, size, gamma if gamma > 0 else 1.0)
