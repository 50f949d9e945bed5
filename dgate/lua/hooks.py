"""Section `[lua]`: scripts at certain moments of the server and of its associations (conquest-converters.md 10)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.config.converters.grammar import as_line
from dgate.interfaces import Session
from dgate.log import FileLog
from dgate.lua.objects import new_subject
from dgate.record import replace
from dgate.rules.interfaces import Association, Script
from dgate.rules.outcome import FINAL
from dgate.rules.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dgate.config.settings import Settings
    from dgate.lua.engine import Engine
    from dgate.net.operation import Link
    from dgate.rules.interfaces import Services

SECTION = "lua"
STARTUP = "startup"
OF_ASSOCIATIONS = ("association", "command", "endassociation", "clienterror")
MAX_VALUE = 1023


def chunks_of(settings: Settings, names: tuple[str, ...] = OF_ASSOCIATIONS) -> dict[str, str]:
    """The scripts that are there."""
    entries = ((name, settings.ini.find(name, SECTION)) for name in names)
    return {name: as_line(entry.value)[:MAX_VALUE] for name, entry in entries if entry is not None and entry.value}


class AssociationHooks:
    """Implements `Hooks` of dgate.net.operation."""

    def __init__(self, engine: Engine, services: Services, chunks: Mapping[str, str]) -> None:
        self._engine = engine
        self._services = services
        self._chunks = chunks

    def run(self, name: str, link: Link) -> bool:
        """See `Hooks`."""
        chunk = self._chunks.get(name)
        if chunk is None:
            return True
        association = Association(link.calling_ae, link.called_ae, link.session)
        run = _run(self._services, association)
        return self._engine.run_for(Script(code=chunk), run, link.address) not in FINAL


def run_startup(engine: Engine, services: Services, chunk: str) -> bool:
    """The script of the server's start, which nobody sees the lines of. False: the server is not to start."""
    unseen = FileLog(verbose=False, trouble_path=os.devnull, user_path=os.devnull)
    session = Session()
    try:
        run = _run(replace(services, log=unseen), Association("", "", session))
        return engine.run(Script(code=chunk), run) not in FINAL
    finally:
        session.end()
        unseen.close()


def _run(services: Services, association: Association) -> Run:
    return Run("lua", 0, new_subject(services.terms.get()), association, services)
