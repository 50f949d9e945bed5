"""Sequences as they are written: what reads data sets finds the same in them, however their lengths are given."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from dgate.dataset.model import DataSet
from dgate.encoding.elements import BIG, IMPLICIT, LITTLE, UNDEFINED, Encoding, encode_element
from dgate.encoding.sequences import encode_sequence

ENCODINGS = [IMPLICIT, LITTLE, BIG]
SEQUENCES = (0x00400100, 0x00081199, 0x00321064)
ITEM, ITEM_END, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)


@dataclass(frozen=True)
class Tree:
    """Values by tag, and one sequence."""

    values: dict[int, bytes]
    sequence: int = 0
    items: list[Tree] = field(default_factory=list)


values = st.dictionaries(
    st.sampled_from([0x00080060, 0x00100010, 0x00400002, 0x00410010]),
    st.text("A1 ", max_size=12).map(lambda text: text.encode() + b" " * (len(text) % 2)),
    max_size=3,
)
trees = st.recursive(
    st.builds(Tree, values),
    lambda inner: st.builds(Tree, values, st.sampled_from(SEQUENCES), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=8,
)


def marker(kind: tuple[int, int], length: int, encoding: Encoding) -> bytes:
    return struct.pack(">HHL" if encoding.big_endian else "<HHL", *kind, length)


def undefined_sequence(tag: int, items: list[bytes], encoding: Encoding) -> bytes:
    order = ">" if encoding.big_endian else "<"
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF) + (b"SQ\0\0" if encoding.explicit else b"")
    content = (marker(ITEM, UNDEFINED, encoding) + item + marker(ITEM_END, 0, encoding) for item in items)
    return head + struct.pack(order + "L", UNDEFINED) + b"".join(content) + marker(SEQUENCE_END, 0, encoding)


def encode(tree: Tree, encoding: Encoding, *, undefined: bool) -> bytes:
    elements = {tag: encode_element(tag, b"LO", value, encoding) for tag, value in tree.values.items()}
    if tree.items:
        items = [encode(item, encoding, undefined=undefined) for item in tree.items]
        write = undefined_sequence if undefined else encode_sequence
        elements[tree.sequence] = write(tree.sequence, items, encoding)
    return b"".join(elements[tag] for tag in sorted(elements))


def read(data: DataSet) -> Tree:
    """What is in it. Without a dictionary nothing tells an empty implicit value from a sequence without items."""
    tags = data.tags()
    plain = {tag: data.raw(tag) or b"" for tag in tags if not data.items(tag)}
    for tag in tags:
        if items := data.items(tag):
            return Tree(plain, tag, [read(item) for item in items])
    return Tree(plain)


@example(Tree({}, 0x00400100, [Tree({0x00080060: b""})]), IMPLICIT, False)
@given(trees, st.sampled_from(ENCODINGS), st.booleans())
def test_what_is_written_is_read(tree: Tree, encoding: Encoding, undefined: bool) -> None:
    assert read(DataSet.parse(encode(tree, encoding, undefined=undefined), encoding)) == tree
