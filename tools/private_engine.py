"""Run a command beside a Docker engine: `python -m tools.private_engine [--private] -- COMMAND...`.

An engine that answers already is used. Otherwise, as root on Debian or Ubuntu, a private one is made for the length of
the command: Debian's dockerd in its own mount, process and network namespaces. The system's engine, its sockets,
bridges and packet filter are never touched, and the kernel itself removes all that the private one made. Where neither
is possible the command runs all the same, with the reason in CONQUESTCTL_NO_ENGINE.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from conquestctl.engine.endpoint import find_endpoint, probe
from conquestctl.errors import EngineError
from tools import base_image, database_images, debian
from tools.debian import UnavailableError

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = REPOSITORY / ".cache"
PROGRAMS = {
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "dcmdump": "dcmtk",
    "Orthanc": "orthanc",
    "mariadbd": "mariadb-server",
    "pg_lsclusters": "postgresql",
}
"""What the tests against an engine, other people's DICOM programs and databases use, and the packages that have it."""
NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL"),  # whatever ends us ends it
    *("unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"),
)
CGROUPS = Path("/sys/fs/cgroup")
VANISH_SECONDS = 10


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit status is ours."""
    private = arguments[:1] == ["--private"]
    words = list(arguments[private:])
    if words[:1] != ["--"] or not words[1:]:
        print(f"usage: {__doc__.splitlines()[0].partition('`')[2].rstrip('`.')}", file=sys.stderr)
        return 2
    try:
        if not private and engine_answers(os.environ):
            return run(words[1:], os.environ)
        with _one_at_a_time():
            prepare()
    except UnavailableError as error:
        print(f"no private Docker engine: {error}", file=sys.stderr, flush=True)
        return run(words[1:], {**os.environ, "CONQUESTCTL_NO_ENGINE": str(error)})
    return run_beside_private_engine(words[1:])


def engine_answers(environ: Mapping[str, str]) -> bool:
    """Whether there is an engine that conquestctl itself would use."""
    try:
        probe(find_endpoint(environ))
    except EngineError:
        return False
    return True


def prepare() -> None:
    """Everything that needs the network or takes long, before the engine starts. Raises `UnavailableError`."""
    if os.geteuid() != 0:
        raise UnavailableError("only root can start one")
    if not debian.is_debian(debian.release()):
        raise UnavailableError("that is done on Debian and Ubuntu only")
    if subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode:
        raise UnavailableError("this machine does not allow namespaces of one's own")
    debian.require(PROGRAMS, CACHE / "packages.log")
    base_image.ensure_archive(CACHE)
    database_images.ensure_archive(CACHE)


def run(command: Sequence[str], environ: Mapping[str, str], ending: signal.Signals = signal.SIGTERM) -> int:
    """Run in the foreground; a signal that is to end us ends it, by `ending`."""
    with subprocess.Popen(command, env=environ) as child, _passing_signals(child, ending):
        status = child.wait()
    return status if status >= 0 else 128 - status


def run_beside_private_engine(command: Sequence[str]) -> int:
    """Run in new namespaces beside an engine of its own.

    Killing `unshare` is enough to end it: its first process goes with it, and by the kernel's hand all others of the
    namespace. A gentler signal would not do, because `unshare` blocks it.
    """
    token = f"conquestctl-{secrets.token_hex(4)}"
    inside = [sys.executable, "-m", "tools.private_daemon", token, str(CACHE)]
    search = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    print("starting a private Docker engine", flush=True)
    try:
        environ = {**os.environ, "PYTHONPATH": search}
        return run([*NAMESPACES, "--", *inside, *command], environ, signal.SIGKILL)
    finally:
        _remove_cgroups(token)


@contextmanager
def _passing_signals(child: subprocess.Popen[bytes], ending: signal.Signals) -> Iterator[None]:
    """Ctrl-C reaches the command by itself; SIGTERM and SIGHUP come to us alone and are passed on as `ending`."""

    def end(*_: object) -> None:
        child.send_signal(ending)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two runs in one checkout would both make the base image."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_cgroups(token: str) -> None:
    """Control groups are the one thing that outlives the namespaces when the engine is killed."""
    tops = [top for top in (CGROUPS / token, *CGROUPS.glob(f"*/{token}")) if top.is_dir()]
    deadline = time.monotonic() + VANISH_SECONDS
    for folder in [folder for top in tops for folder, _, _ in os.walk(top, topdown=False)]:
        while not _removed(Path(folder)) and time.monotonic() < deadline:
            time.sleep(0.02)


def _removed(cgroup: Path) -> bool:
    """Remove an empty group. One whose last process was killed this moment is busy until the kernel is done with it."""
    try:
        cgroup.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
