"""One line at work on one object: what its statements see, and where their log lines go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.config.inifile import as_text

if TYPE_CHECKING:
    from dgate.rules.interfaces import Association, Services
    from dgate.rules.subject import Subject

MAX_DEPTH = 16
"""Lines that may be in the middle of calling one another."""
MAX_STATEMENTS = 100_000
"""Statements that all converters together may execute for one object, however they call each other."""
SUBORDINATE = -1
"""The number of a line that another one called."""

LITERAL, OWN, RECEIVED = range(3)
"""Where a piece of a statement comes from: its author, this server (names, variables), the object or its sender."""


class Budget:
    """How many statements are left."""

    __slots__ = ("left", "too_deep")

    def __init__(self, left: int = MAX_STATEMENTS) -> None:
        self.left = left
        self.too_deep = False
        """Whether the log says already that lines call one another too deep."""


class Run:
    """The state of one line; `part` is that of the statement at hand."""

    __slots__ = (
        "association", "budget", "depth", "number", "part", "prefix",
        "services", "silent", "sources", "subject", "texts",
    )  # fmt: skip

    def __init__(
        self,
        prefix: str,
        number: int,
        subject: Subject,
        association: Association,
        services: Services,
        budget: Budget | None = None,
        depth: int = 0,
    ) -> None:
        self.prefix = prefix
        self.number = number
        self.subject = subject
        self.association = association
        self.services = services
        self.budget = budget or Budget()
        self.depth = depth
        self.part = 0
        self.silent = False
        self.texts: Sequence[str] = ()
        """The text of the statement at hand in pieces."""
        self.sources: Sequence[int] = ()
        """Where each of them comes from."""

    @property
    def values(self) -> list[tuple[str, int]]:
        """The pieces of the statement at hand, and where each comes from."""
        return list(zip(self.texts, self.sources, strict=True))

    @property
    def where(self) -> str:
        """`Importconverter0.1`, as log lines begin."""
        return f"{self.prefix}{self.number}.{self.part}"

    def operator(self, line: str) -> None:
        """A line for the operator."""
        if not self.silent:
            for one in self._split(line) if "\n" in line else (line,):
                self.services.log.console(one if one.isascii() else shown(one))

    def debug(self, line: str) -> None:
        """A line for who wants to see everything."""
        if not self.silent:
            for one in self._split(line) if "\n" in line else (line,):
                self.services.log.debug(one if one.isascii() else shown(one))

    def _split(self, line: str) -> Sequence[str]:
        """A `%n` of the statement splits its line in the log, but a line end that came with a value does not."""
        own = sum(piece.count("\n") for piece, source in self.values if source == LITERAL)
        return line.split("\n") if line.count("\n") == own else (line,)

    def error(self, text: str) -> None:
        """The original's line for what cannot be done; never silent."""
        self.services.log.console(shown(f"*** {self.where} error: {text}"))

    def below(self, number: int = SUBORDINATE) -> Run:
        """The run of a line that this one calls."""
        made = Run(self.prefix, number, self.subject, self.association, self.services, self.budget, self.depth + 1)
        made.silent = self.silent
        return made


def shown(line: str) -> str:
    """A line of one character for each byte as the log takes text."""
    return line if line.isascii() else as_text(line.encode("latin-1", "replace"))
