"""The start of an instance, up to the border of the server, in a real folder."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dgate.config.amap import AcrNemaMap
from dgate.net.scu import echo
from dgate.start import StartError, prepare, read_identity, write_atomically
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
ENVIRON = {"AETITLE": "CT1", "PORT": "5678"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "templates" / "mount" / "config", tmp_path / "mount" / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_start(folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dgate.start"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_fresh_folder_is_made_ready(folder: Path) -> None:
    prepared = prepare(ENVIRON)
    assert (folder / "mount/config/dicom.ini").read_text().count("CT1") == 2
    assert {path.name for path in (folder / "mount").iterdir()} == {"config", "data", "dbase", "logs"}
    own = AcrNemaMap.parse((folder / "mount/config/acrnema.map").read_bytes()).find("CT1")
    assert own is not None
    assert (own.host, own.port) == ("127.0.0.1", "5678")
    assert (prepared.settings.ae_title, prepared.settings.port, len(prepared.kfactor.patient)) == ("CT1", 5678, 4)


def test_a_second_start_rewrites_nothing_and_leaves_no_other_file(folder: Path) -> None:
    prepare(ENVIRON)
    before = {path.name: path.stat().st_ino for path in (folder / "mount/config").iterdir()}
    prepare(ENVIRON)
    assert {path.name: path.stat().st_ino for path in (folder / "mount/config").iterdir()} == before


def test_a_new_port_arrives_in_both_files(folder: Path) -> None:
    prepare(ENVIRON)
    assert prepare({**ENVIRON, "PORT": "5680"}).settings.port == 5680
    assert "5680" in (folder / "mount/config/dicom.ini").read_text()
    assert (folder / "mount/config/acrnema.map").read_text().count("CT1") == 1


def test_the_own_entry_names_the_only_address_that_is_listened_on(folder: Path) -> None:
    prepare({**ENVIRON, "LISTEN": "::1"})
    own = AcrNemaMap.parse((folder / "mount/config/acrnema.map").read_bytes()).find("CT1")
    assert own is not None
    assert own.host == "::1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AETITLE": None}, "AETITLE is not set"),
        ({"PORT": None}, "PORT is not set"),
        ({"AETITLE": ""}, "AETITLE='' is empty"),
        ({"AETITLE": "A" * 17}, "has 17 characters"),
        ({"AETITLE": "A B"}, "contains ' '"),
        ({"AETITLE": "A\\B"}, "which has a meaning of its own"),
        ({"AETITLE": "A\n"}, "contains"),
        ({"PORT": "0"}, "not between"),
        ({"PORT": "65536"}, "not between"),
        ({"PORT": "1" * 5000}, "not between"),
        ({"PORT": "-1"}, "not a number"),
        ({"PORT": " 104"}, "not a number"),
        ({"LISTEN": "localhost"}, "not an IP address"),
        ({"LISTEN": "1.2.3"}, "not an IP address"),
    ],
)
def test_a_bad_environment_is_refused(change: dict[str, str | None], words: str) -> None:
    environ = {key: value for key, value in {**ENVIRON, **change}.items() if value is not None}
    with pytest.raises(StartError) as caught:
        read_identity(environ)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_interfaces_are_the_default() -> None:
    assert read_identity({**ENVIRON, "LISTEN": ""}).listen == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("dicom.ini.j2", None, "mount/config/dicom.ini.j2 is missing"),
        (
            "dicom.ini.j2",
            b"\n[sscscp]\nx = {{ NAME }}\n",
            "mount/config/dicom.ini.j2:3: unknown placeholder {{ NAME }}",
        ),
        ("dicom.ini.j2", b"[sscscp]\nSQLite = 1\n", "mount/config/dicom.ini: SQLServer: missing or empty"),
        ("dicom.sql", None, "mount/config/dicom.sql: No such file or directory"),
        ("dicom.sql", b"*Patient* {\n{ 0x10 }\n", "mount/config/dicom.sql:2: 1 fields"),
    ],
)
def test_a_broken_configuration_is_named(folder: Path, name: str, data: bytes | None, words: str) -> None:
    path = folder / "mount/config" / name
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    done = run_start(folder, ENVIRON)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"dgate: {words}")


def test_the_wrong_working_directory_is_named(tmp_path: Path) -> None:
    done = run_start(tmp_path, ENVIRON)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"there is no folder mount/config in {tmp_path}" in done.stderr


def test_a_path_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "mount/logs").write_text("a file")
    with pytest.raises(StartError, match=r"mount/logs: File exists"):
        prepare(ENVIRON)


@pytest.mark.parametrize("name", ["acrnema.map", "converters.txt", "dgatesop.lst", "dgate.dic"])
def test_other_files_may_be_missing(folder: Path, name: str) -> None:
    (folder / "mount/config" / name).unlink()
    prepare(ENVIRON)


def test_a_template_that_insists_on_its_own_port_is_overruled_with_a_warning(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = folder / "mount/config/dicom.ini.j2"
    path.write_text(path.read_text().replace("{{ PORT }}", "104"))
    assert prepare(ENVIRON).settings.port == 5678
    assert "TCPPort = 104 is overruled by the environment: 5678" in capfd.readouterr().err


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(str(path), b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)
    with pytest.raises(TypeError):
        write_atomically(str(path), "text")  # type: ignore[arg-type]
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("a", b"new")]


def started(folder: Path, port: int, stdout: int) -> subprocess.Popen[str]:
    """A started instance that has said so in run.json."""
    run_file = folder / "mount/logs/run.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "dgate.start"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "AETITLE": "CT1", "PORT": str(port), "LISTEN": "127.0.0.1", "PATH": os.defpath},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    deadline = time.monotonic() + 30
    while not run_file.exists() and process.poll() is None and time.monotonic() < deadline:
        select.select([process.stderr], [], [], 0.05)
    assert process.poll() is None, process.stderr.read()
    return process


def test_an_instance_says_when_it_runs_and_ends_clean_on_sigterm(folder: Path) -> None:
    port = free_port()
    run_file = folder / "mount/logs/run.json"
    process = started(folder, port, subprocess.DEVNULL)
    try:
        facts = json.loads(run_file.read_text())
        assert (facts["pid"], facts["ae_title"], facts["port"], facts["listen"]) == (
            process.pid,
            "CT1",
            port,
            "127.0.0.1",
        )
        assert facts["started"] <= time.time()
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert not run_file.exists()
    finally:
        process.kill()
        process.communicate()


def test_an_edit_of_the_converters_counts_without_a_restart(folder: Path) -> None:
    port = free_port()
    process = started(folder, port, subprocess.DEVNULL)
    ini, deadline = folder / "mount/config/dicom.ini", time.monotonic() + 30
    try:
        (folder / "mount/config/converters.txt").write_text("ImportConverter7 = nop\n")
        while "ImportConverter7 = nop" not in ini.read_text() and time.monotonic() < deadline:
            echo("127.0.0.1", port, calling="CT1", called="CT1")  # whoever comes makes the server look
        assert "ImportConverter7 = nop" in ini.read_text()
    finally:
        process.kill()
        process.communicate()


def test_sighup_makes_dicom_ini_anew_and_survives_a_broken_template(folder: Path) -> None:
    config = folder / "mount/config"
    process = started(folder, free_port(), subprocess.PIPE)
    assert process.stdout is not None
    try:
        (config / "converters.txt").write_text("ImportConverter7 = nop\n")
        process.send_signal(signal.SIGHUP)
        lines = iter(process.stdout.readline, "")
        assert "Configuration read again\n" in lines
        assert "ImportConverter7 = nop" in (config / "dicom.ini").read_text()
        (config / "dicom.ini.j2").unlink()
        process.send_signal(signal.SIGHUP)
        assert next(lines).startswith("***Configuration not made anew: mount/config/dicom.ini.j2 is missing")
        assert next(lines) == "Configuration read again\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
