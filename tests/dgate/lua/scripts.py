"""What the tests of scripts share: an instance whose converters have Lua, and scripts that run on an object by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dgate.config.live import LiveConfig
from dgate.encoding.elements import EXPLICIT_LITTLE, LITTLE
from dgate.interfaces import Session
from dgate.lua.engine import Engine
from dgate.lua.host import Host
from dgate.net.counters import Counters
from dgate.rules.interfaces import Association, Script
from dgate.rules.run import Run
from dgate.rules.subject import Subject
from tests.dgate.archive.support import CT1, dataset, kfactor
from tests.dgate.rules.bench import CT, Instance, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dgate.config.settings import Settings
    from dgate.rules.interfaces import Services
    from dgate.rules.outcome import Status

SEQUENCE = 0x00101002
"""OtherPatientIDsSequence."""


@dataclass
class SomeCommands:
    """Server commands that only say what they were asked."""

    asked: list[bytes] = field(default_factory=list)

    def accepts(self, address: str) -> bool:
        return not address

    def run(self, text: bytes, upload: bytes | None) -> bytes:
        assert upload is None
        self.asked.append(text)
        return b"answer to " + text if text.startswith(b"get_") else b""


@dataclass
class Bench:
    """Runs scripts on a CT, each on what the last one has left, all in one association."""

    instance: Instance
    engine: Engine
    services: Services
    subject: Subject
    commands: SomeCommands
    session: Session = field(default_factory=Session)

    def run(self, code: str = "", **script: str) -> Status:
        association = Association("TESTSCU", "ORACLE", self.session)
        run = Run("Importconverter", 0, self.subject, association, self.services)
        return self.engine.run(Script(code=code, **script), run)

    def say(self, code: str, **script: str) -> list[str]:
        """The lines that the script causes."""
        log = self.instance.log
        log.entries.clear()
        self.run(code, **script)
        return texts(log.lines)

    def value(self, expression: str) -> str:
        """What a Lua expression prints."""
        lines = self.say(f"print({expression})")
        assert len(lines) == 1, lines
        return lines[0]

    def take(self, elements: Mapping[int, tuple[bytes, bytes]], syntax: str = EXPLICIT_LITTLE) -> None:
        """Work on this object from now on."""
        assert syntax == EXPLICIT_LITTLE
        self.subject = subject_of(elements, self.services)

    def limit(self, **changes: int | bool) -> None:
        """Other limits, for states that are made from now on."""
        settings = replace(self.instance.settings, **changes)  # type: ignore[arg-type]
        self.services = replace(self.services, settings=lambda: settings)
        self.session.end()


def subject_of(elements: Mapping[int, tuple[bytes, bytes]], services: Services) -> Subject:
    return Subject(dataset(elements), LITTLE, EXPLICIT_LITTLE, services.terms.get())


def make_engine(instance: Instance, commands: SomeCommands, settings: Settings | None = None) -> Engine:
    config = LiveConfig(settings or instance.settings, lambda _line: None)
    host = Host(instance.archive, config, kfactor(), Counters(), commands, "1.5.0e")
    return Engine(host)


def make_bench(instance: Instance) -> Bench:
    instance.configure("nop")
    converters = instance.archive.stores.converters
    assert converters is not None
    commands = SomeCommands()
    services, engine = converters.services, make_engine(instance, commands)
    services.engine = engine
    return Bench(instance, engine, services, subject_of(CT, services), commands)


def write_file(root: Path, name: str, code: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="latin-1")
    return path


__all__ = ["CT", "CT1", "SEQUENCE", "Bench", "SomeCommands", "make_bench", "make_engine", "subject_of", "write_file"]
