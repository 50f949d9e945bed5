"""Reading and writing what a name stands for: elements, items, the association, the server's settings."""

from __future__ import annotations

from dataclasses import fields as fields_in
from typing import TYPE_CHECKING

from dgate.config.settings import Settings
from dgate.lua.border import COMMAND, NOTHING, text, whole
from dgate.lua.host import as_script_text
from dgate.lua.objects import Fields, ScriptError, Series, Thing, get, put

if TYPE_CHECKING:
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar

_COUNTERS = {"imagesreceived": "stored", "imagessent": "sent", "imagessaved": "stored"}
_SETTINGS = {item.metadata["key"].lower(): item.name for item in fields_in(Settings) if item.metadata.get("key")}


def read(border: Border, number: Scalar, key: Scalar) -> Values:
    """`object.Name`, `object["gggg,eeee"]`, `array[n]`, `array.Name`."""
    found = border.object(number)
    if isinstance(found, Fields):
        return "v", found.values.get(str(key).lower())
    if isinstance(found, Series):
        return _read_item(border, found, key)
    if isinstance(key, str) and key.lower() == "storage":
        return "v", found.subject.device
    return _read(border, found, key)


def _read(border: Border, thing: Thing, key: Scalar) -> Values:
    path = border.path(key)
    if path is None:
        return NOTHING
    value = get(thing, path, border.line.services.index.fetch)
    return border.give(value) if isinstance(value, Series) else ("v", value)


def _read_item(border: Border, series: Series, key: Scalar) -> Values:
    if isinstance(key, str):
        return _read(border, item, key) if len(series) and (item := series.at(0)) else NOTHING
    return border.give(series.at(whole(key)))


def write(border: Border, number: Scalar, key: Scalar, kind: str, value: Scalar = None) -> Values:
    """`object.Name = value`; `kind` is the Lua type of the value, and a table is an empty one."""
    found = border.object(number)
    if isinstance(found, Fields) or number == COMMAND:
        raise ScriptError("the command cannot be changed")
    if isinstance(found, Series):
        _write_item(border, found, key, kind, value)
    elif isinstance(key, str) and key.lower() == "storage":
        found.subject.device = text(value).upper()
    else:
        _write(border, found, key, kind, value)
    return NOTHING


def _write(border: Border, thing: Thing, key: Scalar, kind: str, value: Scalar) -> None:
    path = border.path(key)
    if path is None:
        return
    if kind == "userdata":
        put(thing, path, border.series(value), delete=False)
    else:
        put(thing, path, value if isinstance(value, str) else None, delete=kind == "nil")


def _write_item(border: Border, series: Series, key: Scalar, kind: str, value: Scalar) -> None:
    """`array.Name = value` is item 0's; an object goes behind the last item."""
    if isinstance(key, str):
        item = series.at(0)
        if item is not None:
            _write(border, item, key, kind, value)
    elif kind == "userdata" and whole(key) == len(series):
        append(border, series, value)
    else:
        raise ScriptError("an item is changed by its fields")


def append(border: Border, series: Series, number: Scalar) -> None:
    """Put a copy of an object behind the last item."""
    thing = border.thing(number)
    if series.holder is None:
        series.things.append(thing)
    else:
        series.holder.append_item(series.tag, thing.data.copy())


def length(border: Border, number: Scalar) -> Values:
    """`#object` is 1, `#array` the number of items."""
    found = border.object(number)
    return (len(found) if isinstance(found, Series) else 1,)


def forget(border: Border, numbers: str) -> Values:
    """Objects that the script's state has thrown away."""
    border.forget(int(float(number)) for number in numbers.split(","))
    return NOTHING


def association(border: Border, key: Scalar) -> Values:
    """`Association.Calling` and its like."""
    name, peer = str(key).lower(), border.line.association
    if name == "calling":
        return (peer.calling_ae.strip(" "),)
    if name == "called":
        return (peer.called_ae.strip(" "),)
    if name == "thread":
        return (peer.session.number,)
    return (border.address,) if name == "connectedip" else NOTHING


def read_global(border: Border, key: Scalar) -> Values:
    """`Global.Name`: a counter, a setting, or the value of a key."""
    name, host, settings = str(key).lower(), border.host, border.line.services.settings()
    if name in _COUNTERS:
        return (host.counters.snapshot()[_COUNTERS[name]],)
    fixed = {
        "basedir": f"{settings.base_dir.rstrip('/')}/",
        "configfile": settings.path,
        "dgateversion": host.version,
    }
    if name in fixed:
        return (as_script_text(fixed[name]),)
    entry = settings.ini.find(name)
    if entry is not None:
        return (as_script_text(entry.value),)
    value = getattr(settings, _SETTINGS[name]) if name in _SETTINGS else None
    if isinstance(value, int):
        return (int(value),)
    return (as_script_text(value),) if isinstance(value, str) else NOTHING


def write_global(border: Border, key: Scalar, value: Scalar) -> Values:
    """`Global.Name = value`: a key of dicom.ini is rewritten there, and works at once where the server can."""
    name, host = text(key), border.host
    if name.lower() == "debuglevel":
        host.config.use_debug_level(whole(value))
    elif name.lower() in _SETTINGS or name in border.line.services.settings().ini:
        host.commands.run(f"put_param:{name},{text(value)}".encode("latin-1", "replace"), None)
    return NOTHING


COMMANDS: dict[str, Command] = {
    "get": read,
    "set": write,
    "length": length,
    "forget": forget,
    "association": association,
    "global": read_global,
    "set_global": write_global,
}
