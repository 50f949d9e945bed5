"""The files that show that something could not be forwarded, under the original's names (conquest-converters.md 9).

What they stand for is in the database; they are for tools and people who look for them, and hold one line of text for
each job that is put aside, in the order in which that happened. A file goes when all that it names is done or given up.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from dgate.forward import table

if TYPE_CHECKING:
    from dgate.config.settings import Settings
    from dgate.forward.table import Job
    from dgate.index.database.base import Connection


class FailureFiles:
    """Keeps them. Thread-safe; never raises: nobody depends on them."""

    def __init__(self, settings: Callable[[], Settings], later: str) -> None:
        """Lanes that begin with `later` are those of delayed commands."""
        self._settings = settings
        self._later = later
        self._lock = threading.Lock()
        self._held: dict[str, set[int]] = {}

    def take_up(self, connection: Connection) -> None:
        """Make them what the table says. Raises `FAULTS`."""
        with self._lock:  # so that nothing that is said meanwhile is older than what is read
            jobs = list(table.held(connection)) if table.exists(connection) else []
            names = [(self._name(job), job) for job in jobs]
            for name in {*self._held, *self._left_over()}.difference(name for name, _ in names):
                self._remove(name)
            self._held = {}
            for name, job in names:
                self._held.setdefault(name, set()).add(job.id)
            for name in self._held:
                self._write(name, "w", (_line(job) for own, job in names if own == name))

    def hold(self, job: Job) -> None:
        """It is put aside."""
        name = self._name(job)
        with self._lock:
            known = self._held.setdefault(name, set())
            if job.id not in known:
                known.add(job.id)
                self._write(name, "a", [_line(job)])

    def let_go(self, job: Job) -> None:
        """It is not, or no longer."""
        name = self._name(job)
        with self._lock:
            known = self._held.get(name)
            if known is not None:
                known.discard(job.id)
                if not known:
                    del self._held[name]
                    self._remove(name)

    def _name(self, job: Job) -> str:
        port = self._settings().port
        if job.lane.startswith(self._later):
            return f"DelayedFetchForwardFailures{port}"
        return f"ExportFailures{port}_{int(job.work.get('number', 0))}"

    def _left_over(self) -> list[str]:
        """Those that lie there from another run."""
        port = self._settings().port
        with suppress(OSError):
            names = os.listdir(self._settings().base_dir or ".")
            return [n for n in names if n == f"DelayedFetchForwardFailures{port}" or _is_export(n, port)]
        return []

    def _path(self, name: str) -> str:
        return os.path.join(self._settings().base_dir, name)

    def _write(self, name: str, mode: str, lines: Iterable[bytes]) -> None:
        with suppress(OSError), open(self._path(name), f"{mode}b") as file:
            file.writelines(lines)

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(self._path(name))


def _is_export(name: str, port: int) -> bool:
    return name.startswith(f"ExportFailures{port}_") and name.rpartition("_")[2].isdigit()


def _line(job: Job) -> bytes:
    return f"{job.id} ".encode() + os.fsencode(job.label.replace("\n", "?")) + b"\n"
