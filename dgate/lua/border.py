"""The border between a script and the server: by which name what is asked for, and what comes back.

Only nil, booleans, numbers and strings cross it. Objects are numbers to a script's state; a number that names nothing
any more is an error of the script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from dgate.dataset.structure import DataSetError
from dgate.lua.limits import MEGA
from dgate.lua.objects import Fields, ScriptError, Series, Thing, find_path, new_subject
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.dataset.paths import Path
    from dgate.dataset.terms import Terms
    from dgate.lua.host import Host
    from dgate.lua.limits import Limits
    from dgate.lua.state import Scalar
    from dgate.rules.run import Run
    from dgate.rules.subject import Subject

Values = tuple["Scalar", ...]
Command = Callable[..., Values]
"""The border and the script's arguments in, values out. Raises `ScriptError` and what else `Border.call` catches."""

DATA, COMMAND, CLASS = 1, 2, 3
"""Numbers of the objects that every state has: the object at hand, the command set, `DicomObject`."""
MAX_OBJECTS = 100_000
NOTHING: Values = ()
FULL: Values = (False, "not enough memory (LuaMaxMemory)")

MODULES: dict[str, tuple[str, ...]] = {
    "fields": ("get", "set", "length", "forget", "association", "global", "set_global"),
    "methods": (
        "write", "read", "dump", "copy", "compress", "script_on", "add_image", "reset", "delete_item", "new_object",
        "new_array", "free", "list_items", "add", "delete", "newdicomobject", "newdicomarray", "get_vr", "set_vr",
        "set_vr_list",
    ),
    "serializing": ("serialize",),
    "pixels": (
        "get_pixel", "set_pixel", "get_row", "set_row", "get_column", "set_column", "get_image", "set_image",
    ),
    "functions": (
        "print", "debuglog", "destroy", "reject", "retry", "script", "dictionary", "get_amap", "get_sqldef", "gpps",
        "genuid", "tempfile", "tickcount", "sleep", "mkdir", "system", "crc", "md5", "servercommand", "heapinfo",
        "dicomprint",
    ),
    "database": ("changeuid", "changeuidback", "dbquery", "sql", "dicomread", "dicomdelete", "listoldestpatients"),
    "modifying": ("newdicomdelete", "newdicommodify", "newdicomcopy"),
    "packing": ("pack", "unpack", "to_binary", "from_binary"),
    "network": ("dicomquery", "dicommove", "dicomget", "dicomstore", "dicomecho"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in MODULES.items() for name in names}


class Border:
    """What one state can reach. `run` is the line that the script is part of."""

    def __init__(self, host: Host, limits: Limits) -> None:
        self.host = host
        self.run: Run | None = None
        self.result = Status.NEXT
        """What the script has decided: `destroy()`, `reject()`, `script()`."""
        self.address = "0.0.0.0"
        """Where the peer is; only the hook of a new association knows."""
        self.sandbox = limits.sandbox
        self.room: Callable[[int], bool] = lambda _size: True
        """Whether the script can be handed so many bytes."""
        self._most = limits.memory * MEGA
        self._written = 0
        self._commands: dict[str, Command] = {}
        self._things: dict[int, Thing | Series | Fields] = {}
        self._last = CLASS
        self._empty: Subject | None = None

    # -- what a script calls

    def call(self, name: str, *arguments: Scalar) -> Values:
        """True and values, or false and the message of an error. Never raises."""
        self._written += _size(arguments)
        if self._written > self._most:
            return FULL
        try:
            values = (True, *self._command(name)(self, *arguments))
        except ScriptError as fault:
            return False, str(fault)[:1000]
        except (DataSetError, OSError) as fault:
            return False, (getattr(fault, "strerror", None) or str(fault))[:1000]
        except TypeError as fault:
            return False, f"wrong arguments for {name}: {fault}"[:1000]
        except Exception as fault:  # noqa: BLE001 - what is raised here would reach the script as an object of ours
            return False, f"{name}: {type(fault).__name__}: {fault}"[:1000]
        return values if self.room(_size(values)) else FULL

    def _command(self, name: str) -> Command:
        found = self._commands.get(name) or self.host.instead.get(name)
        if found is None:
            module = import_module(f"dgate.lua.{_MODULE_OF[name]}")
            found = self._commands[name] = module.COMMANDS[name]
        return found

    # -- what its commands use

    def begin(self) -> None:
        """A script begins that is part of no other."""
        self._written = 0

    @property
    def line(self) -> Run:
        """The line at hand."""
        if self.run is None:
            raise ScriptError("there is nothing at hand")
        return self.run

    @property
    def terms(self) -> Terms:
        """The dictionary."""
        return self.line.services.terms.get()

    def path(self, name: Scalar) -> Path | None:
        """The path that a field's name is; None for what names no element."""
        if not isinstance(name, str):
            return None
        return find_path(self.line.services.library, self.terms, name)

    def object(self, number: Scalar) -> Thing | Series | Fields:
        """What a script calls by this number. Raises `ScriptError`."""
        if number == DATA:
            return Thing(self.line.subject)
        if number == COMMAND:
            return Fields(self.host.command_fields(self.line.association.session))
        if number == CLASS:
            if self._empty is None:
                self._empty = new_subject(self.terms)
            return Thing(self._empty)
        found = self._things.get(number) if isinstance(number, int) else None
        if found is None:
            raise ScriptError("no DICOM object")
        return found

    def thing(self, number: Scalar) -> Thing:
        """A data set. Raises `ScriptError`."""
        found = self.object(number)
        if not isinstance(found, Thing):
            raise ScriptError("no DICOM object")
        return found

    def series(self, number: Scalar) -> Series:
        """A sequence or an array. Raises `ScriptError`."""
        found = self.object(number)
        if not isinstance(found, Series):
            raise ScriptError("no array of DICOM objects")
        return found

    def give(self, thing: Thing | Series | Fields | None) -> Values:
        """Hand an object to the script."""
        if thing is None:
            return NOTHING
        if len(self._things) >= MAX_OBJECTS:
            raise ScriptError(f"more than {MAX_OBJECTS} objects")
        self._last += 1
        self._things[self._last] = thing
        return "a" if isinstance(thing, Series) else "o", self._last

    def forget(self, numbers: Iterable[int]) -> None:
        """The script has no use for these any more."""
        for number in numbers:
            self._things.pop(number, None)


def _size(values: Iterable[Scalar]) -> int:
    return sum(len(value) for value in values if isinstance(value, str))


def text(value: Scalar, what: str = "a text") -> str:
    """An argument that is text, or a number as Lua writes it. Raises `ScriptError`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        _wrong(what, value)
    return f"{value:.14g}"


def whole(value: Scalar, what: str = "a number") -> int:
    """An argument that is a whole number, or text that is one. Raises `ScriptError`."""
    if isinstance(value, bool) or value is None:
        _wrong(what, value)
    try:
        return int(float(value))
    except (ValueError, OverflowError) as fault:
        raise ScriptError(f"{what} expected") from fault


def _wrong(what: str, value: Scalar) -> NoReturn:
    raise ScriptError(f"{what} expected, got {'nil' if value is None else 'a boolean'}")


def packed(values: Iterable[str]) -> str:
    """A list of texts as the prelude takes them apart."""
    return "".join(f"{len(value)}:{value}" for value in values)
