"""When there is an engine already, or none is to be had; the private one itself is what the container tests run on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools import debian, private_engine

REPOSITORY = Path(__file__).parents[3]
SHOW = [sys.executable, "-c", "import os; print(os.environ.get('CONQUESTCTL_NO_ENGINE'), os.environ['DOCKER_HOST'])"]


def beside(command: list[str], docker_host: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tools.private_engine", "--", *command]
    environ = {**os.environ, "DOCKER_HOST": docker_host}
    return subprocess.run(words, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False)


def test_an_engine_that_answers_is_used(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        done = beside(SHOW, f"unix://{tmp_path}/s")
        assert (done.returncode, done.stdout) == (0, f"None unix://{tmp_path}/s\n")
        assert beside(["sh", "-c", "exit 7"], f"unix://{tmp_path}/s").returncode == 7
        assert beside(["sh", "-c", "kill -9 $$"], f"unix://{tmp_path}/s").returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("user", "system", "why"),
    [(1000, {"ID": "debian"}, "only root can start one"), (0, {"ID": "alpine"}, "Debian and Ubuntu only")],
)
def test_without_any_the_command_runs_and_knows_why(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], user: int, system: dict[str, str], why: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(debian, "release", lambda: system)
    assert private_engine.main(["--", *SHOW]) == 0
    said = capfd.readouterr()
    assert why in said.out
    assert said.err.startswith("no private Docker engine: ")


def test_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert private_engine.main(["true"]) == 2
    assert capfd.readouterr().err.startswith("usage: python -m tools.private_engine [--private] -- COMMAND")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ID=debian\n", True), ('ID=ubuntu\nID_LIKE="debian"\n', True), ("ID=fedora\n", False), ("", False)],
)
def test_what_counts_as_debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, expected: bool) -> None:
    monkeypatch.setattr(debian, "OS_RELEASE", tmp_path / "os-release")
    assert debian.is_debian(debian.release()) is False
    (tmp_path / "os-release").write_text(text, encoding="utf-8")
    assert debian.is_debian(debian.release()) is expected


def test_a_failed_program_shows_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(debian.UnavailableError, match=r"sh failed with status 3:\n  so bad$"):
        debian.run_logged(["sh", "-c", "echo so bad; exit 3"], tmp_path / "log")


def test_no_service_starts_while_packages_are_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy, log = tmp_path / "policy-rc.d", tmp_path / "log"
    monkeypatch.setattr(debian, "POLICY", policy)
    seen: list[tuple[str, int]] = []

    def run(command: list[str], _log: Path, _environ: object = None) -> None:
        seen.append((command[2], subprocess.run([policy], check=False).returncode if policy.exists() else 0))

    monkeypatch.setattr(debian, "run_logged", run)
    debian.require({"sh": "dash", "no-such-program": "nosuch"}, log)
    assert seen == [("update", 0), ("install", 101)]
    assert not policy.exists()
