"""Commands that need no engine: the help, and making a hundred instances."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fleet.figures import Line, Missing, interleaved, median, ratio
from benchmarks.fleet.place import PROGRAM, temporary_place, wall_time

COMPOSE_VERSION = "1.29.2"
HELP_BAR = 0.5
CREATE_BAR = 3.0
BARE = "python -c pass"
"""How long a process that does nothing takes: says how busy the machine was."""


def bare_python() -> float:
    """Seconds of an interpreter that does nothing."""
    return wall_time((sys.executable, "-c", "pass"), Path.cwd(), os.environ)


def help_times(rounds: int) -> Iterator[Line]:
    """`conquestctl --help` against the same of docker-compose."""
    what = f"`conquestctl --help` against `docker-compose --help` {COMPOSE_VERSION}"
    program, why = compose()
    if not program:
        yield Missing(what, why)
        return
    here = Path.cwd()
    works = {
        "conquestctl": lambda: wall_time((PROGRAM, "--help"), here, os.environ),
        "docker-compose": lambda: wall_time((program, "--help"), here, os.environ),
        BARE: bare_python,
    }
    yield ratio(what, interleaved(max(rounds, 10), works), HELP_BAR)


def create_time(rounds: int) -> Iterator[Line]:
    """A hundred instances in a fleet that has none."""

    def once() -> float:
        with temporary_place("process") as place:
            return place.conquestctl("create", "node", "--count", "100")

    samples = interleaved(rounds, {"create": once, BARE: bare_python})
    yield median("`create --count 100`", "s", samples, CREATE_BAR)


def compose() -> tuple[str, str]:
    """The docker-compose to compare with, or why there is none."""
    program = shutil.which("docker-compose")
    if program is None:
        return "", "docker-compose is not installed (Debian: apt-get install docker-compose)"
    said = subprocess.run((program, "--version"), capture_output=True, text=True, check=False).stdout
    if COMPOSE_VERSION not in said:
        return "", f"{program} is not version {COMPOSE_VERSION}: {said.strip()}"
    return program, ""
