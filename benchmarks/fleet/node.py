"""One server as a local process: how soon it answers, and how much memory it holds while it waits."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.fleet.commands import BARE, bare_python
from benchmarks.fleet.figures import Figure, Line, interleaved, median
from benchmarks.fleet.place import FailedError, Place, temporary_place
from conquestctl.engine.process import SERVER, environment
from conquestctl.fleet.instance import Instance
from dgate.net.scu import echo

ECHO_BAR = 0.2
MEMORY_BAR = 20.0
PAUSE = 0.001
LONGEST = 30.0


def first_echo(rounds: int) -> Iterator[Line]:
    """From the start of the process until a C-ECHO is answered: with an empty folder, and with a database there."""
    with temporary_place("process") as place:
        names = [f"n{number}" for number in range(rounds)]
        place.conquestctl("create", *names)
        fresh = iter(place.fleet())
        used = place.fleet()[0]
        works = {"first": lambda: _until_echo(place, next(fresh)), BARE: bare_python}
        yield median("first C-ECHO of a new instance", "s", interleaved(rounds, works), ECHO_BAR)
        works = {"again": lambda: _until_echo(place, used), BARE: bare_python}
        yield median("first C-ECHO after a restart", "s", interleaved(rounds, works), ECHO_BAR)


def idle_memory() -> Iterator[Line]:
    """What the kernel counts for a server that has answered and now waits."""
    with temporary_place("process") as place:
        place.conquestctl("create", "idle")
        (instance,) = place.fleet()
        with _running(place, instance) as child:
            _wait_for_echo(child, instance)
            memory = _memory(child.pid)
    for key, name in (("Rss", "resident"), ("Pss", "proportional (PSS)")):
        yield Figure(f"idle memory, {name}", memory[key], "MB", MEMORY_BAR)


def _until_echo(place: Place, instance: Instance) -> float:
    began = time.perf_counter()
    with _running(place, instance) as child:
        _wait_for_echo(child, instance)
        return time.perf_counter() - began


@contextmanager
def _running(place: Place, instance: Instance) -> Iterator[subprocess.Popen[bytes]]:
    """The process exactly as the process engine starts it."""
    with (instance.mount / "logs" / "console.log").open("ab") as log:
        child = subprocess.Popen(
            SERVER, cwd=instance.folder, env=environment(instance, place.environ), stdout=log, stderr=log
        )
    try:
        yield child
    finally:
        child.terminate()
        child.wait(LONGEST)


def _wait_for_echo(child: subprocess.Popen[bytes], instance: Instance) -> None:
    """Try to connect until somebody listens, then ask once. Raises `FailedError`."""
    until = time.monotonic() + LONGEST
    while not _listens(instance):
        if child.poll() is not None or time.monotonic() > until:
            raise FailedError(f"{instance.name} did not come up: {_console(instance)}")
        time.sleep(PAUSE)
    echo("127.0.0.1", instance.port, calling="BENCH", called=instance.ae_title)


def _listens(instance: Instance) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", instance.port)) == 0


def _console(instance: Instance) -> str:
    return (instance.mount / "logs" / "console.log").read_text(encoding="utf-8", errors="replace")[-2000:]


def _memory(pid: int) -> dict[str, float]:
    """MB by the kernel's names, from `/proc/PID/smaps_rollup`."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {line.partition(":")[0]: int(line.split()[1]) / 1024 for line in lines}
