"""`Serialize`: a data set as the text of a Lua table, or as JSON."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from dgate.lua.jsontext import BINARY, BINARY_NUMBERS, by_keyword, dicomweb, numbers_in
from dgate.lua.objects import Series, Thing
from dgate.rules.objects import copy_of

if TYPE_CHECKING:
    from dgate.dataset.model import DataSet
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBERS = re.compile(r"[-0-9.\\]+")
_SPECIAL = re.compile(r"[\\\"\x00-\x1f\x7f]")


def serialize(border: Border, number: Scalar, json: Scalar = None, pixels: Scalar = None, web: Scalar = None) -> Values:
    """`Serialize()` Lua, `Serialize(true)` JSON with keywords, `Serialize(true, false, true)` DICOMweb.

    With `true` in the middle the pixels are in it too.
    """
    found = border.object(number)
    write = partial((dicomweb if web else by_keyword) if json else lua_table, binary=bool(pixels))
    if isinstance(found, Thing):
        return "v", write(_with_pixels(found) if pixels else found.data)
    items = [thing.data for thing in _things(found)] if isinstance(found, Series) else []
    opening, closing = "[]" if json else "{}"
    return "v", opening + ",".join(map(write, items)) + closing


def _things(series: Series) -> list[Thing]:
    if series.holder is None:
        return series.things
    return [Thing(item=item) for item in series.holder.items(series.tag) or ()]


def _with_pixels(thing: Thing) -> DataSet:
    whole = thing.whole
    return thing.data if whole is None or whole.tail is None else copy_of(whole).data


def lua_table(data: DataSet, *, binary: bool = False) -> str:
    """A table by keywords, or by tags where there is none: texts, numbers or lists of them, lists for sequences."""
    parts = []
    for tag in data.tags():
        name = data.terms.keyword(tag)
        key = name if _NAME.fullmatch(name) else f"[{quoted(name or f'{tag >> 16:04x},{tag & 0xFFFF:04x}')}]"
        parts.append(f"{key}={_value(data, tag, binary=binary)}")
    return "{" + ",".join(parts) + "}"


def _value(data: DataSet, tag: int, *, binary: bool) -> str:
    items = data.items(tag)
    if items is not None:
        return "{" + ",".join(lua_table(item, binary=binary) for item in items) + "}"
    if data.vr(tag) in BINARY and binary:
        return "{" + ",".join(f"{number:.14g}" for number in numbers_in(data, tag)) + "}"
    if data.vr(tag) in BINARY:
        return f"nil --[[{data.vr(tag).decode('latin-1')} not serialized]]"
    text = data.text(tag) or ""
    if data.vr(tag) not in BINARY_NUMBERS or not _NUMBERS.fullmatch(text):
        return quoted(text)
    return text if "\\" not in text else "{" + text.replace("\\", ",") + "}"


def quoted(text: str) -> str:
    """A text as a Lua string."""
    return '"' + _SPECIAL.sub(lambda found: _escaped(found[0]), text) + '"'


def _escaped(character: str) -> str:
    return f"\\{character}" if character in '"\\' else f"\\{ord(character):03d}"


COMMANDS: dict[str, Command] = {"serialize": serialize}
