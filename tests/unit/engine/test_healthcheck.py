"""The container's health check is a shell script; here it talks to a real DICOM server."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

SCRIPT = Path(__file__).parents[3] / "image" / "healthcheck"


class Seen:
    """What the server heard."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.released = threading.Event()
        self.aborted = 0

    def requested(self, event: evt.Event) -> None:
        request = event.assoc.requestor.primitive
        assert request is not None
        self.called.append(request.called_ae_title)

    def release(self, _event: evt.Event) -> None:
        self.released.set()

    def abort(self, _event: evt.Event) -> None:
        self.aborted += 1


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def port(seen: Seen) -> Iterator[int]:
    ae = AE("CT%1")
    ae.require_called_aet = True
    ae.add_supported_context("1.2.840.10008.1.1")
    handlers: list[Any] = [
        (evt.EVT_REQUESTED, seen.requested),
        (evt.EVT_RELEASED, seen.release),
        (evt.EVT_ABORTED, seen.abort),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    assert server.socket is not None
    yield server.socket.getsockname()[1]
    server.shutdown()


def check(port: int, title: str) -> subprocess.CompletedProcess[str]:
    environ = {"AETITLE": title, "PORT": str(port), "PATH": "/usr/bin:/bin"}
    return subprocess.run(["bash", SCRIPT], env=environ, capture_output=True, text=True, timeout=20, check=False)


def test_healthy_under_its_own_title_and_properly_released(port: int, seen: Seen) -> None:
    done = check(port, "CT%1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert seen.called == ["CT%1"]
    assert seen.released.wait(10)
    assert not seen.aborted


def test_unhealthy_when_it_answers_under_another_title(port: int) -> None:
    done = check(port, "MR1")
    assert done.returncode == 1
    assert "no association for MR1 (the answer is of type 3" in done.stdout


def test_unhealthy_when_nothing_listens() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        done = check(server.getsockname()[1], "CT1")
    assert done.returncode == 1
    assert "nothing listens" in done.stdout


def test_unhealthy_when_the_server_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        environ = {"AETITLE": "CT1", "PORT": str(server.getsockname()[1]), "PATH": "/usr/bin:/bin"}
        with subprocess.Popen(["bash", SCRIPT], env=environ, stdout=subprocess.PIPE, text=True) as process:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.close()
            output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "type 0" in output
