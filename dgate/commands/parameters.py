"""dicom.ini, read and changed: `get_param:`, `put_param:` and their like.

A change counts at once where the server takes it while running. An instance whose dicom.ini is made from a template at
each start loses it with the next start, as it would with the original.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes, formatted, split
from dgate.commands.context import CommandError
from dgate.config.inifile import IniFile
from dgate.config.settings import Settings
from dgate.record import fields

if TYPE_CHECKING:
    from dgate.commands.context import Context

_lock = threading.Lock()


def get_param_command(context: Context, arguments: str) -> str:
    """`NAME[,format]`: a value, or the default of a key that is not in the file."""
    name, pattern = split(arguments, ",", 2)
    entry = context.settings.ini.find(name.strip())
    value = _default(name.strip()) if entry is None else entry.value
    return "" if value is None else formatted(pattern or "%s", (value,))


def get_ini_param_command(context: Context, arguments: str) -> str:
    """`NAME[,format]`: a value as the file has it; nothing when it has none."""
    name, pattern = split(arguments, ",", 2)
    entry = context.settings.ini.find(name.strip())
    return "" if entry is None else formatted(pattern or "%s", (entry.value,))


def get_ini_command(context: Context, _arguments: str) -> bytes:
    """The whole file."""
    with open(context.settings.path, "rb") as file:
        return file.read()


def put_param_command(context: Context, arguments: str) -> str:
    """`NAME,VALUE`: change the line of a key, or add one."""
    name, value = split(arguments, ",", 2)
    _edit(context, lambda data: with_param(data, name.strip(), value.strip(), time.ctime()))
    return ""


def delete_param_command(context: Context, arguments: str) -> str:
    """`NAME`: remove every line of a key."""
    _edit(context, lambda data: without_param(data, arguments.strip()))
    return ""


def read_ini_command(context: Context, _arguments: str) -> str:
    """Read dicom.ini again, and what it names."""
    context.config.reload()
    return ""


def with_param(data: bytes, name: str, value: str, when: str) -> bytes:
    """The file with a key set in the server's section. Raises `CommandError` for what a line cannot hold. Pure."""
    ini = IniFile.parse(data)
    lines, newline = data.split(b"\n"), "\r" if b"\r\n" in data else ""
    text = as_bytes(f"{name:<24} = {value}{newline}")
    known = ini.line_of(name)
    if known:
        lines[known - 1] = text
    else:
        comment = as_bytes(f"# Parameter added by put_param on {when}{newline}")
        at = _end_of_section(data, ini)
        lines[at:at] = [comment, text]
    changed = b"\n".join(lines)
    if _rest(IniFile.parse(changed), name) != (value, _rest(ini, name)[1]):
        raise CommandError("the line would not be read as this name and value")
    return changed


def without_param(data: bytes, name: str) -> bytes:
    """The file without a key. Raises `CommandError` when there is none. Pure."""
    lines = data.split(b"\n")
    known = IniFile.parse(data).line_of(name)
    if not known:
        raise CommandError(f"no {name!r} in dicom.ini")
    while known:
        del lines[known - 1]
        known = IniFile.parse(b"\n".join(lines)).line_of(name)
    return b"\n".join(lines)


def _end_of_section(data: bytes, ini: IniFile) -> int:
    """Before which line a new key of the server's section goes: behind its last one, else at the end of the file."""
    if ini.last_section == ini.selected:
        return len(data.split(b"\n")) - data.endswith(b"\n")
    return max((entry.line for entry in ini), default=len(data.split(b"\n")))


def _rest(ini: IniFile, name: str) -> tuple[str | None, list[tuple[str, str, str]]]:
    """The value of a key, and everything else in the file."""
    entry = ini.find(name)
    rest = [
        (section, key, value)
        for section in ini.sections
        for key, value in ini.section(section).items()
        if (section, key) != (ini.selected, name.lower())
    ]
    return (None if entry is None else entry.value), rest


def _edit(context: Context, change: Callable[[bytes], bytes]) -> None:
    from dgate.start import write_atomically

    with _lock:
        with open(context.settings.path, "rb") as file:
            data = file.read()
        write_atomically(context.settings.path, change(data))
        context.config.reload()


def _default(name: str) -> str | None:
    """The default of a key that the server knows."""
    for field in fields(Settings):
        if name.lower() in (field.metadata.get("key", "").lower(), field.metadata.get("also", "").lower()) and name:
            return str(int(field.default) if isinstance(field.default, bool) else field.default)
    return None
