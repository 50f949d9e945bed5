"""Streaming conversion of a data set from one uncompressed transfer syntax to another (PS3.5 7.1, 7.5; annex A).

Works on pieces of any size and keeps no more than one element header between them. Sequences and items come out with
undefined lengths, because their new lengths are not known when they begin; every value stays as it is but for its byte
order. An implicit data set becomes explicit with the help of a dictionary (`vrs.py`).
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from struct import Struct

from dgate.encoding.elements import ITEM, ITEM_END, MAX_NESTING, SEQUENCE_END, SHORT_VRS, UNDEFINED, Encoding
from dgate.encoding.vrs import PIXEL_REPRESENTATION, VRs

_SWAPPED = {
    b"US": 2, b"SS": 2, b"OW": 2, b"AT": 2, b"UL": 4, b"SL": 4, b"FL": 4, b"OF": 4, b"OL": 4,
    b"FD": 8, b"OD": 8, b"OV": 8, b"SV": 8, b"UV": 8,
}  # fmt: skip
_CODES = {2: "H", 4: "I", 8: "Q"}

Piece = bytes | memoryview


class Transcoder:
    """Feeds on the pieces of a data set whose structure a `Walker` has checked ahead of it.

    From implicit to explicit it needs `vrs`; an implicit data set stays as it is otherwise.
    """

    def __init__(self, source: Encoding, *, explicit: bool, big_endian: bool = False, vrs: VRs | None = None) -> None:
        order, written = (">" if big else "<" for big in (source.big_endian, big_endian))
        self._swaps = source.big_endian != big_endian
        self._read = Struct(order + "HH2sH").unpack_from
        self._read_long = Struct(order + "L").unpack_from
        self._plain = Struct(written + "HHL").pack
        self._short = Struct(written + "HH2sH").pack
        self._long = Struct(written + "HH2sHL").pack
        self._explicit = explicit
        self._implicit_source = not source.explicit
        self._vrs = vrs or VRs({})
        self._sign = b""  # the value of Pixel Representation as far as it has come
        self._sign_left = 0
        self._carry = b""
        self._value = 0  # bytes left of the value that is being passed on
        self._width = 1  # its unit for byte swapping
        self._offset = 0
        self._frames: list[tuple[int, bytes, bool]] = []  # where a defined length ends (or -1), its mark, opaque inside
        self.fault = ""
        """Why the conversion stopped; what comes after is ignored."""

    def feed(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The next input; returns what can be written now."""
        out: list[Piece] = []
        for piece in pieces:
            self._feed(piece, out)
        return out

    def end(self) -> list[Piece]:
        """The input is over: close what is open."""
        out: list[Piece] = []
        self._close_finished(out)
        return out

    def _feed(self, piece: Piece, out: list[Piece]) -> None:
        piece = memoryview(self._carry + bytes(piece) if self._carry else piece)
        self._carry = b""
        position, size = 0, len(piece)
        while position < size and not self.fault:
            if self._value:
                position += self._pass_on(piece[position : position + self._value], out)
                if self._carry:
                    return
                continue
            self._close_finished(out)
            used = self._header(piece, position, out)
            if not used:
                self._carry = bytes(piece[position:])
                return
            position += used
            self._offset += used

    def _pass_on(self, part: Piece, out: list[Piece]) -> int:
        """Value bytes; whole units only where their order changes."""
        usable = len(part) - len(part) % self._width if len(part) < self._value else len(part)
        if self._width == 1 or not self._swaps:
            out.append(part)
            usable = len(part)
        elif usable:
            out.append(_swap(bytes(part[:usable]), self._width))
        if usable < len(part):
            self._carry = bytes(part[usable:])
        if self._sign_left:
            self._sign += bytes(part[: self._sign_left])
            self._sign_left = max(0, self._sign_left - usable)
        self._value -= usable
        self._offset += usable
        return len(part)

    def _header(self, piece: Piece, position: int, out: list[Piece]) -> int:
        """One element header; returns its size, 0 if more bytes are needed."""
        left = len(piece) - position
        if left < 8:
            return 0
        group, element, vr, length = self._read(piece, position)
        if group == 0xFFFE:
            self._mark(group << 16 | element, self._read_long(piece, position + 4)[0], out)
            return 8
        if self._implicit_source:
            self._implicit_element(group, element, self._read_long(piece, position + 4)[0], out)
            return 8
        used = 8
        if vr not in SHORT_VRS:
            if not vr.isalpha():
                self.fault = f"no value representation at ({group:04x},{element:04x})"
                return 8
            if left < 12:
                return 0
            used, length = 12, self._read_long(piece, position + 8)[0]
        self._element(group, element, vr, length, used, out)
        return used

    def _implicit_element(self, group: int, element: int, length: int, out: list[Piece]) -> None:
        """Find the VR. What has an undefined length here is a sequence; what is too long for its VR is UN (6.2.2)."""
        tag = group << 16 | element
        vr = b"SQ" if length == UNDEFINED else self._vrs.find(tag, signed=self._sign == b"\1\0")
        if length > 0xFFFF and vr in SHORT_VRS:
            vr = b"UN"
        self._element(group, element, vr, length, 8, out)
        if tag == PIXEL_REPRESENTATION and length == 2:
            self._sign, self._sign_left = b"", 2

    def _element(self, group: int, element: int, vr: bytes, length: int, used: int, out: list[Piece]) -> None:
        opens = vr == b"SQ" or length == UNDEFINED
        self._check_fits(used, length)
        written = UNDEFINED if opens else length
        if not self._explicit:
            out.append(self._plain(group, element, written))
        elif vr in SHORT_VRS:
            out.append(self._short(group, element, vr, length))
        else:
            out.append(self._long(group, element, vr, 0, written))
        if opens:
            self._open(length, used, self._plain(0xFFFE, 0xE0DD, 0), opaque=vr != b"SQ")
        else:
            self._value, self._width = length, _SWAPPED.get(vr, 1)

    def _mark(self, tag: int, length: int, out: list[Piece]) -> None:
        """An item or the end of one; items of encapsulated pixels keep their lengths."""
        if tag in (ITEM_END, SEQUENCE_END):
            out.append(self._plain(tag >> 16, tag & 0xFFFF, 0))
            if self._frames:
                self._frames.pop()
        elif tag == ITEM and self._frames and self._frames[-1][2]:
            out.append(self._plain(0xFFFE, 0xE000, length))
            self._value, self._width = length, 1
            if length == UNDEFINED:
                self.fault = "an item of undefined length in a sequence of unknown type"
        else:
            self._check_fits(8, length)
            out.append(self._plain(0xFFFE, 0xE000, UNDEFINED))
            self._open(length, 8, self._plain(0xFFFE, 0xE00D, 0), opaque=False)

    def _check_fits(self, used: int, length: int) -> None:
        """A value that reaches beyond the item or sequence it is in: what follows would be written as nonsense."""
        end = self._frames[-1][0] if self._frames else -1
        if length != UNDEFINED and 0 <= end < self._offset + used + length:
            self.fault = "an element is longer than the item it is in"

    def _open(self, length: int, used: int, mark: bytes, *, opaque: bool) -> None:
        end = -1 if length == UNDEFINED else self._offset + used + length
        if len(self._frames) >= 2 * MAX_NESTING:
            self.fault = f"sequences are nested deeper than {MAX_NESTING} levels"
        self._frames.append((end, mark, opaque))

    def _close_finished(self, out: list[Piece]) -> None:
        while self._frames and 0 <= self._frames[-1][0] <= self._offset:
            out.append(self._frames.pop()[1])


def _swap(value: bytes, width: int) -> bytes:
    """The units of a value with their bytes reversed; a last incomplete one stays."""
    whole = len(value) - len(value) % width
    units = array.array(_CODES[width], value[:whole])
    units.byteswap()
    return units.tobytes() + value[whole:]
