"""The program as it is run: command line, start, stop, and what keeps it from starting."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE

from dgate.net.scu import EchoError, echo
from dgate.options import HELP
from tests.ports import free_port

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
    return free_port()


@pytest.fixture
def instance(tmp_path: Path, port: int) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "dicom.ini").write_text(INI.format(port=port, folder=tmp_path))
    (tmp_path / "acrnema.map").write_text("CT1 10.0.0.1 104 un\nX* 127.0.0.1 156* j2\n")
    for name in ("dicom.sql", "dgatesop.lst", "dgate.dic"):
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


def test_with_a_dicom_sql_that_is_none_it_does_not_start(instance: Path) -> None:
    (instance / "dicom.sql").write_text("*Patient*")
    done = dgate(f"-w{instance}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"***Error loading kfactor file:{instance}/dicom.sql\n")


def test_a_server_that_would_lose_data_does_not_start(instance: Path) -> None:
    ini = instance / "dicom.ini"
    good = ini.read_text()
    ini.write_text(good.replace("conquest.db3", "no/conquest.db3"))
    done = dgate(f"-w{instance}")
    assert done.returncode == 1
    assert done.stderr == (
        f"*** cannot connect to sqlite database {instance}/no/conquest.db3\n"
        f"***Unable to open database {instance}/no/conquest.db3 as user Administrator on localhost\n"
        f"***{ini}:5: SQLServer: {instance}/no/conquest.db3: the folder {instance}/no does not exist; "
        "expected a file name in an existing folder\n"
    )
    ini.write_text(good)
    (instance / "data").rmdir()
    done = dgate(f"-w{instance}")
    assert done.returncode == 1
    assert done.stderr == (
        "*** Not enough rights to write in MAG0\n"
        f"***{ini}:6: MAGDevice0: {instance}/data/ is not a folder that we can write to\n"
    )


def test_a_doubtful_configuration_is_a_warning(run: Callable[..., Program], instance: Path) -> None:
    with (instance / "dicom.ini").open("a") as file:
        file.write("Color = 1\nTCPIPTimeOut = long\nWEBPush = 1\nEdition = Personal\n")
    program = run()
    assert program.stop() == 0
    lines = program.output.read_text().splitlines()
    ini = instance / "dicom.ini"
    assert f"Warning: {ini}:8: Color: unknown key, ignored" in lines
    assert f"Warning: {ini}:9: TCPIPTimeOut: 'long' is not a number; 300 is used" in lines
    assert f"Keys of {ini} without effect in this server: WEBPush, Edition" in lines


def test_sighup_reads_the_configuration_again_and_drops_nobody(
    run: Callable[..., Program], instance: Path, port: int
) -> None:
    program = run()
    ini = instance / "dicom.ini"
    ini.write_text(ini.read_text().replace("ORACLE", "DELPHI"))
    with RawClient(port) as client:
        client.associate()
        (instance / "dgatesop.lst").write_text("OTHER OTHER RemoteAE\n")
        program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "Configuration read again\n" in program.output.read_text())
        assert client.echo() == 0
        assert not program.answers(port)
        client.release()
    ini.write_text("")
    program.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "Configuration read again, 1 faults" in program.output.read_text())
    assert f"***{ini} not used, the configuration stays as it was" in program.output.read_text()
    assert program.stop() == 0


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


def test_without_v_it_says_nothing_and_logs_where_it_is_told(instance: Path, port: int) -> None:
    command = [sys.executable, "-m", "dgate", f"-w{instance}", "-q127.0.0.1", "-^serverstatus.log", "-Lall.log"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        log = instance / "serverstatus.log"
        wait_for(lambda: log.exists() and "Database type" in log.read_text())
        echo("127.0.0.1", port, calling="A", called="B")
        process.terminate()
        assert process.communicate(timeout=20) == (b"", b"")
        assert process.returncode == 0
    lines = [line[25:] for line in log.read_text().splitlines()]
    assert "C-Echo" in lines
    assert "" in lines
    assert "Server Command   := 0030" not in lines
    assert "Server Command   := 0030" in (instance / "all.log").read_text().splitlines()


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("-d", r"FreeStore Left \d+ on \S+/data/\n"),
        (
            "-m",
            r"CT1 {15}10\.0\.0\.1 {23}104 {8}un {12}\nX\* {16}127\.0\.0\.1 {22}156\* {7}j2 {12}\n",
        ),
        ("-k", r'\*Patient\*\n\{\n  \{ 0x0010, 0x0020, "PatientID", 64, SQL_C_CHAR, DT_STR \},\n[\s\S]*\}\n'),
        ("-o", r"Creating test table\nAdding a record\nReading the record\nDropping test table\n"),
        ("-t", r"This is a test of the log\n"),
    ],
)
def test_what_is_shown_is_shown_with_v_only(instance: Path, option: str, expected: str) -> None:
    assert dgate(f"-w{instance}", "-i").returncode == 0
    shown = dgate("-v", f"-w{instance}", option)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.fullmatch(expected, shown.stdout), shown.stdout
    assert dgate(f"-w{instance}", option).stdout == ""


def test_the_database_test_says_what_is_wrong(instance: Path) -> None:
    (instance / "conquest.db3").write_bytes(b"no database" * 100)
    done = dgate("-v", f"-w{instance}", "-o")
    assert done.returncode == 1
    assert done.stderr.startswith("***")
    assert "Traceback" not in done.stderr


def test_a_new_uid_lies_below_the_prefix_and_is_new(instance: Path) -> None:
    with (instance / "dicom.ini").open("a") as file:
        file.write("UIDPrefix = 1.2.3\n")
    uids = [dgate(f"-w{instance}", "-fu").stdout for _ in range(2)]
    assert all(re.fullmatch(r"1\.2\.3\.6\.\d{10}\.\d+\n", uid) for uid in uids)
    assert uids[0] != uids[1]


def test_a_log_file_that_has_nowhere_to_be_is_a_warning(instance: Path) -> None:
    done = dgate(f"-w{instance}", "-lno/such.log", "-t")
    assert done.returncode == 0
    assert done.stderr == "Warning: no/such.log: the folder does not exist; lines are lost until it does\n"


def test_lua_runs_without_a_server(instance: Path) -> None:
    assert dgate(f"-w{instance}", "-i").returncode == 0
    done = dgate(f"-w{instance}", "--dolua:print(Global.MyACRNema) return 1 + 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ORACLE\n2\n", "")
    (instance / "x.lua").write_text("print('from a file')")
    assert dgate(f"-w{instance}", f"--dolua:{instance}/x.lua").stdout == "from a file\n"
    assert "*** lua syntax error" in dgate(f"-w{instance}", "--dolua:x = =").stdout


def test_a_command_goes_to_the_running_server(run: Callable[..., Program], instance: Path) -> None:
    program = run()
    done = dgate(f"-w{instance}", "--get_param:MyACRNema")
    assert (done.returncode, done.stdout.strip()) == (255, "ORACLE")
    assert dgate(f"-w{instance}", "--quit:").returncode == 0
    assert program.process.wait(20) == 0


def test_a_file_is_added_and_a_patient_deleted_without_a_server(instance: Path) -> None:
    assert dgate(f"-w{instance}", "-i").returncode == 0
    assert dgate(f"-w{instance}", f"-fa{CT_FILE}").returncode == 0
    assert len(list((instance / "data").rglob("*.dcm"))) == 1
    assert dgate(f"-w{instance}", f"-z{pydicom.dcmread(CT_FILE).PatientID}").returncode == 0
    assert not list((instance / "data").rglob("*.dcm"))


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        (["-v", "-r"], ["-w/conquest/mount/config", "-v", "-r"]),
        ([], ["-w/conquest/mount/config"]),
        (["-v", "-w/other", "--echo"], ["-v", "-w/other", "--echo"]),
    ],
)
def test_in_the_container_dgate_means_its_instance(tmp_path: Path, words: list[str], passed: list[str]) -> None:
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    command = ["/bin/sh", str(REPOSITORY / "image/dgate.sh"), *words]
    said = subprocess.check_output(command, env={"PATH": str(tmp_path)}, text=True)
    assert said.splitlines() == ["-m", "dgate.main", *passed]


def test_echo_tells_up_from_down(run: Callable[..., Program], instance: Path) -> None:
    run()
    up = dgate(f"-w{instance}", "--echo")
    assert (up.returncode, up.stdout, up.stderr) == (0, "ORACLE is UP\n", "")
    free = free_port()
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
