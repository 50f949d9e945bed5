"""Data sets to and from JSON: with keywords as keys, and as DICOMweb writes them (PS3.18 annex F)."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dgate.dataset.structure import DataSetError
from dgate.lua.objects import ScriptError

if TYPE_CHECKING:
    from dgate.dataset.model import DataSet

MAX_DEPTH = 16
_HEX = re.compile(r"[0-9A-Fa-f]{8}")
_INTEGERS = frozenset({b"US", b"SS", b"UL", b"SL", b"IS"})
_FLOATS = frozenset({b"FL", b"FD", b"DS"})
BINARY_NUMBERS = frozenset({b"US", b"SS", b"UL", b"SL", b"FL", b"FD"})
BINARY = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN"})
_INLINE = 255
"""Bytes of a binary value that are written into the text."""


def by_keyword(data: DataSet, *, binary: bool = False) -> str:
    """`{"PatientName":"A^B","Rows":128}`; what has no keyword goes under its tag, binary values are left out.

    Numbers are those that are stored as such: IS and DS stay the text that they are.
    """
    return json.dumps(_plain(data, binary=binary), separators=(",", ":"))


def dicomweb(data: DataSet, *, binary: bool = False) -> str:
    """The model of DICOMweb: a tag, its VR, and its values in a list; of binary ones those that are short."""
    return json.dumps(_model(data, binary=binary), separators=(",", ":"))


def _plain(data: DataSet, *, binary: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in data.tags():
        name = data.terms.keyword(tag) or f"{tag >> 16:04x},{tag & 0xFFFF:04x}"
        items = data.items(tag)
        if items is not None:
            found[name] = [_plain(item, binary=binary) for item in items]
        elif data.vr(tag) in BINARY:
            if binary:
                found[name] = list(numbers_in(data, tag))
        else:
            values = _values(data, tag) if data.vr(tag) in BINARY_NUMBERS else [data.text(tag) or ""]
            found[name] = "" if not values else values[0] if len(values) == 1 else values
    return found


def _model(data: DataSet, *, binary: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in data.tags():
        vr, items = data.vr(tag), data.items(tag)
        entry: dict[str, Any] = {"vr": "SQ" if items is not None else vr.decode("latin-1")}
        if items is not None:
            entry["Value"] = [_model(item, binary=binary) for item in items]
        elif vr in BINARY:
            raw = data.raw(tag) or b""
            if binary or len(raw) <= _INLINE:
                entry["InlineBinary"] = base64.b64encode(raw).decode("ascii")
        elif values := _values(data, tag):
            entry["Value"] = [{"Alphabetic": value} for value in values] if vr == b"PN" else values
        found[f"{tag:08X}"] = entry
    return found


def numbers_in(data: DataSet, tag: int) -> Iterator[int | float]:
    """The numbers of a binary value: signed words, reals, or bytes."""
    code, size = {b"OW": ("h", 2), b"OF": ("f", 4)}.get(data.vr(tag), ("B", 1))
    raw = data.view(tag) or b""
    order = ">" if data.encoding.big_endian else "<"
    return (number for (number,) in struct.iter_unpack(f"{order}{code}", raw[: len(raw) // size * size]))


def _values(data: DataSet, tag: int) -> list[str | int | float]:
    """The values of an element as JSON has them; a text that should be a number and is none stays text."""
    text, vr = data.text(tag) or "", data.vr(tag)
    if not text:
        return []
    if vr in (b"LT", b"ST", b"UT"):
        return [text]
    parts = text.split("\\")
    if vr not in _INTEGERS | _FLOATS:
        return list(parts)
    try:
        return [int(part) if vr in _INTEGERS else float(part) for part in parts]
    except ValueError:
        return list(parts)


def fill(data: DataSet, text: str) -> None:
    """Write what a JSON text of either kind holds. Raises `ScriptError`, `DataSetError`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise ScriptError(f"no JSON text: {fault}") from fault
    _fill(data, found, 0)


def _fill(data: DataSet, found: Any, depth: int) -> None:
    if not isinstance(found, dict) or depth > MAX_DEPTH:
        raise ScriptError("expected a JSON object")
    for name, value in found.items():
        tag = int(name, 16) if _HEX.fullmatch(name) else _tag(data, name)
        if tag is not None and tag >> 16 > 0x0002:
            _write(data, tag, value, depth)


def _tag(data: DataSet, name: str) -> int | None:
    if re.fullmatch(r"[0-9A-Fa-f]{4},[0-9A-Fa-f]{4}", name):
        return int(name[:4] + name[5:], 16)
    return data.terms.tag(name)


def _write(data: DataSet, tag: int, value: Any, depth: int) -> None:
    if isinstance(value, dict):
        if "InlineBinary" in value:
            data.set_value(tag, _decoded(value["InlineBinary"]))
            return
        value = value.get("Value", [])
    values = value if isinstance(value, list) else [value]
    if data.vr(tag) == b"SQ" or any(isinstance(one, dict) and "Alphabetic" not in one for one in values):
        data.create_sequence(tag)
        for item in values:
            _fill(data.append_item(tag), item, depth + 1)
        return
    data.set_text(tag, "\\".join(map(_text, values)))


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as fault:
        raise DataSetError("no base64 text") from fault


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("Alphabetic", "")
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.14g}" if isinstance(value, float) else str(value)
