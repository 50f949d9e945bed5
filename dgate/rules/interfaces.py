"""What the converter language asks of the rooms beside it: scripts, forwarding, the archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from dgate.record import dataclass, field

if TYPE_CHECKING:
    from dgate.archive.writer import Writer
    from dgate.config.settings import Settings
    from dgate.dataset.model import DataSet
    from dgate.dataset.terms import TermsFile
    from dgate.index.index import ReaderPool
    from dgate.index.tables import Tables
    from dgate.interfaces import Log, Session
    from dgate.rules.lines import Library
    from dgate.rules.outcome import Status
    from dgate.rules.program import Line
    from dgate.rules.run import Run
    from dgate.rules.scripts import Chunk


@dataclass(frozen=True, slots=True)
class Script:
    """Lua code, or a file with some."""

    code: str = ""
    path: str = ""
    """Of the file, found; latin-1 as all text of a line."""
    name: str = ""
    """Of the file, as the line gives it."""
    argument: str | None = None
    """What stands in parentheses behind the name: the global `command_line`."""


class ScriptEngine(Protocol):
    """Runs Lua."""

    def run(self, script: Script, run: Run) -> Status:
        """Run a script on the subject of `run`. Never raises: what goes wrong is in the log, and the line goes on."""


class Forwarder(Protocol):
    """Sends objects to other nodes."""

    def forward(self, statement: str, run: Run) -> Status:
        """`forward to` and `forward compressed as`: send the subject as it is now, and wait."""

    def delay(self, statement: str, run: Run) -> Status:
        """A command that is carried out later: `forward study`, `get`, `process`, `merge`, `prefetch` and the like."""


@dataclass(frozen=True, slots=True)
class Association:
    """Who sends the object, and what is remembered until they leave."""

    calling_ae: str
    called_ae: str
    session: Session


@dataclass(frozen=True, slots=True)
class Index:
    """The archive's database, as rules use it."""

    tables: Tables
    readers: ReaderPool
    writer: Writer
    fetch: Callable[[str], DataSet | None]
    """The head of a stored object, by its SOP instance UID."""


@dataclass(slots=True)
class Services:
    """What all runs share. `engine` and `forwarder` are set by who starts the server."""

    log: Log
    terms: TermsFile
    settings: Callable[[], Settings]
    index: Index
    library: Library
    devices: Callable[[], Mapping[str, str]]
    """Folders of the MAG devices, by name."""
    hooks: Mapping[str, Line | Chunk] = field(default_factory=dict)
    """The lines of hooks as dicom.ini has them now, by their keys."""
    engine: ScriptEngine | None = None
    forwarder: Forwarder | None = None
