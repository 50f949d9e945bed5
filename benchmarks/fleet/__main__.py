"""`python -m benchmarks.fleet`: measure, print the report, keep the figures in benchmarks/results/.

All figures of one run are taken on the same machine in turns, so read the ratios; the seconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import bytecode
from benchmarks.fleet.commands import create_time, help_times
from benchmarks.fleet.containers import container_lines
from benchmarks.fleet.figures import Figure, Line, document, markdown
from benchmarks.fleet.node import first_echo, idle_memory
from benchmarks.fleet.place import FailedError

RESULTS = Path(__file__).resolve().parents[1] / "results"


def parts(arguments: argparse.Namespace) -> dict[str, Callable[[], Iterator[Line]]]:
    """The measurements by name, in the order of the report."""
    return {
        "help": lambda: help_times(arguments.rounds),
        "create": lambda: create_time(arguments.heavy_rounds),
        "echo": lambda: first_echo(arguments.rounds),
        "memory": idle_memory,
        "docker": lambda: container_lines(arguments.heavy_rounds),
    }


def main() -> int:
    """Run them; 1 when something that was to be measured failed, or, with --strict, when a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="runs of what takes less than a second")
    parser.add_argument("--heavy-rounds", type=int, default=3, help="runs of what takes longer")
    parser.add_argument("--only", action="append", choices=["help", "create", "echo", "memory", "docker"])
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a bar is missed")
    parser.add_argument("--out", type=Path, default=RESULTS / "fleet.json")
    arguments = parser.parse_args()
    bytecode.keep()
    lines: list[Line] = []
    try:
        for name, measure in parts(arguments).items():
            if not arguments.only or name in arguments.only:
                print(f"measuring: {name}", file=sys.stderr, flush=True)
                lines += measure()
    except FailedError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    finally:
        print(markdown(lines), end="")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document(lines), indent=2) + "\n", encoding="utf-8")
    missed = [line for line in lines if isinstance(line, Figure) and not line.ok]
    return 1 if missed and arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())
