"""The rows of the report, the bar of each, and whether it is met. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.server.results import Results
from benchmarks.server.retrieve import QUERIES

OURS, SYNCED, ORTHANC, QRSCP, STORESCP, ORIGINAL = (
    "dgate",
    "dgate synced",
    "Orthanc",
    "dcmqrscp",
    "storescp",
    "original",
)
PEERS = (ORTHANC, QRSCP, STORESCP, ORIGINAL)
LOW, HIGH = "20 000", "100 000"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a ratio must be. Several peers: it must hold against each, that is against the best of them."""

    factor: float
    peers: tuple[str, ...]
    at_least: bool = True

    @property
    def text(self) -> str:
        """As the report shows it."""
        return f"{'≥' if self.at_least else '≤'} {self.factor}x {' and '.join(self.peers)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report. `inverse`: the ratio is the peer's figure over ours, for times that should be short."""

    key: str
    title: str
    unit: str
    bars: tuple[Bar, ...] = ()
    inverse: bool = False
    below: float = 0.0
    """A bar on the figure itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar and what became of it; `met` is None where it could not be measured."""

    bar: str
    measured: str
    met: bool | None


BEST = (ORTHANC, ORIGINAL)
FILES = Bar(0.9, (STORESCP,))
ROWS = (
    Row("small1", "store small, 1 association", "/s", (Bar(1.8, BEST),)),
    Row("small4", "store small, 4 associations", "/s", (Bar(2.5, (ORTHANC,)),)),
    Row("storescu", "store small, dcmtk's storescu", "/s", (Bar(10, (ORTHANC,)),)),
    Row("ct1", "store CT, 1 association", "/s", (Bar(2, BEST), FILES)),
    Row("ct4", "store CT, 4 associations", "/s", (Bar(3, (ORTHANC,)), FILES)),
    Row("big", "store 50 MB", "MB/s", (Bar(2.5, (ORTHANC, QRSCP, ORIGINAL)),)),
    Row("huge", "store 1 GB", "MB/s"),
    Row("huge_growth", "memory grown by a 1 GB object", "MB", below=10),
    Row("move", "C-MOVE of the CT set", "/s", (Bar(1.0, (ORTHANC, QRSCP)),)),
    Row("get", "C-GET of the CT set", "/s", (Bar(1.0, (ORTHANC, QRSCP)),)),
    *(Row(f"find {q} {LOW}", f"C-FIND, {LOW} images: {q}", "ms", inverse=True) for q in QUERIES),
    *(
        Row(
            f"find {q} {HIGH}", f"C-FIND, {HIGH} images: {q}", "ms",
            (Bar(10, (ORTHANC,)), Bar(0.5, (ORIGINAL,))), inverse=True,
        )
        for q in QUERIES
    ),
    *(
        Row(f"delayed {q}", f"the same, client that acknowledges late, 90th percentile: {q}", "ms",
            inverse=True, below=35)
        for q in QUERIES
    ),
    Row("echo_fresh", "C-ECHO, fresh association", "/s", (Bar(0.8, (ORTHANC,)),)),
    Row("echo_one", "C-ECHO, one association", "/s", (Bar(0.8, (ORTHANC,)),)),
    Row("start", "start to first echo", "s", (Bar(2, (ORTHANC,), at_least=False),)),
    Row("idle", "memory idle (PSS)", "MB", (Bar(0.7, (ORTHANC,), at_least=False),)),
    Row("loaded", "memory during 1 000 CT (PSS)", "MB", (Bar(0.25, (ORTHANC,), at_least=False),)),
    Row("cpu", "CPU per 1 000 CT", "s", (Bar(0.4, (ORTHANC,), at_least=False),)),
)  # fmt: skip
GROWTH = 1.25


def verdicts(row: Row, results: Results) -> list[Verdict]:
    """Each bar of a row judged."""
    found = [_judge(bar, row, results) for bar in row.bars]
    if row.below:
        own = results.summary(row.key, OURS)
        met = None if own is None else own.median < row.below
        found.append(Verdict(f"< {row.below:g} {row.unit}", "-" if own is None else f"{own.median:.3g}", met))
    return found


def growth_verdict(query: str, results: Results) -> Verdict:
    """From the small index to the large one."""
    grown = results.growth(f"find {query} {LOW}", f"find {query} {HIGH}", OURS)
    if grown is None:
        return Verdict(f"≤ {GROWTH}x", "-", None)
    return Verdict(f"≤ {GROWTH}x", f"{grown.median:.2f}x", grown.median <= GROWTH)


def _judge(bar: Bar, row: Row, results: Results) -> Verdict:
    ratios = {peer: results.ratio(row.key, OURS, peer, inverse=row.inverse) for peer in bar.peers}
    medians = [ratio.median for ratio in ratios.values() if ratio is not None]
    if not medians:
        return Verdict(bar.text, "-", None)
    worst = min(medians) if bar.at_least else max(medians)
    absent = [peer for peer, ratio in ratios.items() if ratio is None]
    measured = f"{worst:.2f}x" + (f" (without {', '.join(absent)})" if absent else "")
    return Verdict(bar.text, measured, worst >= bar.factor if bar.at_least else worst <= bar.factor)
