"""The element walker: reads the wanted attributes of a data set as its bytes arrive, and checks its structure.

A data set is fed in pieces of any size. The walker keeps no more than one element header plus one wanted value between
pieces, whatever the peer sends: values are skipped by arithmetic, sequences of undefined length are walked with a
counter instead of recursion. Encodings: PS3.5 sections 7 and 7.5, annex A.
"""

from __future__ import annotations

from struct import Struct

from dgate.record import dataclass

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
UNCOMPRESSED = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})

PIXEL_GROUP = 0x7FE00000
"""Float, double and integer pixel data all live in group 7FE0; nothing that is indexed does."""

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
"""VRs with a 16-bit length field; every other one, those of the future included, has 32 bits (PS3.5 7.1.2)."""

MAX_NESTING = 32
VALUE_LIMIT = 4096
"""No indexed value is longer than 255 bytes; what exceeds this is cut, so that a huge value costs no memory."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the elements of a data set are written."""

    explicit: bool
    big_endian: bool


IMPLICIT = Encoding(explicit=False, big_endian=False)
LITTLE = Encoding(explicit=True, big_endian=False)
BIG = Encoding(explicit=True, big_endian=True)


def encoding_of(transfer_syntax: str) -> Encoding:
    """The element encoding of a transfer syntax; the compressed ones are all explicit little endian (PS3.5 A.4)."""
    if transfer_syntax == IMPLICIT_LITTLE:
        return IMPLICIT
    return BIG if transfer_syntax == EXPLICIT_BIG else LITTLE


@dataclass(frozen=True, slots=True)
class Span:
    """Where a top-level element lies in the data set: first byte, first byte of its value, length field, VR."""

    start: int
    value: int
    length: int
    vr: bytes


class _Codec:
    """The number formats of one byte order."""

    __slots__ = ("explicit", "implicit", "long")

    def __init__(self, order: str) -> None:
        self.explicit = Struct(order + "HH2sH").unpack_from
        self.implicit = Struct(order + "HHL").unpack_from
        self.long = Struct(order + "L").unpack_from


_LITTLE_CODEC = _Codec("<")
_BIG_CODEC = _Codec(">")


class Walker:
    """Feeds on pieces of one data set.

    `values` holds the wanted attributes found so far, as received; `spans` where they lie. `head_end` is the offset of
    the first element that cannot be followed by a wanted one, once it is known. `fault` says in words what is wrong
    with the structure; after a fault further pieces are ignored.
    """

    __slots__ = (
        "_base", "_carry", "_codec", "_explicit", "_frames", "_last", "_limit", "_skip", "_wanted",
        "fault", "head_end", "spans", "values",
    )  # fmt: skip

    def __init__(self, encoding: Encoding, wanted: frozenset[int] | None, *, limit: int = VALUE_LIMIT) -> None:
        """`wanted`: the tags to read, or None for all top-level elements; `limit`: longest value that is kept."""
        self._codec = _BIG_CODEC if encoding.big_endian else _LITTLE_CODEC
        self._explicit = encoding.explicit
        self._wanted = wanted
        self._last = ITEM - 1 if wanted is None else max((t for t in wanted if t < PIXEL_GROUP), default=0)
        self._limit = limit
        self._frames: list[tuple[bool, bool]] = []  # open undefined lengths: (is a sequence, explicit before it)
        self._base = 0
        self._skip = 0
        self._carry = b""
        self.values: dict[int, bytes] = {}
        self.spans: dict[int, Span] = {}
        self.head_end: int | None = None
        self.fault = ""

    @property
    def consumed(self) -> int:
        """Number of bytes fed so far."""
        return self._base + len(self._carry)

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next bytes. Never raises; see `fault`."""
        size = len(piece)
        if self._skip >= size:  # the inside of the pixel data: nothing else happens per piece
            self._skip -= size
            self._base += size
            return
        if self.fault:
            return
        if self._carry:
            piece = self._carry + bytes(piece)
            self._carry = b""
        position = self._walk(piece)
        size = len(piece)
        if position > size:
            self._skip = position - size
            position = size
        elif position < size and not self.fault:
            self._carry = bytes(piece[position:])
        self._base += position

    def end(self) -> None:
        """No more bytes come: the head ends here at the latest, and nothing may be open."""
        if self.fault:
            return
        if self._skip:
            self.fault = f"the data set ends {self._skip} bytes before its last element does"
        elif self._carry.strip(b"\0"):
            self.fault = "the data set ends inside an element header or value"
        elif self._frames:
            self.fault = "a sequence or item of undefined length is never closed"
        elif self.head_end is None:
            self.head_end = self._base

    def _walk(self, piece: bytes | memoryview) -> int:  # noqa: C901, PLR0912 - one loop, kept whole for speed
        """Walk as far as the piece allows; returns where the next element begins, which may be beyond the piece."""
        position, size, frames, base = self._skip, len(piece), self._frames, self._base
        self._skip = 0
        explicit, implicit, wanted, last = self._codec.explicit, self._codec.implicit, self._wanted, self._last
        while size - position >= 8:
            group, element, vr, length = explicit(piece, position)
            tag = group << 16 | element
            header = 8
            if group == 0xFFFE or not self._explicit:
                vr = b""
                length = implicit(piece, position)[2]
            elif vr not in SHORT_VRS:
                if size - position < 12:
                    break
                if not (vr.isalpha() and vr.isupper()):
                    self.fault = f"no value representation at ({group:04x},{element:04x})"
                    return size
                header = 12
                length = self._codec.long(piece, position + 8)[0]
            if frames or group == 0xFFFE:
                if not self._nested(tag, length, vr):
                    return size
                position += header if length == UNDEFINED or tag in (ITEM_END, SEQUENCE_END) else header + length
                continue
            if self.head_end is None:
                if tag > last:
                    self.head_end = base + position
                elif wanted is None or tag in wanted:
                    keep = 0 if length == UNDEFINED else min(length, self._limit)
                    if size - position < header + keep:
                        break
                    start = position + header
                    self.spans[tag] = Span(base + position, base + start, length, vr)
                    if length != UNDEFINED:
                        self.values[tag] = bytes(piece[start : start + keep])
            if length == UNDEFINED:
                if not self._open(sequence=True, implicit_content=vr == b"UN"):
                    return size
                length = 0
            position += header + length
        return position

    def _nested(self, tag: int, length: int, vr: bytes) -> bool:
        """One element header inside an undefined length. Returns False, with `fault` set, where it cannot stand."""
        in_sequence = bool(self._frames) and self._frames[-1][0]
        if tag == SEQUENCE_END and in_sequence:
            self._explicit = self._frames.pop()[1]
        elif tag == ITEM and in_sequence:
            return length != UNDEFINED or self._open(sequence=False, implicit_content=False)
        elif tag == ITEM_END and self._frames and not in_sequence:
            self._explicit = self._frames.pop()[1]
        elif tag >> 16 == 0xFFFE or in_sequence:
            self.fault = f"({tag >> 16:04x},{tag & 0xFFFF:04x}) stands where it cannot"
        elif length == UNDEFINED:
            return self._open(sequence=True, implicit_content=vr == b"UN")
        return not self.fault

    def _open(self, *, sequence: bool, implicit_content: bool) -> bool:
        """Enter an undefined length. Inside UN the content is implicit little endian (PS3.5 6.2.2, note 2)."""
        if len(self._frames) >= 2 * MAX_NESTING:
            self.fault = f"sequences are nested deeper than {MAX_NESTING} levels"
            return False
        self._frames.append((sequence, self._explicit))
        if implicit_content:
            self._explicit = False
        return True


def read_all(data: bytes, encoding: Encoding, *, limit: int = VALUE_LIMIT) -> Walker:
    """Walk a whole small data set, every top-level element wanted. Check `fault` of the result."""
    walker = Walker(encoding, None, limit=limit)
    walker.feed(data)
    walker.end()
    return walker


_PAD_NUL = frozenset({b"UI", b"OB", b"UN"})


def encode_element(tag: int, vr: bytes, value: bytes, encoding: Encoding) -> bytes:
    """One element, padded to even length with the VR's own pad byte. `vr` matters also for implicit padding."""
    if len(value) & 1:
        value += b"\0" if vr in _PAD_NUL else b" "
    order = "big" if encoding.big_endian else "little"
    head = (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)  # type: ignore[arg-type]
    if not encoding.explicit:
        return head + len(value).to_bytes(4, "little") + value
    if vr in SHORT_VRS:
        return head + vr + min(len(value), 0xFFFE).to_bytes(2, order) + value[:0xFFFE]  # type: ignore[arg-type]
    return head + vr + b"\0\0" + len(value).to_bytes(4, order) + value  # type: ignore[arg-type]
