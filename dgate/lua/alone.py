"""Scripts that no association runs: those of a server command, and those of the command line."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from dgate.interfaces import Session
from dgate.lua.engine import Bench, Engine
from dgate.lua.objects import new_subject
from dgate.rules.interfaces import Association, Script
from dgate.rules.run import Run

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.interfaces import Log
    from dgate.log import FileLog
    from dgate.lua.host import Host
    from dgate.rules.interfaces import Services


def execute(engine: Engine, services: Services, code: str, path: str = "") -> str:
    """Run a chunk, or a file, in a state of its own; what it returns."""
    session = Session()
    try:
        return execute_in(session, engine, services, code, path)
    finally:
        session.end()


def execute_in(session: Session, engine: Engine, services: Services, code: str, path: str = "") -> str:
    """Run a chunk, or a file, in the state that a session has; what it returns."""
    run = Run("lua", 0, new_subject(services.terms.get()), Association("", "", session), services)
    engine.run(Script(code=code, path=path, name=path), run)
    bench = session.scripts
    return bench.state.returned if isinstance(bench, Bench) else ""


def run_alone(settings: Settings, argument: str) -> int:
    """`--dolua:`: run code, or a file, in this process, on the archive of an instance; the exit status.

    Lines go to stdout. It makes no difference whether a server runs on the archive.
    """
    from dgate.log import FileLog
    from dgate.server import load_kfactor

    log = FileLog(verbose=True, trouble_path=settings.trouble_log, user_path=settings.user_log)
    kfactor = load_kfactor(settings.kfactor_file, log)
    if kfactor is None:
        return 1
    from dgate.archive.archive import open_archive
    from dgate.index.index import FAULTS

    try:
        archive = open_archive(settings, kfactor, log)
    except (OSError, *FAULTS) as fault:
        sys.stderr.write(f"***{fault}\n")
        return 1
    try:
        returned = _on(archive, settings, kfactor, log, argument)
    finally:
        archive.close()
        log.close()
    if returned:
        sys.stdout.write(returned + "\n")
    return 0


def host_alone(archive: DiskArchive, settings: Settings, kfactor: KFactor, log: Log, services: Services) -> Host:
    """What scripts find where no server runs."""
    from dgate.commands.context import Context
    from dgate.commands.dispatch import ServerCommands
    from dgate.config.live import LiveConfig
    from dgate.log import FileLog
    from dgate.lua.host import Host
    from dgate.net.counters import Counters
    from dgate.net.limits import Doorkeeper, Limits
    from dgate.server import VERSION

    config, counters, door = LiveConfig(settings, log.console), Counters(), Doorkeeper(Limits())
    own = log if isinstance(log, FileLog) else FileLog(verbose=False, trouble_path=os.devnull, user_path=os.devnull)
    context = Context(
        config, kfactor, archive, own, door, counters, started=time.time(), stop=lambda: None, rules=lambda: services
    )
    return Host(archive, config, kfactor, counters, ServerCommands(context), VERSION)


def _on(archive: DiskArchive, settings: Settings, kfactor: KFactor, log: FileLog, argument: str) -> str:
    from dgate.rules.instance import make_rules

    services = make_rules(archive, log, lambda: settings).services
    host = host_alone(archive, settings, kfactor, log, services)
    services.engine = engine = Engine(host)
    code = os.fsencode(argument).decode("latin-1")
    return execute(engine, services, "", code) if os.path.isfile(argument) else execute(engine, services, code)
