"""What was measured: values by row, server and round; medians, spread and paired ratios. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Summary:
    """Median and extremes."""

    median: float
    least: float
    most: float
    count: int


@dataclass(slots=True)
class Results:
    """Filled while the rounds run. A value of a run that turned out invalid is taken back."""

    values: dict[str, dict[str, dict[int, float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    faults: list[str] = field(default_factory=list)
    generator: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Share of one core that the generator itself used in each store run, by row."""

    def add(self, row: str, server: str, number: int, value: float) -> None:
        """A valid figure of a round."""
        self.values[row][server][number] = value

    def fault(self, row: str, server: str, number: int, why: object) -> None:
        """This run does not count."""
        self.values[row][server].pop(number, None)
        self.faults.append(f"round {number + 1}, {server}, {row}: {why}")

    def summary(self, row: str, server: str) -> Summary | None:
        """Over all rounds; None when there is no valid one."""
        found = list(self.values.get(row, {}).get(server, {}).values())
        return summarise(found) if found else None

    def ratio(self, row: str, ours: str, peer: str, *, inverse: bool = False) -> Summary | None:
        """Of the two figures of each round in which both are valid: ours over the peer's, or the other way."""
        servers = self.values.get(row, {})
        mine, theirs = servers.get(ours, {}), servers.get(peer, {})
        pairs = [(mine[n], theirs[n]) for n in mine if n in theirs]
        ratios = [(b / a if inverse else a / b) for a, b in pairs if a > 0 and b > 0]
        return summarise(ratios) if ratios else None

    def growth(self, small: str, large: str, server: str) -> Summary | None:
        """How much a figure grew from one row to another, round by round."""
        before, after = (self.values.get(row, {}).get(server, {}) for row in (small, large))
        ratios = [after[n] / before[n] for n in before if n in after and before[n] > 0]
        return summarise(ratios) if ratios else None


def summarise(values: list[float]) -> Summary:
    """Median and extremes of at least one value."""
    return Summary(statistics.median(values), min(values), max(values), len(values))
