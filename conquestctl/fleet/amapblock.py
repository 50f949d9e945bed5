"""The part of an instance's `acrnema.map` that is ours: between two comment lines. All others are the user's. Pure.

The first fitting entry of the file wins (conquest-server.md section 3). So an AE title that the user has an entry of
their own for is left out of the block, and the block stands in front of everything unless it was moved: a pattern
like `*` would otherwise hide it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dgate.config.amap import AcrNemaMap, Node, comments

BEGIN = b"# --- begin of what conquestctl writes: it is written anew whenever the fleet changes ---"
END = b"# --- end of what conquestctl writes ---"

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class _Marker:
    """A line that begins or ends a block; `end` is where the next line starts."""

    begins: bool
    start: int
    end: int


def with_block(data: bytes, entries: Sequence[Node]) -> bytes:
    """Return the file with these entries in its one block, but for those that the user has an entry of their own for.

    Where there is no block yet it is put at the beginning. Lines outside it stay as they are, byte for byte.
    """
    spans = _ours(data)
    rest = _without(data, spans)
    at = spans[0][0] if spans else len(_BOM) if data.startswith(_BOM) else 0
    own = {node.ae for node in AcrNemaMap.parse(rest).nodes}
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    lines = [BEGIN, *(_line(node) for node in entries if node.ae not in own), END]
    return rest[:at] + b"".join(line + newline for line in lines) + rest[at:]


def outside(data: bytes) -> tuple[Node, ...]:
    """Return the user's entries, with their lines counted in the whole file."""
    for start, end in reversed(_blocks(list(_markers(data)))):
        data = data[:start] + b"\n" * data.count(b"\n", start, end) + data[end:]
    return AcrNemaMap.parse(data).nodes


def overruled(data: bytes, entries: Sequence[Node]) -> list[tuple[Node, Node]]:
    """Return each entry that a lookup in the file does not lead to, and the one it finds instead."""
    amap = AcrNemaMap.parse(data)
    found = ((entry, amap.find(entry.ae)) for entry in entries)
    return [(entry, node) for entry, node in found if node and (node.host, node.port) != (entry.host, entry.port)]


def _line(node: Node) -> bytes:
    return f"{node.ae:<16} {node.host:<20} {node.port:<6} {node.compression}".encode()


def _ours(data: bytes) -> list[tuple[int, int]]:
    """Blocks, and begin and end lines without each other: the lines behind such a one may be anybody's."""
    markers = list(_markers(data))
    blocks = _blocks(markers)
    lone = [(one.start, one.end) for one in markers if not any(a <= one.start < b for a, b in blocks)]
    return sorted([*blocks, *lone])


def _blocks(markers: Sequence[_Marker]) -> list[tuple[int, int]]:
    return [(first.start, second.end) for first, second in pairwise(markers) if first.begins and not second.begins]


def _markers(data: bytes) -> Iterator[_Marker]:
    """Only comments that begin as such: the same line inside a comment of several lines is part of that."""
    for start, end in comments(data):
        line = max(data.rfind(b"\n", 0, start) + 1, len(_BOM) if data.startswith(_BOM) else 0)
        text = data[start:end].strip()
        if text in (BEGIN, END) and not data[line:start].strip():
            following = data.find(b"\n", end) + 1
            yield _Marker(text == BEGIN, line, following or len(data))


def _without(data: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    for start, end in reversed(spans):
        data = data[:start] + data[end:]
    return data
