"""Pictures as files: BMP as it is, GIF with its LZW, JPEG in `jpeg.py`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.rules.jpeg import jpeg

if TYPE_CHECKING:
    from dgate.rules.picture import Picture

GREYS = bytes(level for shade in range(256) for level in (shade, shade, shade))
RED, GREEN, BLUE = 6, 7, 6
"""Shades of each colour in a GIF, which knows 256 of them all."""
_CODES = 4096


def bmp(picture: Picture) -> bytes:
    """Grey values with a palette, colours as 24 bits; rows from the bottom, each a multiple of 4 bytes."""
    line = picture.width * picture.channels
    data = picture.data
    palette = b""
    if picture.channels == 3:
        swapped = bytearray(data)
        swapped[0::3], swapped[2::3] = data[2::3], data[0::3]
        data = bytes(swapped)
    else:
        palette = b"".join(bytes((shade, shade, shade, 0)) for shade in range(256))
    padding = bytes(-line % 4)
    rows = [data[y * line : (y + 1) * line] + padding for y in range(picture.height - 1, -1, -1)]
    body = b"".join(rows)
    start = 54 + len(palette)
    head = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    information = struct.pack(
        "<IiiHHIIiiII", 40, picture.width, picture.height, 1, 8 * picture.channels, 0, len(body), 2835, 2835, 0, 0
    )
    return head + information + palette + body


def gif(picture: Picture) -> bytes:
    """GIF87a; colours become those of a cube."""
    if picture.channels == 1:
        palette, indices = GREYS, picture.data
    else:
        palette, indices = _cube(), _in_cube(picture.data)
    head = struct.pack("<6sHHBBB", b"GIF87a", picture.width, picture.height, 0xF7, 0, 0)
    descriptor = struct.pack("<BHHHHB", 0x2C, 0, 0, picture.width, picture.height, 0)
    body = _lzw(indices)
    blocks = b"".join(bytes((len(body[at : at + 255]),)) + body[at : at + 255] for at in range(0, len(body), 255))
    return head + palette + descriptor + b"\x08" + blocks + b"\0\x3b"


def _cube() -> bytes:
    colours = [
        (red * 255 // (RED - 1), green * 255 // (GREEN - 1), blue * 255 // (BLUE - 1))
        for red in range(RED)
        for green in range(GREEN)
        for blue in range(BLUE)
    ]
    return b"".join(map(bytes, colours)).ljust(768, b"\0")


def _in_cube(data: bytes) -> bytes:
    parts = zip(data[0::3], data[1::3], data[2::3], strict=True)
    return bytes(
        (_near(red, RED) * GREEN + _near(green, GREEN)) * BLUE + _near(blue, BLUE) for red, green, blue in parts
    )


def _near(value: int, shades: int) -> int:
    return (value * (shades - 1) + 127) // 255


def _lzw(indices: bytes) -> bytes:
    """The code stream of 8-bit indices."""
    clear, end = 256, 257
    out = _Bits()
    table: dict[int, int] = {}
    size, following = 9, 258
    out.add(clear, size)
    prefix = indices[0]
    for index in indices[1:]:
        key = prefix << 8 | index
        known = table.get(key)
        if known is not None:
            prefix = known
            continue
        out.add(prefix, size)
        prefix = index
        if following == _CODES:
            out.add(clear, size)
            table.clear()
            size, following = 9, 258
            continue
        table[key] = following
        if following == 1 << size:
            size += 1
        following += 1
    out.add(prefix, size)
    out.add(end, size)
    return out.finish()


class _Bits:
    """Codes, the least significant bit first."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._held = 0
        self._count = 0

    def add(self, code: int, size: int) -> None:
        """Put a code behind the others."""
        self._held |= code << self._count
        self._count += size
        while self._count >= 8:
            self._data.append(self._held & 0xFF)
            self._held >>= 8
            self._count -= 8

    def finish(self) -> bytes:
        """All of them."""
        if self._count:
            self._data.append(self._held & 0xFF)
        return bytes(self._data)


FORMATS: dict[str, Callable[[Picture], bytes]] = {"bmp": bmp, "gif": gif, "jpg": jpeg}
"""By the word of the statement."""
