"""`conquestctl doctor` on real folders: empty, well, broken; without an engine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from conquestctl.errors import ExitStatus
from tests.cli.running import Ran, conquestctl, make_instance
from tests.ports import free_port


def doctor(home: Path, *options: str, engine: str = "process") -> Ran:
    nowhere = {"DOCKER_HOST": f"unix://{home}/no.sock"}
    return conquestctl("--engine", engine, "doctor", *options, cwd=home, environ=nowhere)


def bad(ran: Ran) -> list[dict[str, Any]]:
    return [finding for finding in ran.document["findings"] if finding["verdict"] == "problem"]


def test_an_empty_fleet(tmp_path: Path) -> None:
    ran = doctor(tmp_path)
    assert ran.status == ExitStatus.OK
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        *("Check", "python", "packages", "engine", "network", "instances", "rights", "file", "space"),
    ]
    assert "conquestctl create ct1" in ran.out
    assert not (tmp_path / "instances").exists()


def test_a_fleet_that_can_run(tmp_path: Path) -> None:
    make_instance(tmp_path, "ct1", port=free_port())
    ran = doctor(tmp_path, "--json")
    assert (ran.status, ran.document["ok"], ran.document["engine"], bad(ran)) == (ExitStatus.OK, True, "process", [])
    assert {"check": "ports", "verdict": "ok", "what": "0 in use by their instances, 1 free", "hint": "",
            "instance": "", "status": 0} in ran.document["findings"]  # fmt: skip


def test_no_engine_and_which_one_auto_takes(tmp_path: Path) -> None:
    ran = doctor(tmp_path, engine="auto")
    assert ran.status == ExitStatus.OK
    assert "auto takes local processes: no Docker engine answers at unix://" in ran.out
    assert ran.err == "1 warning found\n"
    ran = doctor(tmp_path, "--json", engine="docker")
    assert (ran.status, ran.document["ok"], ran.document["status"]) == (ExitStatus.ENGINE, False, ExitStatus.ENGINE)
    (finding,) = bad(ran)
    assert "there is no such socket" in finding["what"]
    assert "DOCKER_HOST" in finding["hint"]


def test_a_port_that_this_process_has(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        make_instance(tmp_path, "ct1", port=listener.getsockname()[1])
        ran = doctor(tmp_path, "--json")
    assert ran.status == ExitStatus.CONFLICT
    (finding,) = bad(ran)
    assert (finding["check"], finding["instance"]) == ("ports", "ct1")
    assert "taken by process" in finding["what"]


@pytest.mark.parametrize(
    ("file", "old", "new", "engine", "words"),
    [
        (".env", "AETITLE=CT1", "AETITLE CT1", "process", ".env:5: 'AETITLE CT1' is not KEY=value"),
        ("mount/config/dicom.ini.j2", "{{ PORT }}", "{{ POT }}", "process", "dicom.ini.j2:10: unknown placeholder"),
        ("docker-compose.yml", "init: true", "ini: true", "docker", "docker-compose.yml:14: services.ct1.ini"),
    ],
)
def test_a_file_broken_by_hand_is_named_with_its_line(
    tmp_path: Path, file: str, old: str, new: str, engine: str, words: str
) -> None:
    make_instance(tmp_path, "ct1", port=free_port())
    path = tmp_path / "instances" / "ct1" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    ran = doctor(tmp_path, "--json", engine=engine)
    assert ran.status == (ExitStatus.INVALID if engine == "process" else ExitStatus.FAILURE)
    assert any(words in finding["what"] and finding["instance"] == "ct1" for finding in bad(ran))


def test_folders_that_are_gone(tmp_path: Path) -> None:
    make_instance(tmp_path, "ct1", port=free_port())
    (tmp_path / "instances" / "ct1" / "mount").rename(tmp_path / "elsewhere")
    ran = doctor(tmp_path, "--json")
    assert {finding["check"] for finding in bad(ran)} == {"files", "rights"}
