"""`python -m benchmarks.server.converters`: what ten typical lines of converters.txt cost, as a ratio to none."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks import bytecode
from benchmarks.server import load, objects, variants
from benchmarks.server.peers import Dgate

LINES = """\
ifequal "%m","MR"; destroy
ifequal "%i","NOBODY"; destroy
ifmatch "%VPatientName","NOBODY*"; destroy
ifempty "%V0010,0020"; reject
set 0008,1010 to "BENCH"
ifequal "%V0008,0070","OTHER"; destroy
set 0010,4000 to "received as %m of %i"
ifnumgreater "%V0020,0013","1000000"; destroy
ifnotempty "%V0018,1000"; destroy
nop seen %m
"""
BARS = {"small": 0.75, "CT": 0.90}


class DgateWith(Dgate):
    """An instance with these lines."""

    def __init__(self, folder: Path, name: str, lines: str) -> None:
        self.name = name
        self._lines = lines
        super().__init__(folder, 0)

    @property
    def target(self) -> load.Target:
        """See `Server`."""
        return load.Target(self.port, "DGATE")

    def prepare(self) -> None:
        """See `Server`."""
        super().prepare()
        (self.folder / "mount" / "config" / "converters.txt").write_text(self._lines)


def main() -> None:
    """Measure in shuffled rounds, print medians and ratios, write them as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server.converters", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--objects", type=int, default=1000, help="small objects of a run; of 0.5 MB a fifth")
    parser.add_argument("--associations", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--work", type=Path, default=None, help="folder for the servers' storage")
    parser.add_argument("--output", type=Path, default=None, help="file for the figures")
    options = parser.parse_args()
    bytecode.keep()
    figures: dict[str, variants.Rates] = {}
    for kind in (objects.SMALL, objects.CT):
        for associations in options.associations:
            figures[f"{kind.name}, {associations} at once"] = _measured(kind, associations, options)
    for what, found in figures.items():
        print(f"\n{what} (bar {BARS[what.partition(',')[0]]})")
        variants.tell(found)
    if options.output is not None:
        facts = {"when": time.strftime("%Y-%m-%d %H:%M"), "objects": options.objects, "rates": figures}
        options.output.write_text(json.dumps(facts, indent=1) + "\n")


def _measured(kind: objects.Kind, associations: int, options: argparse.Namespace) -> variants.Rates:
    work = Path(tempfile.mkdtemp(prefix="bench-converters-", dir=options.work))
    instances = [DgateWith(work / name, name, lines) for name, lines in (("none", ""), ("ten lines", LINES))]
    try:
        for instance in instances:
            instance.start()
        count = options.objects if kind is objects.SMALL else options.objects // 5
        return variants.rates(instances, kind, rounds=options.rounds, count=count, associations=associations)
    finally:
        for instance in instances:
            instance.stop()
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
