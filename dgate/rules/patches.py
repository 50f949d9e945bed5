"""Plain changes of top-level elements, made where they lie: no other element is looked at (PS3.5 section 7).

Most lines set a text or two. The walker that read the object on its way knows where those elements are, or which ones
stand around the place where they belong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgate.dataset.structure import FORMATS
from dgate.encoding.elements import SHORT_VRS, UNDEFINED, Encoding, Span

if TYPE_CHECKING:
    from dgate.dataset.terms import Terms

Piece = bytes | memoryview
Place = tuple[int, int]
"""First byte of an element and its end; the same where there is none and one is to be."""

_DEPENDING = frozenset({b"US", b"SS", b"OB", b"OW", b"UN", b"SQ"})
"""What the element or another one decides, not the dictionary alone."""


def vr_to_write(tag: int, span: Span | None, terms: Terms) -> bytes | None:
    """The VR of an element that a text can be written to; None where that takes a closer look."""
    known = terms.vr(tag)
    if known is None or known in _DEPENDING:
        return known if known == b"US" and span is not None and span.vr == known else None
    return known


def in_order(spans: Mapping[int, Span]) -> bool:
    """Whether the elements lie one behind the other: if not, one of them may be there twice."""
    at = -1
    for span in spans.values():
        if span.start < at:
            return False
        at = span.start
    return True


def find_place(head: Piece, tag: int, spans: Mapping[int, Span], encoding: Encoding) -> Place | None:
    """Where an element lies or belongs; None where that takes a closer look, as it does for one that is there twice."""
    span = spans.get(tag)
    if span is not None and span.length == UNDEFINED:
        return None
    below = [known for known in spans if known < tag]
    before = spans[below[-1]] if below else None
    if before is not None and before.length == UNDEFINED:
        return None
    at = _first_from(head, 0 if before is None else before.value + before.length, tag, encoding)
    if span is None:
        return None if at is None else (at, at)
    return (span.start, span.value + span.length) if at == span.start else None


def _first_from(head: Piece, at: int, tag: int, encoding: Encoding) -> int | None:
    """The first element with this tag or a higher one, from the element at `at` on; or the end."""
    short, plain, long = FORMATS[encoding.big_endian]
    end = len(head)
    while end - at >= 8:
        group, element, vr, length = short.unpack_from(head, at)
        if group << 16 | element >= tag:
            return at
        value = at + 8
        if not encoding.explicit:
            length = plain.unpack_from(head, at)[2]
        elif vr not in SHORT_VRS:
            if end - at < 12:
                return None
            length, value = long.unpack_from(head, value)[0], at + 12
        if length == UNDEFINED:
            return None
        at = value + length
    return at if at == end else None


def spliced(head: Piece, changes: Mapping[int, tuple[Place, bytes]]) -> list[Piece]:
    """The head with other bytes at these places, in slices."""
    view = memoryview(head)
    pieces: list[Piece] = []
    at = 0
    for _, ((start, end), element) in sorted(changes.items()):
        pieces += [view[at:start], element]
        at = end
    pieces.append(view[at:])
    return [piece for piece in pieces if len(piece)]
