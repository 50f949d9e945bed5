"""A database server that is not there when we start: its tables are made as soon as it is.

Until then stores and queries fail, and everything else works.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dgate.index.database.faults import FAULTS
from dgate.index.schema import ensure_database

if TYPE_CHECKING:
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.interfaces import Log

JOIN_SECONDS = 1.0
LOOK_EVERY = 2.0
"""Seconds between two tries."""


class Latecomer:
    """Waits in a thread of its own, from `start` to `stop` or until the tables are there."""

    def __init__(self, settings: Settings, kfactor: KFactor, log: Log, every: float = LOOK_EVERY) -> None:
        self._settings = settings
        self._kfactor = kfactor
        self._log = log
        self._every = every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking. A try that is under way is not waited for long."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        """A reason is told once, however often it holds us up."""
        told = ""
        while not self._stopped.wait(self._every):
            try:
                ensure_database(self._settings, self._kfactor)
            except FAULTS as error:
                if str(error) != told:
                    told = str(error)
                    self._log.console(f"***Database not ready: {error}")
            else:
                self._log.console(f"Database {self._settings.database} is ready")
                return
