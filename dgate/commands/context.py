"""What a server command works with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.archiveoptions import ArchiveOptions
    from dgate.config.kfactor import KFactor
    from dgate.config.live import LiveConfig
    from dgate.config.settings import Settings
    from dgate.index.tables import Tables
    from dgate.log import FileLog
    from dgate.net.counters import Counters
    from dgate.net.limits import Doorkeeper
    from dgate.rules.interfaces import Services


DONE, FAILED = "0", "1"
"""The answers of commands that either do something or do not."""


class Scripts(Protocol):
    """Runs Lua for commands."""

    def execute(self, code: str, *, shared: bool = False) -> str:
        """Run a chunk, of one character for each byte; what it returns, nothing if it fails. Never raises.

        `shared` runs it in the state of all such chunks instead of one of its own.
        """


class CommandError(Exception):
    """A command that cannot be carried out. The text goes to the log and, after `***`, to whoever sent the command."""


@dataclass(frozen=True, slots=True)
class Context:
    """One running server as its commands see it."""

    config: LiveConfig
    kfactor: KFactor
    archive: DiskArchive
    log: FileLog
    door: Doorkeeper
    counters: Counters
    started: float
    """Unix time."""
    stop: Callable[[], None]
    """Make the server finish what is in flight and leave; returns at once."""
    resume: Callable[[], None] = lambda: None
    """Look at the forwarding queue again: somebody has changed it."""
    keep_house: Callable[[], None] = lambda: None
    """There is a log file now: start the housekeeping thread."""
    scripts: Scripts | None = None
    """Who runs Lua."""
    rules: Callable[[], Services] | None = None
    """What runs lines of the converter language."""
    upload: bytes | None = None
    """The file that came with the command."""

    @property
    def settings(self) -> Settings:
        """dicom.ini as it is now."""
        return self.config.settings

    @property
    def options(self) -> ArchiveOptions:
        """The same, as the archive sees it."""
        from dgate.config.archiveoptions import options_from

        return options_from(self.settings)

    @property
    def tables(self) -> Tables:
        """The tables of the index."""
        from dgate.index.tables import make_tables

        return make_tables(self.kfactor, self.options)
