"""What a measurement says, and the two ways of writing it down: Markdown for people, JSON for comparing runs."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

Samples = Mapping[str, Sequence[float]]
"""Seconds (or MB, or calls) of each run, by who was measured."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report."""

    what: str
    value: float
    unit: str
    """`x` for a ratio of medians."""
    bar: float
    samples: Samples = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the bar is held; a bar is included."""
        return self.value <= self.bar


@dataclass(frozen=True, slots=True)
class Missing:
    """A line that could not be measured here."""

    what: str
    why: str


Line = Figure | Missing


def ratio(what: str, samples: Samples, bar: float) -> Figure:
    """The median of the first over the median of the second."""
    ours, theirs = (statistics.median(runs) for runs in list(samples.values())[:2])
    return Figure(what, ours / theirs, "x", bar, samples)


def median(what: str, unit: str, samples: Samples, bar: float) -> Figure:
    """The median of the first; further samples are there to judge the machine by."""
    return Figure(what, statistics.median(next(iter(samples.values()))), unit, bar, samples)


def interleaved(rounds: int, works: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Let each work measure itself once per round, in turns that begin with another one each time."""
    names = list(works)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            samples[name].append(works[name]())
    return samples


def markdown(lines: Sequence[Line]) -> str:
    """The report as a person reads it."""
    head = ["| what | measured | bar | held | median (least to most) of each |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(line) for line in lines)]) + "\n"


def document(lines: Sequence[Line]) -> dict[str, object]:
    """The report as JSON, with what it was measured on."""
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    figures = [asdict(line) | {"ok": line.ok} for line in lines if isinstance(line, Figure)]
    missing = [asdict(line) for line in lines if isinstance(line, Missing)]
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"schema": 1, "time": when, "machine": machine, "figures": figures, "missing": missing}


def _row(line: Line) -> str:
    if isinstance(line, Missing):
        return f"| {line.what} | not measured: {line.why} | | | |"
    each = "; ".join(f"{name} {_spread(runs)}" for name, runs in line.samples.items())
    held = "yes" if line.ok else "**no**"
    return f"| {line.what} | {line.value:.3g} {line.unit} | {line.bar:g} {line.unit} | {held} | {each} |"


def _spread(runs: Sequence[float]) -> str:
    middle = f"{statistics.median(runs):.3g}"
    return middle if len(set(runs)) == 1 else f"{middle} ({min(runs):.3g} to {max(runs):.3g})"
