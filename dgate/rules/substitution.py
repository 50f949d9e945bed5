"""The text of a statement for one object (conquest-converters.md 4).

A statement is scanned once; what is left to do for each object is to ask for the values and to join.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from dgate.config.converters.items import Item, scan
from dgate.dataset import access
from dgate.dataset.digest import checksum
from dgate.dataset.paths import Path, match_path
from dgate.rules import naming, records
from dgate.rules.run import LITERAL, OWN, RECEIVED
from dgate.rules.subject import MODALITY, PATIENT_ID, SOP_UID, STATION

if TYPE_CHECKING:
    from dgate.dataset.terms import Terms
    from dgate.rules.run import Run

Part = Callable[["Run"], str]

VARIABLES = frozenset("xyz")
_SOURCES = {"d": LITERAL, "g": LITERAL, "f": OWN, "b": OWN, "p": OWN, "x": OWN, "y": OWN, "z": OWN}
"""Where an item's text comes from; all others show what was received."""


class Template:
    """A statement's text with its items."""

    __slots__ = ("_parts", "_sources", "items", "literal")

    def __init__(self, text: str, terms: Terms) -> None:
        tokens = scan(text, partial(_match, terms)).tokens
        self.literal: str | None = "".join(token for token in tokens if isinstance(token, str))
        """The whole text, if there is no item in it."""
        self._parts: list[str | Part] = [token if isinstance(token, str) else _part(token) for token in tokens]
        self._sources = [LITERAL if isinstance(token, str) else _SOURCES.get(token.kind, RECEIVED) for token in tokens]
        items = [token for token in tokens if not isinstance(token, str)]
        self.items = tuple(items)
        if items:
            self.literal = None

    @property
    def beginning(self) -> str:
        """The text before the first item."""
        return self._parts[0] if self._parts and isinstance(self._parts[0], str) else ""

    def expand(self, run: Run) -> str:
        """The text for the run's subject. Raises `DataSetError`."""
        if self.literal is not None:
            run.texts, run.sources = (self.literal,), (LITERAL,)
            return self.literal
        run.texts = texts = [part if isinstance(part, str) else part(run) for part in self._parts]
        run.sources = self._sources
        return "".join(texts)


def _match(terms: Terms, text: str, at: int) -> tuple[Path, int] | None:
    return match_path(text, at, terms)


def _part(item: Item[Path]) -> Part:
    plain = _tagged(item, item.target) if item.target is not None else _PLAIN[item.kind]
    modifiers = item.modifiers
    shown = plain
    if modifiers.case or modifiers.ending >= 0 or modifiers.last >= 0:
        shown = lambda run: modifiers.apply(plain(run))  # noqa: E731 - one of two
    if item.target is not None and item.target.steps and item.target.source is None:
        return _walking(item.target, item.written, plain, shown)
    return shown


def _walking(path: Path, written: str, plain: Part, shown: Part) -> Part:
    """As the original: where a sequence has no such item, what is written behind its number stays in the text."""
    steps = written.split("/")[1:]
    rests = ["".join(f"/{step}" for step in steps[number + 1 :]) for number in range(len(path.steps))]

    def part(run: Run) -> str:
        missing = access.missing_item(run.subject.data_to_read, path)
        return shown(run) if missing is None else plain(run) + rests[missing]

    return part


def _tagged(item: Item[Path], path: Path) -> Part:
    if item.kind == "v":
        if path.source is not None:
            return lambda run: run.subject.read(path, run.services.index.fetch)
        return lambda run: run.subject.read(path)
    if item.kind == "a":
        return lambda run: _checksum(run, path)
    if item.kind in "er":
        back = item.kind == "r"
        return lambda run: naming.mapped(run, run.subject.read(path), back=back)
    return records.reader(item.letter, path)


def _checksum(run: Run, path: Path) -> str:
    text = run.subject.read(path, run.services.index.fetch)
    return str(checksum(text.encode("latin-1", "replace")))


def _variable(name: str) -> Part:
    return lambda run: run.association.session.variables.get(name, "")


_PLAIN: dict[str, Part] = {
    "m": lambda run: run.subject.received(MODALITY),
    "s": lambda run: run.subject.received(STATION),
    "o": lambda run: run.subject.received(SOP_UID),
    "i": lambda run: run.subject.attribute(PATIENT_ID),
    "u": lambda run: run.association.calling_ae.strip(" "),
    "c": lambda run: run.association.called_ae.strip(" "),
    "d": lambda _run: time.ctime(),
    "g": naming.generated,
    "f": naming.full_name,
    "b": naming.base_name,
    "p": naming.directory,
    **{name: _variable(name) for name in sorted(VARIABLES)},
}
