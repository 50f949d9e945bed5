"""The command line as it is typed: a server as a process of its own, and `dgate --command:args` beside it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from dgate.commands.client import send, show
from dgate.net.scu import EchoError, echo
from tests.dgate.commands.conftest import CONFIG, INI, MAP, Site
from tests.dgate.net.conftest import wait_for
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[3]
CT_FILE = get_testdata_file("CT_small.dcm")


def dgate(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dgate", *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    port = free_port()
    (tmp_path / "data").mkdir()
    (tmp_path / "dicom.ini").write_text(INI.format(root=tmp_path).replace("5678", str(port)))
    (tmp_path / "acrnema.map").write_text(MAP)
    for name in ("dicom.sql", "dgatesop.lst"):
        (tmp_path / name).write_bytes((CONFIG / name).read_bytes())
    assert dgate(f"-w{tmp_path}", "-i").returncode == 0
    return tmp_path


@pytest.fixture
def server(instance: Path) -> Iterator[subprocess.Popen[bytes]]:
    port = int((instance / "dicom.ini").read_text().split("TCPPort = ")[1].split()[0])
    with subprocess.Popen([sys.executable, "-m", "dgate", f"-w{instance}"], cwd=REPOSITORY) as process:
        wait_for(lambda: is_up(port))
        yield process
        process.terminate()


def is_up(port: int) -> bool:
    try:
        echo("127.0.0.1", port, calling="ORACLE", called="ORACLE")
    except EchoError:
        return False
    return True


@pytest.mark.usefixtures("server")
def test_exit_statuses(instance: Path) -> None:
    answer = dgate(f"-w{instance}", "--get_param:MyACRNema")
    assert (answer.returncode, answer.stdout, answer.stderr) == (255, "ORACLE", "")
    silent = dgate(f"-w{instance}", "--get_ini_param:NoSuchKey")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")


@pytest.mark.usefixtures("server")
def test_status(instance: Path) -> None:
    text = dgate(f"-w{instance}", "--status")
    assert text.returncode == 0
    assert text.stdout.startswith("DICOM server 'ORACLE' (version 1.5.0e, port ")
    facts = dgate(f"-w{instance}", "--status:json")
    assert facts.returncode == 0
    assert json.loads(facts.stdout)["database"]["ok"]


@pytest.mark.usefixtures("server")
def test_upload(instance: Path) -> None:
    assert dgate(f"-w{instance}", f"--addlocalfile:{CT_FILE}").stdout == "0"
    assert dgate(f"-w{instance}", "--patientfinder:local|||").stdout.startswith("1CT1|")
    missing = dgate(f"-w{instance}", "--addlocalfile:/no/such/file")
    assert missing.returncode == 1
    assert "/no/such/file" in missing.stderr


def test_quit_ends_the_process(instance: Path, server: subprocess.Popen[bytes]) -> None:
    assert dgate(f"-w{instance}", "--quit:").returncode == 0
    assert server.wait(30) == 0


def test_no_server(instance: Path) -> None:
    answer = dgate(f"-w{instance}", "--get_param:MyACRNema")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("ORACLE: no answer from 127.0.0.1:")
    assert dgate(f"-w{instance}", "--status").returncode == 1


def test_direct_options(instance: Path) -> None:
    assert dgate(f"-w{instance}", f"-fa{CT_FILE}").returncode == 0
    assert len(list((instance / "data").rglob("*.dcm"))) == 1
    assert dgate(f"-w{instance}", "-z1CT1").returncode == 0
    assert list((instance / "data").rglob("*.dcm")) == []


def test_status_where_no_commands_are_taken(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dgate.commands.dispatch.is_loopback", lambda _: False)
    assert show(site.settings, "127.0.0.1", site.port, "display_status:") == 1
    assert "ServerCommandsFrom" in capsys.readouterr().err


def test_a_server_that_is_none(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        from threading import Thread

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        assert send(site.settings, "127.0.0.1", port, "genuid:") == 1
        thread.join()
    assert "no answer from" in capsys.readouterr().err
