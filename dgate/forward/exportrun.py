"""The line of an export converter at work on one stored object (conquest-converters.md 8).

A line is carried out by the converter's own lane until it comes to a `forward`: the lane of that destination goes on
with it. What has been executed by then is not executed again. After a failure the whole line runs again, as in the
original, but what it has forwarded by then is not sent a second time.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from dgate.rules.run import SUBORDINATE, Run

if TYPE_CHECKING:
    from dgate.forward.exporting import Exporter
    from dgate.forward.lanes import Lane
    from dgate.forward.table import Work
    from dgate.rules.interfaces import Association, Services
    from dgate.rules.subject import Subject


class ExportRun(Run):
    """A line on a stored object. `done` has the statements that were executed, by part, `sent` the forwards.

    A script cannot leave its lane in the middle: what its lines send is sent there, and what becomes of the job waits
    in `verdict` until it ends.
    """

    __slots__ = ("done", "exporter", "lane", "path", "replayed", "root", "sent", "verdict")

    def __init__(
        self,
        number: int,
        subject: Subject,
        association: Association,
        services: Services,
        exporter: Exporter,
        lane: Lane,
    ) -> None:
        super().__init__("Exportconverter", number, subject, association, services)
        self.exporter = exporter
        self.lane = lane
        self.path = ""
        self.done: dict[int, str] = {}
        self.sent: set[int] = set()
        self.replayed: dict[int, str] = {}
        self.root = self
        self.verdict: Exception | None = None

    def below(self, number: int = SUBORDINATE) -> ExportRun:
        """See `Run`: a line of a script."""
        made = ExportRun(number, self.subject, self.association, self.services, self.exporter, self.lane)
        made.budget, made.depth, made.silent = self.budget, self.depth + 1, self.silent
        made.root, made.path = self.root, self.path
        return made

    def as_import(self) -> Run:
        """The run of called lines: import code, numbered -1."""
        services = self.exporter.services()
        made = Run("Importconverter", SUBORDINATE, self.subject, self.association, services, self.budget, 1)
        made.part, made.texts, made.sources = self.part, self.texts, self.sources
        return made

    # -- from lane to lane

    def resume(self, work: Work, text: str) -> None:
        """Begin where another lane left off, unless the line is another one by now."""
        if work.get("line") != _mark(text):
            return
        self.replayed = {int(part): status for part, status in work["done"].items()}
        self.sent = set(work["sent"])
        self.silent = bool(self.replayed)

    def progress(self, text: str) -> Work:
        """How far the line has come."""
        done = {str(part): status for part, status in self.done.items()}
        return {"line": _mark(text), "done": done, "sent": sorted(self.sent)}


def _mark(text: str) -> int:
    """What tells one line from another."""
    return zlib.crc32(text.encode("latin-1", "replace"))
