"""Another host: a network namespace with an address of its own on a veth pair, and dcmtk's programs running in it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import dcmtk
from tests.integration.dockerside import wait_for

OURS, THEIRS = "10.214.77.1", "10.214.77.2"


@dataclass(frozen=True)
class OtherHost:
    """The host behind the cable."""

    namespace: str
    cable: str
    """Name of this machine's end of the cable."""
    address: str = THEIRS
    us: str = OURS
    """This machine's address on the cable."""

    def runs(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of dcmtk's programs there to its end."""
        command = [*self._inside(), dcmtk.path(program), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def runs_well(self, program: str, *words: str) -> str:
        done = self.runs(program, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, code: str) -> None:
        subprocess.run([*self._inside(), "python3", "-c", code], timeout=60, check=True)

    @contextmanager
    def receives(self, folder: Path, title: str, port: int) -> Iterator[None]:
        """A storescp there, which puts what it gets into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [*self._inside(), dcmtk.path("storescp"), "-od", str(folder), "-aet", title, str(port)]
        with (folder.parent / "storescp.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(lambda: self._listens(port), "storescp")
            yield
        finally:
            process.terminate()
            process.wait(10)

    def _listens(self, port: int) -> bool:
        try:
            with socket.create_connection((self.address, port), 2):
                return True
        except OSError:
            return False

    def _inside(self) -> Sequence[str]:
        return ("ip", "netns", "exec", self.namespace)


@contextmanager
def other_host() -> Iterator[OtherHost]:
    """A host of its own for the length of a test; skips where there can be none, and says why."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    if not shutil.which("ip") or dcmtk.find("storescp") is None:
        pytest.skip("ip (iproute2) and dcmtk are needed")
    token = secrets.token_hex(3)
    name, near, far = f"conquest-{token}", f"cq-{token}-a", f"cq-{token}-b"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        _ip("addr", "add", f"{OURS}/24", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "addr", "add", f"{THEIRS}/24", "dev", far)
        _ip("-n", name, "link", "set", far, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield OtherHost(name, near)
    finally:
        subprocess.run(["ip", "link", "del", near], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
