"""The report as Markdown and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.server import bars
from benchmarks.server.bars import OURS, PEERS, ROWS, Row, Verdict
from benchmarks.server.results import Results, Summary
from benchmarks.server.retrieve import QUERIES

Facts = Mapping[str, Any]


def document(results: Results, facts: Facts) -> dict[str, Any]:
    """Everything, for programs."""
    rows = []
    for row in ROWS:
        servers = results.values.get(row.key, {})
        ratios = {peer: results.ratio(row.key, OURS, peer, inverse=row.inverse) for peer in PEERS}
        rows.append(
            {
                "key": row.key,
                "title": row.title,
                "unit": row.unit,
                "values": {name: dict(values) for name, values in servers.items()},
                "ratios": {peer: asdict(ratio) for peer, ratio in ratios.items() if ratio},
                "bars": [asdict(verdict) for verdict in bars.verdicts(row, results)],
            }
        )
    growth = {query: asdict(bars.growth_verdict(query, results)) for query in QUERIES}
    return {
        "schema": 1,
        "facts": dict(facts),
        "rows": rows,
        "find_growth": growth,
        "generator_cpu_share": dict(results.generator),
        "invalid": results.faults,
    }


def markdown(results: Results, facts: Facts) -> str:
    """The report a person reads."""
    parts = [
        "# dgate and its peers",
        "\n".join(f"- {name}: {value}" for name, value in facts.items() if not isinstance(value, dict)),
        _HOW_TO_READ,
        _figures(results),
        "## Bars",
        _bars(results),
        "## Is it the generator that is measured?",
        _generator(results),
        "## What each server syncs to disk before it acknowledges",
        "\n".join(f"- **{name}** ({facts['versions'][name]}): {text}" for name, text in facts["syncs"].items()),
        "## Notes",
        _NOTES,
        "## Invalid runs",
        "\n".join(f"- {fault}" for fault in results.faults) or "none",
    ]
    return "\n\n".join(parts) + "\n"


_HOW_TO_READ = """\
Figures are medians over the rounds, with the extremes in brackets. A ratio is the median of the ratios of each round:
dgate's figure over the peer's; for C-FIND the peer's time over dgate's. Absolute figures depend on the machine and its
load, the ratios much less."""

_NOTES = """\
- Orthanc, dcmqrscp and storescp run with their default settings but for ports, folders and permissions; storescp with
  `--fork`, without which it takes one association at a time.
- dcmqrscp loses index entries when associations store in parallel, so it has no valid figure for four of them; its
  index file, read from the beginning for each query and store, does not reach the sizes of the C-FIND rows; and it
  refuses an object of 1 GB (A700).
- For the C-FIND rows Orthanc was filled with SyncStorageArea off, which touches only how quickly it is filled.
- Between two measurements the file system is synced, so that nobody pays for the writes of another.
- No file is deleted before the end, for the same reason: ext4 searches past the inodes of recently deleted files.
- Objects are explicit little endian, and so is what C-MOVE and C-GET bring back."""


def _figures(results: Results) -> str:
    names = [name for name in (OURS, bars.SYNCED, *PEERS) if any(name in v for v in results.values.values())]
    head = ["what", "unit", *(name for name in names)]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in ROWS:
        cells = [_cell(row, name, results) for name in names]
        if any(cell != "-" for cell in cells):
            lines.append(_line([row.title, row.unit, *cells]))
    return "\n".join(lines)


def _cell(row: Row, name: str, results: Results) -> str:
    own = results.summary(row.key, name)
    if own is None:
        return "-"
    text = _spread(own)
    ratio = None if name == OURS else results.ratio(row.key, OURS, name, inverse=row.inverse)
    return text if ratio is None else f"{text} **{ratio.median:.2f}x** [{ratio.least:.2f}-{ratio.most:.2f}]"


def _spread(summary: Summary) -> str:
    return f"{_number(summary.median)} [{_number(summary.least)}-{_number(summary.most)}]"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _bars(results: Results) -> str:
    lines = [_line(["what", "bar", "measured", "met"]), _line(["---"] * 4)]
    for row in ROWS:
        lines += [_verdict(row.title, verdict) for verdict in bars.verdicts(row, results)]
    lines += [_verdict(f"C-FIND growth: {q}", bars.growth_verdict(q, results)) for q in QUERIES]
    return "\n".join(lines)


def _verdict(title: str, verdict: Verdict) -> str:
    met = {True: "yes", False: "**no**", None: "not measured"}[verdict.met]
    return _line([title, verdict.bar, verdict.measured, met])


def _generator(results: Results) -> str:
    """The null sink's rate against the quickest server's, and the generator's own processor time."""
    lines = [
        "The same client sends the same objects to a server that drops them and answers success, in the same rounds.",
        "",
        _line(["row", "null sink", "quickest server", "sink over server", "generator's share of a core"]),
        _line(["---"] * 5),
    ]
    for row in ROWS:
        sink = results.summary(row.key, "null sink")
        if sink is None:
            continue
        others = [results.summary(row.key, name) for name in (OURS, bars.SYNCED, *PEERS)]
        best = max((other.median for other in others if other), default=0.0)
        shares: Sequence[float] = results.generator.get(row.key, [])
        share = f"{sum(shares) / len(shares):.0%}" if shares else "-"
        quotient = f"{sink.median / best:.1f}x" if best else "-"
        lines.append(_line([row.title, _spread(sink), _number(best), quotient, share]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
