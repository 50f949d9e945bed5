"""`python -m benchmarks.server.databases`: storing with each of the three databases, as ratios of SQLite's rate.

The servers of PostgreSQL and MariaDB run beside on loopback with the settings they come with: each commit waits for the
disk there, which SQLite as `dgate` sets it up does not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.server import load, objects
from benchmarks.server.instance import Server
from benchmarks.server.peers import Dgate
from tools.database_servers import PASSWORD, SERVERS, USER, DatabaseServer

DATABASE = "bench"


class DgateWith(Dgate):
    """An instance whose index is in a database server."""

    def __init__(self, folder: Path, database: DatabaseServer | None) -> None:
        self._database = database
        self.name = database.name if database is not None else "sqlite"
        super().__init__(folder, 0)

    @property
    def target(self) -> load.Target:
        """See `Server`."""
        return load.Target(self.port, "DGATE")

    def prepare(self) -> None:
        """See `Server`."""
        super().prepare()
        if self._database is None:
            return
        self._database.create(DATABASE)
        (self.folder / "secret").write_text(PASSWORD)
        template = self.folder / "mount" / "config" / "dicom.ini.j2"
        ours = {
            "SQLHost": f"127.0.0.1:{self._database.port}", "SQLServer": DATABASE, "Username": USER,
            "PasswordFile": f"{self.folder}/secret", self._database.driver: "1",
        }  # fmt: skip
        kept = [line for line in template.read_text().splitlines() if not _is_of(line, {*ours, "SQLite"})]
        at = next(number for number, line in enumerate(kept) if line.startswith("MicroPACS")) + 1
        kept[at:at] = [f"{key} = {value}" for key, value in ours.items()]
        template.write_text("\n".join(kept) + "\n")


def _is_of(line: str, keys: set[str]) -> bool:
    return line.partition("=")[0].strip() in keys


def main() -> None:
    """Measure in shuffled rounds, print medians and ratios, write them as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server.databases", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--objects", type=int, default=1000, help="small objects of a run")
    parser.add_argument("--associations", type=int, default=4)
    parser.add_argument("--work", type=Path, default=None, help="folder for the servers' storage")
    parser.add_argument("--output", type=Path, default=None, help="file for the figures")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="bench-databases-", dir=options.work))
    work.chmod(0o711)
    databases = [kind(work / name) for name, kind in SERVERS.items() if not kind.missing()]
    instances: list[Server] = []
    try:
        for database in databases:
            database.start()
        instances += [DgateWith(work / f"dgate-{base.name if base else 'sqlite'}", base) for base in (None, *databases)]
        for instance in instances:
            instance.start()
        rates = _measure(instances, options.rounds, options.objects, options.associations, print)
    finally:
        for instance in instances:
            instance.stop()
        for database in databases:
            database.stop()
        shutil.rmtree(work)
    _report(rates, options)


def _measure(
    instances: list[Server], rounds: int, count: int, associations: int, say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Objects per second of each round; the first one warms up and is left out."""
    rates: dict[str, list[float]] = {instance.name: [] for instance in instances}
    chance = random.Random(1)  # noqa: S311 - a reproducible order
    for number in range(rounds + 1):
        images = load.spread(objects.SMALL, number, count, associations)
        for instance in chance.sample(instances, len(instances)):
            rate = load.store(instance.target, objects.SMALL, images).per_second
            if number:
                rates[instance.name].append(rate)
            say(f"round {number} {instance.name}: {rate:.0f} objects/s, load {os.getloadavg()[0]:.1f}")
    return rates


def _report(rates: dict[str, list[float]], options: argparse.Namespace) -> None:
    base = rates["sqlite"]
    ratios = {
        name: statistics.median(rate / of for rate, of in zip(found, base, strict=True))
        for name, found in rates.items()
    }
    for name, found in rates.items():
        print(f"{name:10} median {statistics.median(found):6.0f} objects/s, {ratios[name]:.2f} of SQLite")
    if options.output is not None:
        facts = {"when": time.strftime("%Y-%m-%d %H:%M"), "objects": options.objects, "rates": rates, "ratios": ratios}
        options.output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
