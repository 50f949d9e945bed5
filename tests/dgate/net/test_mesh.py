"""The look around from beside a server: real peers, good and bad, and the map that leads to them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dgate.net import pdu
from dgate.net.mesh import main
from dgate.net.probe import Facts, probe
from tests.echo_server import EchoServer
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[3]


def asked(port: int, host: str = "127.0.0.1", *, called: str = "PEER", timeout: float = 5.0) -> Facts:
    facts = Facts(called, "CT1", timeout)
    probe(host, port, facts)
    return facts


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A peer that reads a request and does something else than it should."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(4096)
            answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def waits(connection: socket.socket) -> None:
    while connection.recv(4096):
        continue


def test_a_node_that_answers() -> None:
    server = EchoServer("PEER")
    facts = asked(server.port, "localhost")
    server.close()
    assert (facts.accepted, facts.contexts, facts.status) == (True, 1, 0)
    assert facts.connected == "127.0.0.1"
    assert "127.0.0.1" in facts.addresses
    assert facts.seconds > 0


def test_a_node_that_is_called_otherwise() -> None:
    server = EchoServer("PEER")
    facts = asked(server.port, called="Peer")
    server.close()
    assert facts.rejected == (1, 1, 7)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (pdu.encode_abort(2, 5), {"aborted": (2, 5)}),
        (pdu.encode_reject(pdu.AssociateReject(1, 1, 3)), {"rejected": (1, 1, 3)}),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", {"garbage": True}),
        (b"\x02\x00\xff\xff\xff\xff", {"garbage": True}),
        (pdu.HEADER.pack(pdu.ASSOCIATE_AC, 3) + b"abc", {"garbage": True}),
        (pdu.RELEASE_RP_PDU, {"garbage": True}),
        (b"", {"accepted": False, "garbage": False, "aborted": None}),
    ],
)
def test_peers_that_answer_otherwise(answer: bytes, expected: dict[str, object]) -> None:
    with answering(says(answer)) as port:
        facts = asked(port)
    assert {name: getattr(facts, name) for name in expected} == expected
    assert facts.status is None


def test_a_peer_that_never_answers() -> None:
    with answering(waits) as port:
        facts = asked(port, timeout=0.2)
    assert facts.expired
    assert facts.connected


def test_nobody_there_and_no_such_host() -> None:
    assert asked(free_port()).connect_error == "ECONNREFUSED"
    facts = asked(104, "no-such-host.invalid")
    assert facts.unresolved
    assert not facts.addresses
    assert asked(104, "x" * 70 + ".invalid").unresolved


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    config = tmp_path / "mount" / "config"
    config.mkdir(parents=True)
    ini = "[sscscp]\nMicroPACS = sscscp\nMyACRNema = CT1\nTCPPort = 5678\nACRNemaMap = acrnema.map\n"
    (config / "dicom.ini").write_text(ini, encoding="ascii")
    return tmp_path


def looked(folder: Path, *titles: str, timeout: str = "5") -> dict[str, dict[str, Any]]:
    """Run it as the orchestrator does."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dgate.net.mesh", timeout, *titles],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "AETITLE": "CT1"},
        capture_output=True,
        check=True,
    )
    document = json.loads(done.stdout)
    assert document["ae_title"] == "CT1"
    assert document["file"] == "mount/config/acrnema.map"
    return {one["ae"]: one for one in document["nodes"]}


def test_many_at_once_by_the_map(instance: Path) -> None:
    server, nobody = EchoServer("PEER"), free_port()
    lines = f"# nodes\nPEER localhost {server.port} j2\nGONE 127.0.0.1 {nobody}\nSHORT h\nX* 127.0.0.1 {nobody}\n"
    (instance / "mount" / "config" / "acrnema.map").write_text(lines, encoding="ascii")
    found = looked(instance, "PEER", "GONE", "SHORT", "X7", "NOBODY")
    server.close()
    assert found["PEER"]["entry"] == {
        "ae": "PEER",
        "host": "localhost",
        "port": str(server.port),
        "compression": "j2",
        "line": 2,
    }
    assert found["PEER"]["facts"]["status"] == 0
    assert found["PEER"]["facts"]["calling"] == "CT1"
    assert found["GONE"]["facts"]["connect_error"] == "ECONNREFUSED"
    assert (found["SHORT"]["entry"]["port"], found["NOBODY"]["entry"]) == ("", None)
    assert found["X7"]["entry"]["line"] == 5


def test_the_time_of_all_is_the_time_of_one(instance: Path) -> None:
    """They are asked at once; a resolver or peer that does not answer holds up nobody."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        lines = "".join(f"N{number} 127.0.0.1 {port}\n" for number in range(20))
        (instance / "mount" / "config" / "acrnema.map").write_text(lines, encoding="ascii")
        found = looked(instance, *(f"N{number}" for number in range(20)), timeout="0.3")
    assert [one["facts"]["expired"] for one in found.values()] == [True] * 20


def test_what_keeps_it_from_looking(
    instance: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(instance)
    assert main([]) == main(["soon", "A"]) == 2
    assert main(["1", "A"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "mount/config/acrnema.map: No such file or directory"
