"""Lines that call themselves in the end: files of lines and keys of section `[scripts]` that go in circles. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dgate.config.converters.grammar import split

CALL = "call "


@dataclass(frozen=True, slots=True)
class Source:
    """Lines that others call."""

    file: str
    """Below the instance's folder."""
    names: frozenset[str]
    """What a statement calls them by, in lower case."""
    lines: tuple[tuple[int, str], ...]
    """With their numbers in the file."""
    shift: int = 0
    """Columns before the first one of a line."""


@dataclass(frozen=True, slots=True)
class Circle:
    """A statement that leads back to the lines it stands in."""

    source: Source
    line: int
    column: int
    called: str


def circles(sources: Sequence[Source]) -> Iterator[Circle]:
    """All of them, in the order of the sources."""
    by_name = {name: number for number, source in enumerate(sources) for name in source.names}
    calls = [list(_calls(source, by_name)) for source in sources]
    onward = [{target for _, _, _, target in found} for found in calls]
    for number, found in enumerate(calls):
        for line, column, called, target in found:
            if number in _reached(target, onward):
                yield Circle(sources[number], line, column, called)


def _calls(source: Source, by_name: dict[str, int]) -> Iterator[tuple[int, int, str, int]]:
    """Where others are called: line, column, by what name, and which one that is."""
    for number, text in source.lines:
        for statement in split(text):
            called = statement.text
            if called.lower().startswith(CALL):
                called = called[len(CALL) :]
            target = by_name.get(called.lower(), by_name.get(called.lower().partition("(")[0]))
            if target is not None:
                yield number, statement.column + source.shift, called, target


def _reached(first: int, onward: Sequence[set[int]]) -> set[int]:
    """It, and all that is called from there."""
    reached, waiting = {first}, [first]
    while waiting:
        new = onward[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached
