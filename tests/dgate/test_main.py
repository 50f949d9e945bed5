"""The program as it is run: command line, start, stop, and what keeps it from starting."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE

from dgate.main import HELP, Options, UsageError, parse
from dgate.net.scu import EchoError, echo

from .net.conftest import wait_for
from .net.raw import CT, RawClient, store_message

CT_FILE = Path(str(get_testdata_file("CT_small.dcm")))
REPOSITORY = Path(__file__).parents[2]
INI = """[sscscp]
MyACRNema = ORACLE
TCPPort = {port}
SQLite = 1
SQLServer = {folder}/conquest.db3
MAGDevice0 = {folder}/data/
TroubleLog = PacsTrouble.log
"""


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def instance(tmp_path: Path, port: int) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "dicom.ini").write_text(INI.format(port=port, folder=tmp_path))
    for name in ("dicom.sql", "dgatesop.lst"):
        (tmp_path / name).write_bytes((REPOSITORY / "templates/mount/config" / name).read_bytes())
    return tmp_path


def dgate(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dgate", *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


class Program:
    """A running server."""

    def __init__(self, instance: Path, port: int, files: int | None = None) -> None:
        self.output = instance / "stdout"
        command = [sys.executable, "-m", "dgate", "-v", f"-w{instance}", "-q127.0.0.1"]
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=out, stderr=subprocess.STDOUT)
        if files is not None:
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (files, files))
        wait_for(lambda: self.answers(port) or self.process.poll() is not None, context=self.output.read_text)

    def answers(self, port: int) -> bool:
        try:
            echo("127.0.0.1", port, calling="ORACLE", called="ORACLE")
        except EchoError:
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def run(instance: Path, port: int) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def start(files: int | None = None) -> Program:
        programs.append(Program(instance, port, files))
        return programs[-1]

    yield start
    for program in programs:
        program.process.kill()
        program.process.wait()


def test_options_are_read_left_to_right() -> None:
    words = ["-v", "-w/inst", "-p104", "-p5678", "-hCT1", "-q10.0.0.1"]
    assert parse(words, "/default") == Options("/inst", verbose=True, port=5678, ae_title="CT1", host="10.0.0.1")
    assert parse([], "/default") == Options("/default")
    assert parse(["-r1"], "") == Options("", action="regenerate", mode=1)
    assert parse(["-i"], "") == Options("", action="initialise")
    assert parse(["--echo"], "") == Options("", action="echo")
    assert parse(["--echo:host:104"], "") == Options("", action="echo", target="host:104")


@pytest.mark.parametrize("word", ["-?", "-x", "-w", "-p", "-pabc", "-p0", "-p65536", "-r7", "file", "", "--what:"])
def test_what_is_not_an_option_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        parse([word], "")


def test_help_goes_to_stderr_with_status_0() -> None:
    done = dgate("-?")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", HELP)


@pytest.mark.parametrize("option", ["-w{}", "-w{}/dicom.ini"])
def test_a_missing_configuration_is_said_as_the_original_says_it(tmp_path: Path, option: str) -> None:
    done = dgate(option.format(tmp_path))
    assert done.returncode == 1
    assert done.stderr == f"Configuration file {tmp_path}/dicom.ini not found, but required.\n"


def test_a_fatal_fault_in_the_configuration(instance: Path) -> None:
    (instance / "dicom.ini").write_text("[sscscp]\nMyACRNema = A\n")
    done = dgate(f"-w{instance}")
    assert done.returncode == 1
    assert "***" in done.stderr
    assert "SQLServer" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_dicom_sql_it_does_not_start(instance: Path) -> None:
    (instance / "dicom.sql").unlink()
    done = dgate(f"-w{instance}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"***Error loading kfactor file:{instance}/dicom.sql\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(run: Callable[..., Program], number: int) -> None:
    program = run()
    assert program.stop(number) == 0
    lines = program.output.read_text().splitlines()
    assert lines[0].startswith("DGATE (1.5.0e, build ")
    assert lines[0].endswith(", bits 64) is running as threaded server")
    assert lines[1] == "Database type: built-in SQLite driver"
    assert "C-Echo" in lines


def test_a_port_in_use_is_an_error(run: Callable[..., Program], instance: Path, port: int) -> None:
    run()
    done = dgate(f"-w{instance}", "-q127.0.0.1")
    assert done.returncode == 1
    assert done.stderr == f"***Failed to Listen () - bind error\n***127.0.0.1:{port}: Address already in use\n"


def test_a_restart_takes_the_port_at_once(run: Callable[..., Program], port: int) -> None:
    program = run()
    with RawClient(port) as client:
        client.associate()
        assert client.echo() == 0
        program.stop()  # the server closes first, so its end of the connection lingers in TIME_WAIT
    assert run().process.poll() is None


def test_echo_tells_up_from_down(run: Callable[..., Program], instance: Path) -> None:
    run()
    up = dgate(f"-w{instance}", "--echo")
    assert (up.returncode, up.stdout, up.stderr) == (0, "ORACLE is UP\n", "")
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    down = dgate(f"-w{instance}", f"--echo:127.0.0.1:{free}")
    assert down.returncode == 1
    assert down.stderr.startswith("ORACLE is DOWN: cannot talk to")


def test_a_store_goes_to_disk_and_is_in_the_user_log(run: Callable[..., Program], instance: Path, port: int) -> None:
    assert dgate(f"-w{instance}", "-i").returncode == 0
    program = run()
    ae = AE("PYNET")
    ae.add_requested_context(CT)
    association = ae.associate("127.0.0.1", port)
    ct = pydicom.dcmread(CT_FILE)
    assert association.send_c_store(ct).Status == 0
    association.release()
    assert program.stop() == 0
    (stored,) = (instance / "data").rglob("*.dcm")
    assert pydicom.dcmread(stored) == ct
    assert '"C-Store","PYNET           "' in (instance / "PacsUser.log").read_text()


def test_sigterm_lets_the_object_in_flight_be_stored(run: Callable[..., Program], instance: Path, port: int) -> None:
    assert dgate(f"-w{instance}", "-i").returncode == 0
    program = run()
    ct = pydicom.dcmread(CT_FILE)
    data = CT_FILE.read_bytes()
    data_set = data[132 + 12 + ct.file_meta.FileMetaInformationGroupLength :]
    message = store_message(data_set, uid=ct.SOPInstanceUID, max_length=4096)
    with RawClient(port) as client:
        client.associate()
        client.send(message[:9000])
        wait_for(lambda: "Server Command   := 0001" in program.output.read_text())
        program.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not program.answers(port))
        client.send(message[9000:])
        assert client.status() == 0
    assert program.process.wait(20) == 0
    assert len(list((instance / "data").rglob("*.dcm"))) == 1


def test_running_out_of_descriptors_drops_strangers_not_clients(run: Callable[..., Program], port: int) -> None:
    program = run(files=40)
    strangers = [RawClient(port) for _ in range(60)]
    wait_for(lambda: "***Cannot accept a connection" in program.output.read_text())
    wait_for(lambda: program.answers(port))
    for stranger in strangers:
        stranger.sock.close()


def test_idle_memory_and_imports_stay_small(run: Callable[..., Program]) -> None:
    program = run()
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    assert resident <= 20 * 1024
    loaded = "import sys, dgate.server; print(*sorted(m for m in sys.modules if '.' not in m))"
    names = subprocess.check_output([sys.executable, "-c", loaded], cwd=REPOSITORY, text=True).split()
    assert not {"asyncio", "logging", "pathlib", "argparse", "pydicom", "pynetdicom", "subprocess"} & set(names)
