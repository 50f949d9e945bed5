"""The methods of DICOM objects and of arrays."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dgate.archive.compression import decide
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import encoding_of
from dgate.encoding.part10 import NotDicomError
from dgate.lua.border import NOTHING, text, whole
from dgate.lua.fields import append
from dgate.lua.host import as_bytes
from dgate.lua.objects import OwnSeries, ScriptError, Series, Thing, new_subject, read_file, reset, write_file
from dgate.rules.objects import copy_of, header_of, take_in, whole_bytes
from dgate.rules.storing import store

if TYPE_CHECKING:
    from dgate.interfaces import Log
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.state import Scalar

FROM_SCRIPT = -2
"""The number of a line that a script runs."""
_NUMERIC = {
    b"US": ("H", 2),
    b"SS": ("h", 2),
    b"UL": ("I", 4),
    b"SL": ("i", 4),
    b"FL": ("f", 4),
    b"FD": ("d", 8),
    b"OW": ("h", 2),
    b"OF": ("f", 4),
}


def write(border: Border, number: Scalar, path: Scalar) -> Values:
    """`Write(file)`: as a part-10 file."""
    write_file(border.thing(number), as_bytes(text(path, "a file name")))
    return NOTHING


def read(border: Border, number: Scalar, path: Scalar) -> Values:
    """`Read(file)`: become what is in it."""
    thing = border.thing(number)
    try:
        thing.subject.replace(read_file(as_bytes(text(path, "a file name")), border.terms))
    except (OSError, DataSetError, NotDicomError) as fault:
        raise ScriptError("Failed to read dicom file") from fault
    return NOTHING


def dump(border: Border, number: Scalar, path: Scalar) -> Values:
    """`Dump(file)`: the elements as text."""
    from dgate.commands.dump import dump as as_lines
    from dgate.config.dictionary import load_dictionary

    subject = border.thing(number).subject
    file = io.BytesIO(header_of(subject) + whole_bytes(subject))
    try:
        lines = as_lines(file, load_dictionary(border.line.services.settings().dictionary))
    except NotDicomError as fault:
        raise ScriptError(str(fault)) from fault
    with open(as_bytes(text(path, "a file name")), "w", encoding="utf-8", errors="replace") as target:
        target.write(lines)
    return NOTHING


def copy(border: Border, number: Scalar, json: Scalar = None) -> Values:
    """`Copy([json])`."""
    thing = border.thing(number)
    made = Thing(copy_of(thing.subject)) if thing.whole is not None else _copy_of_item(border, thing)
    if json is not None:
        _fill(made, text(json))
    return border.give(made)


def _copy_of_item(border: Border, thing: Thing) -> Thing:
    made = Thing(new_subject(border.terms))
    for tag in thing.data.tags():
        items = thing.data.items(tag)
        if items is None:
            made.data.set_value(tag, thing.data.raw(tag) or b"", thing.data.written_vr(tag))
        else:
            made.data.create_sequence(tag)
            for item in items:
                made.data.append_item(tag, item)
    return made


def compress(border: Border, number: Scalar, code: Scalar) -> Values:
    """`Compress(code)`: a copy; nothing where that needs a codec."""
    made = copy_of(border.thing(number).subject)
    target = decide(text(code, "a compression code"), made.transfer_syntax)
    if target.line:
        return "v", None
    if target.transfer_syntax != made.transfer_syntax:
        encoding = encoding_of(target.transfer_syntax)
        made = type(made)(made.data.encode(encoding), encoding, target.transfer_syntax, made.terms)
    return border.give(Thing(made))


def script_on(border: Border, number: Scalar, line: Scalar) -> Values:
    """`object:Script(line)`: converter code on this object."""
    run = border.line.below(FROM_SCRIPT)
    run.subject, run.silent = border.thing(number).subject, True
    run.services.library.line(text(line, "a line")).run(run)
    return NOTHING


class _Renamed:
    """A log in which a stored object is one that a script has stored."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.debug, self.trouble, self.user = log.debug, log.trouble, log.user
        self.hold, self.flush, self.release = log.hold, log.flush, log.release

    def console(self, line: str) -> None:
        how, _, path = line.partition(" file: ")
        named = path and how in ("Written", "Rewritten")
        self._log.console(f"Lua script {how.lower()} file: {path}" if named else line)


def add_image(border: Border, number: Scalar) -> Values:
    """`AddImage()`: store it, without converters."""
    subject, peer = border.thing(number).subject, border.line.association
    stores = border.host.archive.stores
    added = store(stores, subject, peer.calling_ae, peer.called_ae, log=_Renamed(stores.log))
    return NOTHING if added else _not_added()


def _not_added() -> Values:
    raise ScriptError("the image cannot be stored")


def empty(border: Border, number: Scalar) -> Values:
    """`Reset()`."""
    reset(border.thing(number))
    return NOTHING


def list_items(border: Border, number: Scalar) -> Values:
    """`ListItems()`: names, VRs, groups and elements, each a text with `|` between them."""
    data = border.thing(number).data
    tags = data.tags()
    return (
        "|".join(data.terms.keyword(tag) for tag in tags),
        "|".join(data.vr(tag).decode("latin-1") for tag in tags),
        "|".join(str(tag >> 16) for tag in tags),
        "|".join(str(tag & 0xFFFF) for tag in tags),
    )


def add(border: Border, number: Scalar, thing: Scalar) -> Values:
    """`array:Add(object)`."""
    append(border, border.series(number), thing)
    return NOTHING


def delete(border: Border, number: Scalar, item: Scalar) -> Values:
    """`array:Delete(n)`."""
    series, at = border.series(number), whole(item)
    if series.holder is not None:
        series.holder.delete_item(series.tag, at)
    elif 0 <= at < len(series.things):
        del series.things[at]
    return NOTHING


def delete_item(border: Border, number: Scalar, name: Scalar, item: Scalar) -> Values:
    """`object:DeleteFromSequence('Seq', n)`."""
    path = border.path(name)
    if path is not None:
        border.thing(number).data.delete_item(path.tag, whole(item))
    return NOTHING


def new_object(border: Border, _class: Scalar = None, json: Scalar = None) -> Values:
    """`DicomObject:new([json])`."""
    made = Thing(new_subject(border.terms))
    if json is not None:
        _fill(made, text(json))
    return border.give(made)


def newdicomobject(border: Border, json: Scalar = None) -> Values:
    """`newdicomobject([json])`."""
    return new_object(border, None, json)


def _fill(thing: Thing, json: str) -> None:
    from dgate.lua.jsontext import fill

    fill(thing.data, json)


def newdicomarray(border: Border, *_: Scalar) -> Values:
    """`newdicomarray()`, `DicomObject:newarray()`."""
    return border.give(OwnSeries(border.terms))


def free(border: Border, number: Scalar) -> Values:
    """`object:free()`."""
    border.forget([whole(number)])
    return NOTHING


def _tag(group: Scalar, element: Scalar) -> int:
    tag = whole(group) << 16 | whole(element)
    if not 0 <= tag <= 0xFFFFFFFF:
        raise ScriptError("no tag")
    return tag


def get_vr(border: Border, number: Scalar, group: Scalar, element: Scalar, binary: Scalar = None) -> Values:
    """`GetVR(g, e[, true])`: numbers or bytes, a sequence, or the bytes as a string."""
    thing, tag = border.thing(number), _tag(group, element)
    if thing.whole is not None and thing.data.outside == tag:
        raw: bytes | None = copy_of(thing.subject).data.raw(tag)
    else:
        raw = thing.data.raw(tag)
    if raw is None:
        return NOTHING
    if binary:
        return "v", raw.decode("latin-1")
    if thing.data.vr(tag) == b"SQ" and thing.data.items(tag) is not None:
        return border.give(Series(thing.data, tag))
    return "b", ",".join(map(_shown, _numbers(raw, thing.data.vr(tag), thing.data.encoding.big_endian)))


def _shown(number: float) -> str:
    return f"{number:.17g}"


def _numbers(raw: bytes, vr: bytes, big_endian: bool) -> tuple[int | float, ...]:
    import struct

    code, size = _NUMERIC.get(vr, ("B", 1))
    return struct.unpack_from(f"{'>' if big_endian else '<'}{len(raw) // size}{code}", raw)


def set_vr(border: Border, number: Scalar, group: Scalar, element: Scalar, value: Scalar) -> Values:
    """`SetVR(g, e, value)`: numbers (which come as text with commas), bytes, an array, or JSON text of a sequence."""
    thing, tag = border.thing(number), _tag(group, element)
    if thing.whole is not None:
        take_in(thing.subject)
    data, vr = thing.data, thing.data.vr(tag)
    if isinstance(value, str) and vr == b"SQ":
        _fill(thing, f'{{"{tag:08X}":{value}}}')
    elif isinstance(value, str):
        data.set_value(tag, value.encode("latin-1", "replace"))
    else:
        from dgate.lua.objects import all_items

        items = all_items(border.series(value))
        data.create_sequence(tag)
        for item in items:
            data.append_item(tag, item)
    return NOTHING


def set_vr_list(border: Border, number: Scalar, group: Scalar, element: Scalar, values: str) -> Values:
    """The same for a table of numbers."""
    import struct

    tag = _tag(group, element)
    data = border.thing(number).data
    code, _ = _NUMERIC.get(data.vr(tag), ("B", 1))
    numbers = [float(part) if code in "fd" else int(float(part)) for part in values.split(",") if part]
    try:
        value = struct.pack(f"{'>' if data.encoding.big_endian else '<'}{len(numbers)}{code}", *numbers)
    except struct.error as fault:
        raise ScriptError(f"the table holds what is no value: {fault}") from fault
    return set_vr(border, number, group, element, value.decode("latin-1"))


COMMANDS: dict[str, Command] = {
    "write": write,
    "read": read,
    "dump": dump,
    "copy": copy,
    "compress": compress,
    "script_on": script_on,
    "add_image": add_image,
    "reset": empty,
    "list_items": list_items,
    "add": add,
    "delete": delete,
    "delete_item": delete_item,
    "new_object": new_object,
    "new_array": newdicomarray,
    "newdicomobject": newdicomobject,
    "newdicomarray": newdicomarray,
    "free": free,
    "get_vr": get_vr,
    "set_vr": set_vr,
    "set_vr_list": set_vr_list,
}
