"""The scripts of a running server. Nothing of Lua is loaded before the first script runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.interfaces import Session

if TYPE_CHECKING:
    from dgate.config.inifile import IniFile
    from dgate.config.settings import Settings
    from dgate.lua.engine import Engine
    from dgate.lua.hooks import AssociationHooks
    from dgate.lua.host import Host
    from dgate.rules.interfaces import Script, Services
    from dgate.rules.outcome import Status
    from dgate.rules.run import Run

TURN_SECONDS = 10.0


def mentions_lua(ini: IniFile) -> bool:
    """Whether a dicom.ini has scripts, or lines that may run some."""
    return bool(ini.section("lua")) or any("lua" in entry.value.lower() for entry in ini)


def is_there() -> bool:
    """Whether Lua can be loaded."""
    from importlib.util import find_spec

    return find_spec("lupa") is not None


class ScriptsOf:
    """Implements `ScriptEngine` of dgate.rules.interfaces and `Scripts` of dgate.net.operation. Thread-safe."""

    def __init__(self, host: Callable[[], Host], services: Callable[[], Services]) -> None:
        self._host = host
        self._services = services
        self._made: Engine | None = None
        self._turn = threading.Lock()
        self._shared = Session()
        self._moments = Session()
        self._known: tuple[Settings, AssociationHooks | None] | None = None

    def run(self, script: Script, run: Run) -> Status:
        """See `ScriptEngine`."""
        return self._engine().run(script, run)

    def hooks(self, settings: Settings) -> AssociationHooks | None:
        """See `Scripts`."""
        known = self._known
        if known is None or known[0] is not settings:
            known = self._known = settings, self._hooks(settings)
        return known[1]

    def start(self, settings: Settings) -> bool:
        """Run `startup`, and say so if there is no Lua for the scripts that are there. False: not to start."""
        if mentions_lua(settings.ini) and not is_there():
            self._services().log.console("***Lua is not available, scripts do not run: there is no package lupa")
        if settings.ini.find("startup", "lua") is None:
            return True
        from dgate.lua.hooks import STARTUP, chunks_of, run_startup

        chunk = chunks_of(settings, (STARTUP,)).get(STARTUP, "")
        return run_startup(self._engine(), self._services(), chunk)

    def execute(self, code: str, *, shared: bool = False) -> str:
        """See `Scripts` of dgate.commands.context."""
        from dgate.lua.alone import execute, execute_in

        if not shared:
            return execute(self._engine(), self._services(), code)
        if not self._turn.acquire(timeout=TURN_SECONDS):  # such a script may wait for another one: itself
            self._services().log.console("***globallua: another such script does not end")
            return ""
        try:
            return execute_in(self._shared, self._engine(), self._services(), code)
        finally:
            self._turn.release()

    def run_moment(self, name: str, settings: Settings) -> None:
        """Run `nightly` or `background`, if it is there; both have one state. Only one thread does so. Never raises."""
        if settings.ini.find(name, "lua") is None:
            return
        from dgate.lua.alone import execute_in
        from dgate.lua.hooks import chunks_of

        chunk = chunks_of(settings, (name,)).get(name)
        if chunk is not None:
            execute_in(self._moments, self._engine(), self._services(), chunk)

    def _hooks(self, settings: Settings) -> AssociationHooks | None:
        if not settings.ini.section("lua"):
            return None
        from dgate.lua.hooks import AssociationHooks, chunks_of

        chunks = chunks_of(settings)
        return AssociationHooks(self._engine(), self._services(), chunks) if chunks else None

    def _engine(self) -> Engine:
        if self._made is None:
            from dgate.lua.engine import Engine

            self._made = Engine(self._host())
        return self._made
