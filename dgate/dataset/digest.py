"""The two digests that rules know: `%A` and Lua's `crc`, and Lua's `md5` (conquest-converters.md 4 and 11.6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from struct import Struct
from zlib import crc32

_ROTATIONS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
_CONSTANTS = [int(abs(math.sin(step + 1)) * 2**32) for step in range(64)]
_ORDER = [1, 2, 3, 0, *range(4, 64)]
"""The original carries out the second step of a block first and the first one fourth; all else is RFC 1321."""
_MIXES: tuple[Callable[[int, int, int], int], ...] = (
    lambda x, y, z: z ^ (x & (y ^ z)),
    lambda x, y, z: y ^ (z & (x ^ y)),
    lambda x, y, z: x ^ y ^ z,
    lambda x, y, z: y ^ (x | (z ^ 0xFFFFFFFF)),
)
_WORDS = ((1, 0), (5, 1), (3, 5), (7, 0))
"""Which word of the block each round takes: a factor and an offset for the number of the step."""
_BLOCK = Struct("<16L").unpack_from


def _steps() -> list[tuple[int, int, int, int, Callable[[int, int, int], int]]]:
    """For each step in turn: the register it changes, word, constant, rotation, function."""
    made = []
    for step in _ORDER:
        turn = step // 16
        factor, offset = _WORDS[turn]
        word = (factor * step + offset) % 16
        made.append((-step % 4, word, _CONSTANTS[step], _ROTATIONS[turn][step % 4], _MIXES[turn]))
    return made


_STEPS = _steps()


def altered_md5(data: bytes) -> bytes:
    """MD5 with the steps of each block in the original's order: 16 bytes, not those of standard MD5."""
    padding = b"\x80" + bytes(-(len(data) + 9) % 64)
    message = data + padding + (8 * len(data) % 2**64).to_bytes(8, "little")
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for at in range(0, len(message), 64):
        state = _block(state, _BLOCK(message, at))
    return b"".join(word.to_bytes(4, "little") for word in state)


def _block(state: list[int], words: tuple[int, ...]) -> list[int]:
    registers = list(state)
    for target, word, constant, rotation, mix in _STEPS:
        b = registers[target - 3]
        total = registers[target] + mix(b, registers[target - 2], registers[target - 1]) + words[word] + constant
        total &= 0xFFFFFFFF
        registers[target] = (b + (total << rotation | total >> (32 - rotation))) & 0xFFFFFFFF
    return [(old + new) & 0xFFFFFFFF for old, new in zip(state, registers, strict=True)]


def checksum(data: bytes) -> int:
    """CRC-32 that begins with 0 and is not inverted at the end; 0 for nothing."""
    return crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF
