"""Values of dicom.ini as typed ones, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from dgate.config import keys
from dgate.config.faults import Fault
from dgate.config.identity import MAX_AE_TITLE
from dgate.config.inifile import IniFile

if TYPE_CHECKING:
    from dataclasses import Field

Driver = Literal["sqlite", "postgres", "mysql"]

DRIVERS: tuple[tuple[str, Driver], ...] = (("SQLite", "sqlite"), ("PostGres", "postgres"), ("MySQL", "mysql"))

COMMAND_SOURCES = ("local", "any")
"""From where server commands are taken (ServerCommandsFrom): the loopback address only, or wherever."""


def resolve(base_dir: str, value: str) -> str:
    """The path rule of 2.1: no `/` in it means the instance directory, otherwise it is used as it is."""
    return value if "/" in value or not value else os.path.join(base_dir, value)


class Reader:
    """Turns values of one file into typed ones and collects the faults on the way."""

    def __init__(self, ini: IniFile, base_dir: str, file: str) -> None:
        self._ini = ini
        self._base_dir = base_dir
        self._file = file
        self.faults: list[Fault] = []

    def read(self, item: Field[Any]) -> str | int:
        """The value of a field made by `_key` or `_path`, typed like its default."""
        default: Any = item.default
        entry = self._ini.find(item.metadata["key"]) or self._ini.find(item.metadata["also"])
        if entry is None:
            value: str | int = default
        elif isinstance(default, str):
            value = entry.value
        else:
            value = self._number(entry.key, entry.value, default)
        if "path" in item.metadata:
            return resolve(self._base_dir, str(value or default))
        return bool(value) if isinstance(default, bool) else value

    def driver(self) -> Driver:
        """Which of the drivers is on."""
        chosen = [(key, driver) for key, driver in DRIVERS if self._number(key, self._ini.get(key, "0"), 0)]
        if not chosen:
            self._fault(
                "SQLite", "no database driver is on; write SQLite = 1 (or PostGres = 1, or MySQL = 1)", fatal=True
            )
            return "sqlite"
        for key, _ in chosen[1:]:
            self._fault(key, f"ignored, because {chosen[0][0]} is on as well")
        return chosen[0][1]

    def database(self, driver: Driver) -> str:
        """SQLServer: a file for SQLite, otherwise a name."""
        name = self._ini.get("SQLServer")
        if not name:
            what = "the database file" if driver == "sqlite" else "the database"
            self._fault("SQLServer", f"missing or empty; it names {what}", fatal=True)
        return resolve(self._base_dir, name) if driver == "sqlite" else name

    def devices(self, kind: str, default_count: int, *, required: bool) -> tuple[str, ...]:
        """The folders `<kind>Device0` up to the count. A gap ends the list: numbers are stored in the database."""
        count_key = f"{kind}Devices"
        count = self._number(count_key, self._ini.get(count_key, str(default_count)), default_count)
        if required and count < 1:
            self._fault(count_key, "is less than 1, so there is no device to store on", fatal=True)
        found: list[str] = []
        while len(found) < count:
            key = f"{kind}Device{len(found)}"
            folder = self._ini.get(key)
            if folder in ("", "NULL"):
                ignored = "" if required else "; this and the following ones are ignored"
                self._fault(key, f"missing or empty, although {count_key} is {count}{ignored}", fatal=required)
                break
            folder = resolve(self._base_dir, folder)
            found.append(folder if folder.endswith("/") else folder + "/")
        return tuple(found)

    def ae_title(self, title: str) -> str:
        """MyACRNema, cut to what a title can hold."""
        if len(title) > MAX_AE_TITLE:
            self._fault("MyACRNema", f"longer than {MAX_AE_TITLE} characters; cut to {title[:MAX_AE_TITLE]!r}")
        return title[:MAX_AE_TITLE]

    def port(self, port: int) -> int:
        """TCPPort, if it is one."""
        if not 1 <= port <= 65535:
            self._fault("TCPPort", f"{port} is not between 1 and 65535", fatal=True)
        return port

    def commands_from(self, who: str) -> str:
        """ServerCommandsFrom."""
        if who.lower() not in COMMAND_SOURCES:
            self._fault("ServerCommandsFrom", f"{who!r} is neither local nor any; local is used")
            return COMMAND_SOURCES[0]
        return who.lower()

    def report_cuts(self) -> None:
        """Values that did not fit."""
        for entry in self._ini:
            if entry.cut:
                self._fault(entry.key, "too long, the end of it is ignored")

    def report_unknown(self, own: Mapping[str, str]) -> None:
        """Keys that nobody knows; `own` has the keys of `Settings` as they are written, by their lower case."""
        for entry, near in keys.unknown(self._ini, own):
            hint = f"; did you mean {near}?" if near else ""
            self._fault(entry.key, f"unknown key, ignored{hint}")

    def _number(self, key: str, text: str, default: int) -> int:
        digits = text[1:] if text[:1] in ("-", "+") else text
        if digits.isascii() and digits.isdigit() and len(digits) <= 10:
            return int(text)
        self._fault(key, f"{text!r} is not a number; {int(default)} is used")
        return default

    def _fault(self, key: str, message: str, *, fatal: bool = False) -> None:
        self.faults.append(Fault(self._file, self._ini.line_of(key), key, message, fatal))
