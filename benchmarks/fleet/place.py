"""A fleet in a temporary folder, and the real commands run in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conquestctl.fleet.instance import Instance
from conquestctl.fleet.scan import Fleet

PROGRAM = str(Path(sys.executable).with_name("conquestctl"))


class FailedError(Exception):
    """A command did not do what was to be measured."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one measurement plays: commands find their fleet in `folder`/instances."""

    folder: Path
    environ: Mapping[str, str]

    def fleet(self) -> list[Instance]:
        """The instances as they are on disk."""
        return Fleet.open(self.folder / "instances").instances()

    def conquestctl(self, *words: str) -> float:
        """Run our command as a person does; its seconds."""
        return self.seconds(PROGRAM, *words)

    def seconds(self, *command: str, cwd: Path | None = None) -> float:
        """Run a command and return its wall time. Raises `FailedError` when its exit status is not 0."""
        return wall_time(command, cwd or self.folder, self.environ)


def wall_time(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> float:
    """Seconds from start to end of a command. Raises `FailedError`."""
    began = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    except OSError as error:
        raise FailedError(f"{command[0]} cannot be run: {error.strerror}") from error
    took = time.perf_counter() - began
    if done.returncode:
        raise FailedError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return took


@contextmanager
def temporary_place(engine: str) -> Iterator[Place]:
    """A place with nothing in it; what runs in it at the end is taken down."""
    with tempfile.TemporaryDirectory(prefix="conquest-bench-") as folder:
        environ = dict(os.environ) | {"CONQUESTCTL_ENGINE": engine, "XDG_STATE_HOME": str(Path(folder, "state"))}
        environ.pop("CONQUESTCTL_ROOT", None)
        place = Place(Path(folder), environ)
        try:
            yield place
        finally:
            if place.fleet():
                place.conquestctl("down", "--all")
