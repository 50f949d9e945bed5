"""Sequences written (PS3.5 7.5). They are read in `dgate.dataset`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from dgate.encoding.elements import ITEM, Encoding, encode_element


def encode_sequence(tag: int, items: Iterable[bytes], encoding: Encoding) -> bytes:
    """A sequence of these items, encoded data sets all; every length is defined."""
    order = "big" if encoding.big_endian else "little"
    head = (ITEM >> 16).to_bytes(2, order) + (ITEM & 0xFFFF).to_bytes(2, order)  # type: ignore[arg-type]
    content = b"".join(head + len(item).to_bytes(4, order) + item for item in items)  # type: ignore[arg-type]
    return encode_element(tag, b"SQ", content, encoding)
