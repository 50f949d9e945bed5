"""Commands carried out without a server, by options of the command line (conquest-server.md 11.1)."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from dgate.archive.archive import open_archive
from dgate.commands.context import CommandError, Context
from dgate.commands.registry import lookup
from dgate.config.live import LiveConfig
from dgate.index.index import FAULTS
from dgate.net.counters import Counters
from dgate.net.limits import Doorkeeper, Limits
from dgate.rules.instance import ConvertersOf

if TYPE_CHECKING:
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.log import FileLog


def run(name: str, argument: str, settings: Settings, kfactor: KFactor, log: FileLog) -> int:
    """Carry out one command on the archive, whether a server runs on it or not; the exit status."""
    function = lookup(name)
    if function is None:
        sys.stderr.write(f"***there is no command {name}\n")
        return 1
    try:
        archive = open_archive(settings, kfactor, log)
        try:
            context = Context(
                LiveConfig(settings, log.console), kfactor, archive, log, Doorkeeper(Limits()), Counters(),
                started=time.time(), stop=lambda: None, rules=ConvertersOf(archive, log, lambda: settings).services,
            )  # fmt: skip
            failed = function(context, argument) == "1"
        finally:
            archive.close()
    except (CommandError, OSError, *FAULTS) as fault:
        log.console(f"***{name}: {fault}")
        sys.stderr.write(f"***{name}: {fault}\n")
        return 1
    return int(failed)
