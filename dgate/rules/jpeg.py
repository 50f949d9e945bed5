"""Baseline JPEG of grey and colour pictures (ISO/IEC 10918-1, JFIF): what `save jpg` writes, and no more.

Colours are not subsampled, and all components share one set of tables.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.rules.picture import Picture

QUALITY = 95
SIDE = 8
_C1, _C2, _C3, _C4, _C5, _C6, _C7 = (math.cos(k * math.pi / 16) / 2 for k in range(1, 8))
_ZIGZAG = sorted(range(64), key=lambda at: (sum(divmod(at, 8)), at if sum(divmod(at, 8)) % 2 else -at))
_ANNEX_K = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
"""Table K.1."""
_STEPS = tuple(max((step * (200 - 2 * QUALITY) + 50) // 100, 1) for step in _ANNEX_K)
_FACTORS = tuple(1 / _STEPS[at] for at in _ZIGZAG)

_DC_COUNTS = bytes((0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0))
_DC_SIZES = bytes(range(12))
_AC_COUNTS = bytes((0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125))
_AC_SYMBOLS = bytes.fromhex(
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738"
    "393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5"
    "a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)
"""Tables K.3 and K.5: how many codes there are of each length, and what they stand for."""
_LARGEST = 1023
"""The tables know ten bits."""
_ZEROS, _END = 0xF0, 0x00

Code = tuple[int, int]
"""Bits and how many they are."""


def _codes(counts: bytes, symbols: bytes) -> dict[int, Code]:
    """The codes of a table (annex C)."""
    made: dict[int, Code] = {}
    code, at = 0, 0
    for length, count in enumerate(counts, start=1):
        for symbol in symbols[at : at + count]:
            made[symbol] = (code, length)
            code += 1
        at += count
        code <<= 1
    return made


_DC, _AC = _codes(_DC_COUNTS, _DC_SIZES), _codes(_AC_COUNTS, _AC_SYMBOLS)


def jpeg(picture: Picture) -> bytes:
    """The file."""
    planes = _planes(picture)
    count = len(planes)
    quantisation = b"\0" + bytes(_STEPS[at] for at in _ZIGZAG)
    components = b"".join(bytes((each, 0x11, 0)) for each in range(1, count + 1))
    frame = struct.pack(">BHHB", 8, picture.height, picture.width, count) + components
    scan = bytes((count,)) + b"".join(bytes((each, 0)) for each in range(1, count + 1)) + b"\0\x3f\0"
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            _segment(0xDB, quantisation),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + _DC_COUNTS + _DC_SIZES),
            _segment(0xC4, b"\x10" + _AC_COUNTS + _AC_SYMBOLS),
            _segment(0xDA, scan),
            _entropy_coded(planes, picture.width, picture.height),
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _planes(picture: Picture) -> list[Sequence[float]]:
    """Grey, or luminance and the two chrominances (JFIF), around 0."""
    if picture.channels == 1:
        return [[value - 128 for value in picture.data]]
    parts = list(zip(picture.data[0::3], picture.data[1::3], picture.data[2::3], strict=True))
    return [
        [0.299 * red + 0.587 * green + 0.114 * blue - 128 for red, green, blue in parts],
        [-0.168736 * red - 0.331264 * green + 0.5 * blue for red, green, blue in parts],
        [0.5 * red - 0.418688 * green - 0.081312 * blue for red, green, blue in parts],
    ]


def _entropy_coded(planes: list[Sequence[float]], width: int, height: int) -> bytes:
    out = _Bits()
    last = [0] * len(planes)
    for y in range(0, height, SIDE):
        for x in range(0, width, SIDE):
            for at, plane in enumerate(planes):
                numbers = _quantised(_block(plane, x, y, width, height))
                _write(out, numbers, last[at])
                last[at] = numbers[0]
    return out.finish()


def _block(plane: Sequence[float], x: int, y: int, width: int, height: int) -> list[Sequence[float]]:
    """Eight rows of eight; beyond the edge the last pixel goes on."""
    rows = []
    for line in range(y, y + SIDE):
        start = min(line, height - 1) * width
        row = plane[start + x : start + min(x + SIDE, width)]
        rows.append(row if len(row) == SIDE else [*row, *[row[-1]] * (SIDE - len(row))])
    return rows


def _quantised(rows: list[Sequence[float]]) -> list[int]:
    """The coefficients of a block in zigzag order."""
    columns = zip(*map(_cosines, rows), strict=True)
    turned = [value for column in map(_cosines, columns) for value in column]  # column by column
    scaled = (turned[at % SIDE * SIDE + at // SIDE] * factor for at, factor in zip(_ZIGZAG, _FACTORS, strict=True))
    return [min(max(round(value), -_LARGEST), _LARGEST) for value in scaled]


def _cosines(row: Sequence[float]) -> tuple[float, ...]:
    """The discrete cosine transform of eight numbers (A.3.3)."""
    a, b, c, d, e, f, g, h = row
    s0, s1, s2, s3 = a + h, b + g, c + f, d + e
    d0, d1, d2, d3 = a - h, b - g, c - f, d - e
    outer, inner = s0 - s3, s1 - s2
    return (
        (s0 + s1 + s2 + s3) * _C4,
        d0 * _C1 + d1 * _C3 + d2 * _C5 + d3 * _C7,
        outer * _C2 + inner * _C6,
        d0 * _C3 - d1 * _C7 - d2 * _C1 - d3 * _C5,
        (s0 - s1 - s2 + s3) * _C4,
        d0 * _C5 - d1 * _C1 + d2 * _C7 + d3 * _C3,
        outer * _C6 - inner * _C2,
        d0 * _C7 - d1 * _C5 + d2 * _C3 - d3 * _C1,
    )


def _write(out: _Bits, numbers: list[int], last: int) -> None:
    """One block: the difference of the first number, then runs of zeros with the number behind each (F.1.2)."""
    difference = numbers[0] - last
    size = abs(difference).bit_length()
    out.add(*_DC[size])
    out.add(_magnitude(difference, size), size)
    zeros = 0
    for number in numbers[1:]:
        if not number:
            zeros += 1
            continue
        while zeros > 15:
            out.add(*_AC[_ZEROS])
            zeros -= 16
        size = abs(number).bit_length()
        out.add(*_AC[zeros << 4 | size])
        out.add(_magnitude(number, size), size)
        zeros = 0
    if zeros:
        out.add(*_AC[_END])


def _magnitude(number: int, size: int) -> int:
    return number if number >= 0 else number + (1 << size) - 1


class _Bits:
    """Codes, the most significant bit first; a byte of ones is followed by one of zeros (F.1.2.3)."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._held = 0
        self._count = 0

    def add(self, code: int, size: int) -> None:
        """Put bits behind the others."""
        self._held = self._held << size | code
        self._count += size
        while self._count >= 8:
            self._count -= 8
            byte = self._held >> self._count & 0xFF
            self._data.append(byte)
            if byte == 0xFF:
                self._data.append(0)
        self._held &= (1 << self._count) - 1

    def finish(self) -> bytes:
        """All of them, filled up with ones."""
        if self._count:
            self.add((1 << 8 - self._count) - 1, 8 - self._count)
        return bytes(self._data)
