"""`python -m benchmarks.server.databases`: storing with each of the three databases, as ratios of SQLite's rate.

The servers of PostgreSQL and MariaDB run beside on loopback with the settings they come with: each commit waits for the
disk there, which SQLite as `dgate` sets it up does not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks import bytecode
from benchmarks.server import load, objects, variants
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
    bytecode.keep()
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
        rates = variants.rates(
            instances, objects.SMALL, rounds=options.rounds, count=options.objects, associations=options.associations
        )
    finally:
        for instance in instances:
            instance.stop()
        for database in databases:
            database.stop()
        shutil.rmtree(work)
    _report(rates, options)


def _report(rates: variants.Rates, options: argparse.Namespace) -> None:
    variants.tell(rates)
    if options.output is not None:
        facts = {
            "when": time.strftime("%Y-%m-%d %H:%M"), "objects": options.objects, "rates": rates,
            "ratios": variants.ratios(rates),
        }  # fmt: skip
        options.output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
