"""Readers of the pictures that the server writes, made from the formats' descriptions."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator


def indices_of_gif(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and colour indices of the one image of a GIF with 256 colours."""
    assert data[:6] == b"GIF87a"
    at = 13 + 768
    assert data[at] == 0x2C
    width, height = struct.unpack_from("<HH", data, at + 5)
    assert data[at + 10] == 8
    at += 11
    stream = b""
    while data[at]:
        stream += data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
    assert data[at:] == b"\0\x3b"
    return width, height, _lzw(stream)


def _lzw(stream: bytes) -> bytes:
    bits, position, size = int.from_bytes(stream, "little"), 0, 9
    table: list[bytes] = []
    before, found = b"", bytearray()
    while True:
        code = bits >> position & (1 << size) - 1
        position += size
        if code == 257:
            return bytes(found)
        if code == 256:
            table = [bytes((value,)) for value in range(256)] + [b"", b""]
            size, before = 9, b""
            continue
        entry = table[code] if code < len(table) else before + before[:1]
        found += entry
        if before and len(table) < 4096:
            table.append(before + entry[:1])
            if len(table) == 1 << size and size < 12:
                size += 1
        before = entry


def grey_of_jpeg(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and grey values of a baseline JPEG with one component."""
    at, tables, steps, width, height = 2, {}, b"", 0, 0
    while True:
        marker, length = struct.unpack_from(">HH", data, at)
        content = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDB:
            steps = content[1:]
        elif marker == 0xFFC0:
            _, height, width, count = struct.unpack_from(">BHHB", content)
            assert count == 1
        elif marker == 0xFFC4:
            tables[content[0]] = _codes(content[1:17], content[17:])
        elif marker == 0xFFDA:
            break
    bits = _bits(data[at:-2].replace(b"\xff\0", b"\xff"))
    across, down = -(-width // 8), -(-height // 8)
    plane = [[0] * (across * 8) for _ in range(down * 8)]
    last = 0
    for block in range(across * down):
        last, rows = _block(bits, tables, steps, last)
        for y, row in enumerate(rows):
            plane[block // across * 8 + y][block % across * 8 : block % across * 8 + 8] = row
    return width, height, bytes(value for row in plane[:height] for value in row[:width])


def _codes(counts: bytes, symbols: bytes) -> dict[tuple[int, int], int]:
    made, code, rest = {}, 0, iter(symbols)
    for length, count in enumerate(counts, start=1):
        for _ in range(count):
            made[length, code] = next(rest)
            code += 1
        code <<= 1
    return made


def _bits(data: bytes) -> Iterator[int]:
    for byte in data:
        for shift in range(7, -1, -1):
            yield byte >> shift & 1


def _symbol(bits: Iterator[int], table: dict[tuple[int, int], int]) -> int:
    code = length = 0
    while (length, code) not in table:
        code, length = code << 1 | next(bits), length + 1
        assert length <= 16
    return table[length, code]


def _number(bits: Iterator[int], size: int) -> int:
    value = 0
    for _ in range(size):
        value = value << 1 | next(bits)
    return value if not size or value >> size - 1 else value - (1 << size) + 1


def _block(
    bits: Iterator[int], tables: dict[int, dict[tuple[int, int], int]], steps: bytes, last: int
) -> tuple[int, list[list[int]]]:
    numbers = [0] * 64
    numbers[0] = last + _number(bits, _symbol(bits, tables[0x00]))
    at = 1
    while at < 64:
        symbol = _symbol(bits, tables[0x10])
        if symbol == 0:
            break
        at += symbol >> 4
        numbers[at] = _number(bits, symbol & 15)
        at += 1
    coefficients = [[0.0] * 8 for _ in range(8)]
    u = v = 0
    for number, step in zip(numbers, steps, strict=True):
        coefficients[v][u] = number * step
        u, v = _next(u, v)
    return numbers[0], _inverse(coefficients)


def _next(u: int, v: int) -> tuple[int, int]:
    """Along the diagonals, to and fro."""
    if (u + v) % 2 == 0:
        if u == 7:
            return u, v + 1
        return u + 1, max(v - 1, 0)
    if v == 7:
        return u + 1, v
    return max(u - 1, 0), v + 1


_WEIGHTS = [
    [(math.sqrt(0.5) if k == 0 else 1) / 2 * math.cos((2 * n + 1) * k * math.pi / 16) for k in range(8)]
    for n in range(8)
]


def _inverse(coefficients: list[list[float]]) -> list[list[int]]:
    lines = [[sum(w * c for w, c in zip(weights, line, strict=True)) for weights in _WEIGHTS] for line in coefficients]
    rows = [[sum(weights[v] * lines[v][x] for v in range(8)) for x in range(8)] for weights in _WEIGHTS]
    return [[min(max(round(value + 128), 0), 255) for value in row] for row in rows]
