"""Sections 11.1, 11.2 and 11.4: options, exit statuses, the client of server commands, stopping."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ports import free_port

from .conftest import StartNode
from .node import REPOSITORY, Node, program
from .objects import as_file, ct1
from .scu import store


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """An instance that nobody serves."""
    made = Node(tmp_path_factory.mktemp("idle"), amap="DEST 127.0.0.1 104 j2\nX* 127.0.0.1 156*\n")
    made.initialise()
    return made


class Ran(NamedTuple):
    words: Sequence[str]
    status: int
    out: str = ""
    error: str = ""
    """Regular expressions for the whole of it; `error` may be only part."""


RAN = (
    Ran(["-?"], 0, "", r"-wDIR"),
    Ran(["--nonsense"], 0, "", r"-wDIR"),
    Ran(["-Y"], 0, "", r"-wDIR"),
    Ran(["-fu"], 0, r"1\.2\.826\.0\.1\.3680043\.2\.135\.1066\.6\.\d{10}\.\d+\n"),
    Ran(["-m"], 0),
    Ran(["-v", "-m"], 0, r"(?s).*DEST +  127\.0\.0\.1 +  104 +  j2 +\nX\* +  127\.0\.0\.1 +  156\* +  un +\n"),
    Ran(["-v", "-d"], 0, r"(?s).*\d+.*"),
    Ran(["-v", "-k"], 0, r"(?s).*PatientID.*SOPInstanc.*"),
    Ran(["-v", "-o"], 0, r"(?s).+"),
    Ran(["-v", "-t"], 0, r"(?s).+"),
    Ran(["--dolua:print(1+1)"], 0, r"2\n"),
    Ran(["--echo:DEST"], 1, "", r"."),
)


@pytest.mark.parametrize("case", RAN, ids=[" ".join(case.words) for case in RAN])
def test_11_1_options(idle: Node, case: Ran) -> None:
    done = program(idle.folder, *case.words)
    assert done.returncode == case.status, done.stderr
    assert re.fullmatch(case.out, done.stdout), done.stdout
    assert re.search(case.error, done.stderr), done.stderr


def test_11_1_without_configuration(tmp_path: Path) -> None:
    done = program(tmp_path, "-v")
    assert done.returncode == 1
    assert f"Configuration file {tmp_path}/dicom.ini not found, but required." in done.stdout + done.stderr


def test_11_1_a_configuration_file_instead_of_a_folder(idle: Node) -> None:
    other = idle.folder / "other.ini"
    other.write_text((idle.folder / "dicom.ini").read_text().replace("ORACLE", "SOMEBODY"))
    done = subprocess.run(
        [sys.executable, "-m", "dgate", "-v", f"-w{other}", "-m"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0
    assert "DEST" in done.stdout


# -- what is done without a server


def test_11_1_options_that_change_the_archive(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.initialise()
    file = tmp_path / "object"
    file.write_bytes(as_file(ct1()))
    assert program(node.folder, f"-fa{file}").returncode == 0
    (first,) = node.files()
    assert file.exists()
    renamed = program(node.folder, "-v", f"-fa{file},NEWPID")
    assert "Modified patient ID to: NEWPID" in renamed.stdout.splitlines()
    assert re.search(r"^NewUID for StudyInstanceUID = [0-9.]+\.7\.[0-9.]+$", renamed.stdout, re.MULTILINE)
    rows = node.rows("SELECT ImagePat, SOPInstanc FROM DICOMImages ORDER BY ImagePat DESC")
    assert [patient for patient, _ in rows] == ["PAT 001.A", "NEWPID"]
    assert rows[0][1] != rows[1][1]
    (node.data / "by hand").mkdir()
    (node.data / "by hand" / "a.dcm").write_bytes(as_file(ct1()))
    for option in (f"-fe{node.data}/by hand/a.dcm", "-frMAG0,by hand", "-arMAG0"):
        done = program(node.folder, "-v", option)
        assert f"[Regen] {node.data}/by hand/a.dcm -SUCCESS" in done.stdout.splitlines(), option
    program(node.folder, "-zNEWPID")
    assert node.rows("SELECT PatientID FROM DICOMPatients") == [("PAT 001.A",)]
    program(node.folder, "-fpPAT 001.A")
    assert node.rows("SELECT * FROM DICOMPatients") == []
    assert len(node.files()) == 1  # one of the two that were the same object: nobody knows it
    assert node.files() in ([first], ["by hand/a.dcm"])


# -- 11.2


@pytest.fixture(scope="module")
def served(start_node: StartNode) -> Node:
    node = start_node()
    assert store(node.port, ct1()) == [0]
    return node


class Command(NamedTuple):
    text: str
    status: int
    out: str
    """A regular expression."""


COMMANDS = (
    Command(
        "display_status:", 255, r"(?s)DICOM server 'ORACLE' \(version 1\.5\.0e, port \d+, bits 64\) was started on .*"
    ),
    Command("get_param:MyACRNema", 255, r"ORACLE\s*"),
    Command("no_such_command:", 0, r""),
    Command("genuid:", 255, r"1\.2\.826\.0\.1\.3680043\.2\.135\.1066\.6\.\d{10}\.\d+\s*"),
)


@pytest.mark.parametrize("case", COMMANDS, ids=[case.text for case in COMMANDS])
def test_11_2_status_and_output(served: Node, case: Command) -> None:
    before = served.mark()
    done = program(served.folder, f"--{case.text}")
    assert (done.returncode, done.stderr) == (case.status, "")
    assert re.fullmatch(case.out, done.stdout), done.stdout
    assert served.line("Server command sent", before) == "Server command sent using DGATE -- option"


def test_11_2_nobody_there(idle: Node) -> None:
    assert program(idle.folder, "--display_status:").returncode == 1
    assert program(idle.folder, f"-p{free_port()}", "--display_status:").returncode == 1


def test_11_1_port_and_title_of_the_command_line_go_first(start_node: StartNode) -> None:
    port = free_port()
    node = start_node(words=(f"-p{port}", "-hANOTHER"))
    node.port = port
    done = program(node.folder, f"-p{port}", "-q127.0.0.1", "--display_status:")
    assert done.stdout.startswith(f"DICOM server 'ANOTHER' (version 1.5.0e, port {port}, bits 64) was started on ")


def test_11_2_quit_ends_the_process(tmp_path: Path) -> None:
    node = Node(tmp_path / "quit")
    try:
        node.initialise()
        node.start()
        program(node.folder, "--quit:")
        assert node.process is not None
        assert node.process.wait(10) == 0
    finally:
        node.kill()


# -- 11.4


def test_11_4_a_port_in_use(served: Node) -> None:
    """An error with a status of its own, which the original does not give (section 15)."""
    done = program(served.folder, "-v")
    assert done.returncode != 0
    assert "***Failed to Listen () - bind error" in done.stdout.splitlines()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_11_4_stopping(tmp_path: Path, sign: signal.Signals) -> None:
    node = Node(tmp_path / "stop")
    try:
        node.initialise()
        node.start()
        assert node.process is not None
        node.process.send_signal(sign)
        assert node.process.wait(10) == 0
    finally:
        node.kill()
