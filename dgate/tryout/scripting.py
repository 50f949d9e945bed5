"""Scripts in a trial: what they would do outside the object is told (conquest-converters.md 11.5)."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.index.index import FAULTS
from dgate.lua.border import NOTHING, packed, text
from dgate.lua.engine import Engine
from dgate.lua.host import as_log_text, as_script_text
from dgate.rules.interfaces import Script
from dgate.rules.subject import SOP_UID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.config.settings import Settings
    from dgate.lua.border import Border, Command, Values
    from dgate.lua.host import Host
    from dgate.lua.state import Scalar
    from dgate.rules.outcome import Status
    from dgate.rules.run import Run
    from dgate.tryout.record import Deed, Record

DEEDS: Mapping[str, Deed] = {"run": "run", "remove": "remove", "write": "write"}
_GET = "get_param:"


class TameEngine:
    """Implements `ScriptEngine` of dgate.rules.interfaces."""

    def __init__(self, host: Host) -> None:
        self._engine = Engine(host)

    def run(self, script: Script, run: Run) -> Status:
        """See `ScriptEngine`. Before the first script of an association its state is made harmless."""
        if run.association.session.scripts is None:
            self._engine.run(Script(code=_taming()), run)
        return self._engine.run(script, run)


@cache
def _taming() -> str:
    with open(os.path.join(os.path.dirname(__file__), "tame.lua"), encoding="ascii") as file:
        return file.read()


class TameCommands:
    """Implements `Commands` of dgate.interfaces: a value is given, any other command is told."""

    def __init__(self, record: Record, settings: Settings) -> None:
        self._record = record
        self._settings = settings

    def accepts(self, address: str) -> bool:
        """See `Commands`."""
        del address
        return False

    def run(self, text: bytes, upload: bytes | None) -> bytes:
        """See `Commands`."""
        del upload
        command = text.decode("latin-1")
        _, _, told = command.partition("would:")
        deed, _, what = told.partition(":")
        if deed in DEEDS and command.startswith("would:"):
            self._record.would(DEEDS[deed], what)
        elif command.startswith(_GET):
            return self._settings.ini.get(command.removeprefix(_GET)).encode("utf-8", "surrogateescape")
        else:
            self._record.would("run", f"the server command {command}")
        return b""


def commands_in_place(record: Record, options: ArchiveOptions) -> dict[str, Command]:
    """What answers a script where the server's own commands would act; `options` are the instance's, to be read."""

    def telling(deed: Deed, words: str, answer: Values = NOTHING) -> Command:
        def tell(_border: Border, *arguments: Scalar) -> Values:
            shown = " ".join(argument for argument in arguments if isinstance(argument, str))
            record.would(deed, f"{words}{shown}".rstrip())
            return answer

        return tell

    return {
        "write": telling("write", ""),
        "dump": telling("write", ""),
        "add_image": _adding(record),
        "set_global": telling("change", "the setting "),
        "mkdir": telling("write", ""),
        "system": telling("run", "", (0,)),
        "sql": telling("run", "the SQL statement ", (1,)),
        "dicomdelete": telling("remove", "the stored objects that match an identifier", ("v", True)),
        "newdicomdelete": telling("remove", "the stored objects that match an identifier"),
        "newdicommodify": telling("change", "the stored objects that match an identifier, with "),
        "newdicomcopy": telling("write", "copies of the stored objects that match an identifier, with "),
        "dicomquery": telling("send", "a C-FIND to "),
        "dicomget": telling("send", "a C-GET to "),
        "dicommove": telling("send", "a C-MOVE to "),
        "dicomecho": telling("send", "a C-ECHO to "),
        "dicomstore": telling("send", "objects to "),
        "sleep": lambda _border, _milliseconds: NOTHING,
        "dbquery": _querying(options),
    }


def _adding(record: Record) -> Command:
    def add(border: Border, number: Scalar) -> Values:
        record.would("write", f"the object {border.thing(number).subject.attribute(SOP_UID)} into the archive")
        return NOTHING

    return add


def _querying(options: ArchiveOptions) -> Callable[..., Values]:
    """`dbquery` on the instance's own database."""

    def query(border: Border, table: Scalar, columns: Scalar, where: Scalar = "", order: Scalar = "") -> Values:
        condition = f" WHERE {text(where)}" if where else ""
        sql = f"SELECT {text(columns)} FROM {text(table)}{condition}{f' ORDER BY {text(order)}' if order else ''}"  # noqa: S608 - the script's own
        try:
            rows = select(options, as_log_text(sql))
        except (CommandError, *FAULTS) as fault:
            border.line.services.log.console(f"***SQLITEExec error: {str(fault).removeprefix('SQL error: ')}")
            return NOTHING
        return "r", packed(packed(map(as_script_text, row)) for row in rows)

    return query
