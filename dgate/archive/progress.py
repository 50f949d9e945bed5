"""What a long run shows on stderr: counts, at most once a second on a terminal, every five seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

ON_TERMINAL, ELSEWHERE = 1.0, 5.0


class Progress:
    """Counts of files. On a terminal one line is written over and over."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = sys.stderr if out is None else out
        self._clock = clock
        self._terminal = self._out.isatty()
        self._began = self._shown = clock()
        self._entered = 0
        self._failed = 0
        self._skipped = 0

    def skipped(self, count: int) -> None:
        """Files that an interrupted run has entered already."""
        self._skipped += count

    def add(self, entered: int, failed: int) -> None:
        """More files are done; shows the counts if it is time to."""
        self._entered += entered
        self._failed += failed
        now = self._clock()
        if now - self._shown >= (ON_TERMINAL if self._terminal else ELSEWHERE):
            self._shown = now
            self._write("\r" + self._line() if self._terminal else self._line() + "\n")

    def end(self) -> None:
        """The last counts, and a new line."""
        self._write(("\r" if self._terminal else "") + self._line() + "\n")

    def _line(self) -> str:
        seconds = max(self._clock() - self._began, 0.001)
        done = self._entered + self._failed
        earlier = f", {self._skipped} entered before" if self._skipped else ""
        return f"Regen: {self._entered} files entered, {self._failed} failed{earlier}, {done / seconds:.0f} per second"

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
