"""The server as scripts see it, and what its associations tell them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgate.config.inifile import as_text
from dgate.record import dataclass, field

if TYPE_CHECKING:
    from dgate.archive.archive import DiskArchive
    from dgate.config.kfactor import KFactor
    from dgate.config.live import LiveConfig
    from dgate.interfaces import Commands, Session
    from dgate.lua.border import Command as BorderCommand
    from dgate.net.counters import Counters


@dataclass(frozen=True, slots=True)
class Host:
    """What is there besides what rules have."""

    archive: DiskArchive
    config: LiveConfig
    kfactor: KFactor
    counters: Counters
    commands: Commands
    version: str
    instead: Mapping[str, BorderCommand] = field(default_factory=dict)
    """What answers a script in place of the border's own commands."""

    def command_fields(self, session: Session) -> Mapping[str, str]:
        """The fields of the command set at hand; none outside a command."""
        from dgate.lua.commandset import fields_of
        from dgate.net.dimse import Command

        return fields_of(session.command) if isinstance(session.command, Command) else {}


def as_bytes(text: str) -> bytes:
    """The bytes that a script's text is. Raises OSError for what cannot be a file name."""
    if "\0" in text:
        raise FileNotFoundError(2, "a file name with a NUL in it")
    return text.encode("latin-1", "replace")


def as_script_text(text: str) -> str:
    """Text of the server's configuration, one character for each byte."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def as_log_text(text: str) -> str:
    """A script's text as the log takes it."""
    return text if text.isascii() else as_text(text.encode("latin-1", "replace"))
