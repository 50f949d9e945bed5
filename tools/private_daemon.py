"""The part of the private engine that runs inside its own namespaces, as their first process.

Everything here may be left to the kernel: processes, mounts, bridges and packet filter rules belong to the namespaces
and go when this process ends, however it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from conquestctl.engine.endpoint import Endpoint, probe
from conquestctl.errors import EngineError
from tools import base_image, debian

RUN = Path("/run")
START_SECONDS = 60
STOP_SECONDS = 5
"""Enough for an engine without containers; one that was left some is killed, and they with it."""
FAILED = 70
"""Exit status when the engine itself failed: `EX_SOFTWARE`, which no test runner uses."""


def main(arguments: Sequence[str]) -> int:
    """`TOKEN CACHE COMMAND...`: run the command beside a fresh engine and return its status."""
    token, cache, command = arguments[0], Path(arguments[1]), arguments[2:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the command's; when it ends, so do we
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    _furnish()
    log = cache / "engine.log"
    try:
        with daemon(RUN / "engine", log, token) as host:
            base_image.import_archive(host, base_image.ensure_archive(cache))
            environ = {**os.environ, "DOCKER_HOST": host, "CONQUESTCTL_BASE": base_image.IMAGE}
            status = run_reaping(command, environ)
            if status:
                print(f"the private engine's log: {log}", file=sys.stderr)
    except (EngineError, OSError) as error:
        print(f"the private engine failed: {error}\n{debian.tail(log, 20)}", file=sys.stderr)
        return FAILED
    return status


@contextmanager
def daemon(folder: Path, log: Path, cgroup: str) -> Iterator[str]:
    """Run dockerd with all that it owns in `folder`; yields its DOCKER_HOST. Raises `EngineError`.

    Its containerd is its own too: dockerd starts one beside itself when it is not told of another.
    """
    folder.mkdir(parents=True)
    host = f"unix://{folder}/docker.sock"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "dockerd.pid"}
    options = [f"--{option}={folder / name}" for option, name in places.items()]
    # cgroupfs, because the other driver asks the system's own service manager to do the work
    options += [f"--host={host}", f"--cgroup-parent=/{cgroup}", "--exec-opt=native.cgroupdriver=cgroupfs"]
    path = f"{os.environ.get('PATH', os.defpath)}:{debian.SYSTEM_PATH}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [debian.find("dockerd") or "dockerd", *options],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path}, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_it_answers(process, host)
        yield host
    finally:
        _stop(process)


def run_reaping(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command; meanwhile do the first process's duty towards orphans, or they would stay as zombies."""
    child = subprocess.Popen(command, env=environ, preexec_fn=_default_signals)  # noqa: PLW1509 -- no thread runs here
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _furnish() -> None:
    """An empty `/run` in memory, where the engine keeps everything, and a loopback interface that is up."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "private-engine", str(RUN)], check=True)
    (RUN / "lock").mkdir()
    subprocess.run([debian.find("ip") or "ip", "link", "set", "lo", "up"], check=True)


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_until_it_answers(process: subprocess.Popen[bytes], host: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            probe(Endpoint(host, "the private engine"))
        except EngineError:
            if process.poll() is not None:
                raise EngineError(f"dockerd ended with status {process.returncode}") from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
