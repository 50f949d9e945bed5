"""C-FIND identifiers on the wire: parsing a request, encoding an answer (PS3.4 C.4.1; conquest-server.md 9.1). Pure."""

from __future__ import annotations

import struct

from dgate.encoding.elements import DEFLATED, Encoding, Walker, encode_element, encoding_of, read_all
from dgate.index.tables import Level
from dgate.interfaces import QueryFailure, QueryModel
from dgate.record import dataclass

LEVEL_TAG, RETRIEVE_AE_TAG, CHARACTER_SET_TAG = 0x00080052, 0x00080054, 0x00080005
BAD_IDENTIFIER = 0xC001

_LEVELS = {b"PATIENT": Level.PATIENT, b"STUDY": Level.STUDY, b"SERIES": Level.SERIES, b"IMAGE": Level.IMAGE}
_ALLOWED: dict[QueryModel, frozenset[Level]] = {
    "patient": frozenset(Level),
    "study": frozenset({Level.STUDY, Level.SERIES, Level.IMAGE}),
    "patient_study": frozenset({Level.PATIENT, Level.STUDY}),
    "worklist": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute of the request, as received; `vr` is empty in implicit encoding."""

    tag: int
    vr: bytes
    value: bytes

    @property
    def text(self) -> bytes:
        """The value without its padding."""
        return self.value.split(b"\0", 1)[0].rstrip(b" ")


@dataclass(frozen=True, slots=True)
class Identifier:
    """A request: its level and the other keys in tag order."""

    level: Level
    level_text: bytes
    keys: tuple[Key, ...]


def parse_identifier(data: bytes, transfer_syntax: str, model: QueryModel) -> Identifier:
    """Raises `QueryFailure` where it cannot be read or asks for a level the model does not have."""
    walker = _read(data, transfer_syntax)
    text = walker.values.get(LEVEL_TAG, b"")
    level = _LEVELS.get(text.rstrip(b"\0 "))
    if level is None or level not in _ALLOWED[model]:
        raise QueryFailure(BAD_IDENTIFIER, f"unknown query level {text.decode('latin-1')!r}")
    return Identifier(level, text, _keys(walker))


def parse_keys(data: bytes, transfer_syntax: str) -> tuple[Key, ...]:
    """The keys of a retrieval, whose level nobody looks at (conquest-server.md 9.3). Raises `QueryFailure`."""
    return _keys(_read(data, transfer_syntax))


def _read(data: bytes, transfer_syntax: str) -> Walker:
    if transfer_syntax == DEFLATED:
        raise QueryFailure(BAD_IDENTIFIER, "deflated identifiers are not supported")
    walker = read_all(data, encoding_of(transfer_syntax), limit=len(data))
    if walker.fault:
        raise QueryFailure(BAD_IDENTIFIER, f"identifier cannot be parsed: {walker.fault}")
    return walker


def _keys(walker: Walker) -> tuple[Key, ...]:
    keys = (Key(tag, walker.spans[tag].vr, value) for tag, value in sorted(walker.values.items()) if tag != LEVEL_TAG)
    return tuple(key for key in keys if key.vr != b"SQ")


_BINARY_VRS = {b"US": "H", b"SS": "h", b"UL": "L", b"SL": "l", b"FL": "f", b"FD": "d"}
_BINARY_DTS = {"UINT16": "H", "UINT32": "L", "FL": "f", "FD": "d"}


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attribute of the answers is written."""

    tag: int
    vr: bytes
    dt: str

    def encode(self, value: bytes | float | None, encoding: Encoding) -> bytes:
        """The element; NULL gives an empty value."""
        if value is None:
            raw = b""
        elif isinstance(value, bytes):
            raw = self._binary(value, encoding) if self._code else value
        else:
            raw = str(value).encode()
        vr = self.vr or (b"UI" if self.dt == "UI" else b"LO")
        return encode_element(self.tag, vr, raw, encoding)

    @property
    def _code(self) -> str:
        return _BINARY_VRS.get(self.vr, "") if self.vr else _BINARY_DTS.get(self.dt, "")

    def _binary(self, value: bytes, encoding: Encoding) -> bytes:
        """A number from its decimal text; what is none, or does not fit, becomes empty."""
        order = ">" if encoding.big_endian else "<"
        try:
            return struct.pack(order + self._code, float(value) if self._code in "fd" else int(value))
        except (ValueError, OverflowError, struct.error):
            return b""
