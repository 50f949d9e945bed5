"""`create` with a database: what is refused, and where a password goes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TextIO

import pytest

from conquestctl.cli.main import run
from conquestctl.errors import ExitStatus
from conquestctl.output import Environment
from tests.cli.running import Ran, conquestctl

URL = "postgresql://dicom@localhost:5432/ct1"


def create(tmp_path: Path, *words: str, engine: str = "process") -> Ran:
    environ = {"CONQUESTCTL_ENGINE": engine, "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    return conquestctl("create", "ct1", *words, cwd=tmp_path, environ=environ)


@pytest.mark.parametrize("engine", ["process", "auto"])
def test_local_processes_bring_no_database_server(tmp_path: Path, engine: str) -> None:
    ran = create(tmp_path, "--database", "postgres", engine=engine)
    assert ran.status == ExitStatus.USAGE
    assert "instances are local processes here" in ran.err
    assert "--database-url" in ran.err
    assert not (tmp_path / "instances").exists()


def test_a_server_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("s3cret\n")
    ran = create(tmp_path, "--database-url", URL, "--database-password-file", "word")
    assert ran.status == ExitStatus.OK, ran.err
    folder = tmp_path / "instances" / "ct1"
    kept = folder / "secrets" / "database_password"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("s3cret", 0o600)
    ini = (folder / "mount/config/dicom.ini.j2").read_text()
    assert "= localhost:5432\n" in ini
    others = [path for path in folder.rglob("*") if path.is_file() and path != kept]
    assert not any("s3cret" in path.read_text() for path in others)
    assert "s3cret" not in ran.out + ran.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_password_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def getpass(prompt: str, stream: TextIO) -> str:
        assert stream is err
        asked.append(prompt)
        return "typed"

    monkeypatch.setattr("getpass.getpass", getpass)
    out, err = io.StringIO(), Terminal()
    environ = {"XDG_STATE_HOME": str(tmp_path), "TERM": "dumb", "CONQUESTCTL_ENGINE": "process"}
    assert run(["create", "ct1", "--database-url", URL], Environment(Terminal(), out, err, environ, tmp_path)) == 0
    assert asked == [f"Password for {URL}: "]
    assert (tmp_path / "instances/ct1/secrets/database_password").read_text() == "typed"
    assert "typed" not in out.getvalue() + err.getvalue()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--database", "oracle"), "there is no database 'oracle'"),
        (("--database-image", "postgres:17"), "SQLite is a part of the server"),
        (("--database-password-file", "x"), "is for --database-url"),
        (("--database-url", URL), "no terminal to ask on"),
        (("--database-url", URL, "--database", "mariadb"), "says what the database is"),
        (("--database-url", URL, "--database-image", "x"), "says what the database is"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    ran = create(tmp_path, *words)
    assert ran.status == ExitStatus.USAGE
    assert said in ran.err


def test_up_says_that_a_process_cannot_reach_a_container(tmp_path: Path) -> None:
    environ = {"CONQUESTCTL_ENGINE": "process", "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    assert create(tmp_path).status == ExitStatus.OK
    with (tmp_path / "instances" / "ct1" / ".env").open("a") as file:
        file.write("DATABASE=postgres\nDATABASE_IMAGE=postgres:17\n")
    ran = conquestctl("up", "ct1", cwd=tmp_path, environ=environ)
    assert ran.status == ExitStatus.INVALID
    assert "the database of ct1 is a container of its stack" in ran.err


def test_a_server_of_its_own_is_not_for_the_machines_network(tmp_path: Path) -> None:
    ran = create(tmp_path, "--network", "host", "--database", "postgres")
    assert ran.status == ExitStatus.USAGE
    assert "Leave out --network host" in ran.err
    ran = create(tmp_path, "--network", "bridge")
    assert "there is no network 'bridge' to choose" in ran.err
    assert not (tmp_path / "instances").exists()
