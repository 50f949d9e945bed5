"""`Serialize`: a data set as the text of a Lua table, or as JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dgate.lua.jsontext import BINARY_NUMBERS, by_keyword, dicomweb, is_bulk
from dgate.lua.objects import Series, Thing

if TYPE_CHECKING:
    from dgate.dataset.model import DataSet
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBERS = re.compile(r"[-0-9.\\]+")
_SPECIAL = re.compile(r"[\\\"\x00-\x1f\x7f]")


def serialize(
    border: Border, number: Scalar, json: Scalar = None, _pixels: Scalar = None, web: Scalar = None
) -> Values:
    """`Serialize()` Lua, `Serialize(true)` JSON with keywords, `Serialize(true, false, true)` DICOMweb."""
    found = border.object(number)
    write = (dicomweb if web else by_keyword) if json else lua_table
    if isinstance(found, Thing):
        return "v", write(found.data)
    items = [thing.data for thing in _things(found)] if isinstance(found, Series) else []
    opening, closing = "[]" if json else "{}"
    return "v", opening + ",".join(map(write, items)) + closing


def _things(series: Series) -> list[Thing]:
    if series.holder is None:
        return series.things
    return [Thing(item=item) for item in series.holder.items(series.tag) or ()]


def lua_table(data: DataSet) -> str:
    """A table by keywords, or by tags where there is none: texts, numbers or lists of them, lists for sequences."""
    parts = []
    for tag in data.tags():
        name = data.terms.keyword(tag)
        key = name if _NAME.fullmatch(name) else f"[{quoted(name or f'{tag >> 16:04x},{tag & 0xFFFF:04x}')}]"
        parts.append(f"{key}={_value(data, tag)}")
    return "{" + ",".join(parts) + "}"


def _value(data: DataSet, tag: int) -> str:
    items = data.items(tag)
    if items is not None:
        return "{" + ",".join(map(lua_table, items)) + "}"
    if is_bulk(data, tag):
        return f"nil --[[{data.vr(tag).decode('latin-1')} not serialized]]"
    text = data.text(tag) or ""
    if data.vr(tag) not in BINARY_NUMBERS or not _NUMBERS.fullmatch(text):
        return quoted(text)
    return text if "\\" not in text else "{" + text.replace("\\", ",") + "}"


def quoted(text: str) -> str:
    """A text as a Lua string."""
    return '"' + _SPECIAL.sub(lambda found: f"\\{ord(found[0]):03d}", text) + '"'


COMMANDS: dict[str, Command] = {"serialize": serialize}
