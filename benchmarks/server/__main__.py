"""`python -m benchmarks.server`: measure, and write the report to benchmarks/results/."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import bytecode
from benchmarks.server import finding, peers, report
from benchmarks.server.instance import Server
from benchmarks.server.results import Results
from benchmarks.server.rounds import Rounds
from benchmarks.server.sink import Sink
from benchmarks.server.sizes import QUICK, Sizes

RESULTS = Path(__file__).resolve().parents[1] / "results"
PARTS = ("rounds", "find")


def main() -> int:
    """Run what was asked for; 1 when a run was invalid."""
    options = _options()
    bytecode.keep()
    sizes = QUICK if options.quick else Sizes()
    servers = [kind for kind in peers.available() if not options.servers or kind.name in options.servers]
    if not servers:
        sys.exit(f"no such server: {options.servers}; there are {[kind.name for kind in peers.available()]}")
    rounds = options.rounds or (1 if options.quick else 5)
    results = Results()
    work = Path(tempfile.mkdtemp(prefix="bench-server-", dir=options.work))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that servers and folders go as well
    facts = _facts(servers, rounds, options.seed, work)
    sink = Sink()
    sink.start()
    try:
        if "rounds" in options.parts:
            run = Rounds(servers, sizes, sink, work, results, options.seed, _say)
            for number in range(rounds):
                _say(f"round {number + 1} of {rounds}")
                run.play(number)
        if "find" in options.parts:
            finding.measure(servers, sizes, sink, work, results, rounds, options.seed, _say)
    finally:
        sink.stop()
        shutil.rmtree(work)
    facts["load average at the end"] = _load_average()
    _write(results, facts, options.output)
    return 1 if results.faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each measurement (default 5, with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="few objects: shows that it runs, measures nothing")
    parser.add_argument("--work", type=Path, default=None, help="folder for the servers' storage (default: temporary)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the reports")
    parser.add_argument("--seed", type=int, default=1, help="order of the runs and choice of the queries")
    parser.add_argument("--servers", nargs="*", default=[], help="only these (default: all that are there)")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, help="only these parts")
    return parser.parse_args()


def _facts(servers: list[type[Server]], rounds: int, seed: int, work: Path) -> dict[str, object]:
    return {
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "rounds": rounds,
        "seed": seed,
        "machine": f"{os.cpu_count()} processors, {platform.platform()}, Python {platform.python_version()}",
        "file system": _file_system(work),
        "load average at the start": _load_average(),
        "versions": {kind.name: peers.version(kind) for kind in servers},
        "syncs": {kind.name: kind.syncs for kind in servers},
    }


def _load_average() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _file_system(folder: Path) -> str:
    """The type of the file system that holds the storage folders of all servers."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(len(point), kind) for point, kind in mounts if folder.is_relative_to(point)]
    return max(holding)[1]


def _write(results: Results, facts: dict[str, object], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / time.strftime("server-%Y%m%d-%H%M%S")
    text = report.markdown(results, facts)
    stem.with_suffix(".md").write_text(text)
    stem.with_suffix(".json").write_text(json.dumps(report.document(results, facts), indent=1) + "\n")
    sys.stdout.write(text)
    _say(f"written to {stem}.md and .json")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
