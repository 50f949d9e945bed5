from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


def look(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(REPOSITORY / "tools" / "leftovers.py"), "--", *command]
    return subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[str]:
    """A shell command that leaves a process behind; the test's end is the process's."""
    yield "sleep 600 <&- >&- 2>&- & echo $! >pid"
    with suppress(OSError):
        subprocess.run(["kill", (tmp_path / "pid").read_text().strip()], check=False)


def test_nothing_left(tmp_path: Path) -> None:
    assert look(tmp_path, "true").returncode == 0
    assert look(tmp_path, "sh", "-c", "exit 7").returncode == 7


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_process_left_is_named_and_a_failure(tmp_path: Path, sleeper: str) -> None:
    done = look(tmp_path, "sh", "-c", sleeper)
    assert done.returncode == 1
    number = (tmp_path / "pid").read_text(encoding="utf-8").strip()
    assert f"  process {number}: " in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_commands_own_failure_stays_its_status(tmp_path: Path, sleeper: str) -> None:
    assert look(tmp_path, "sh", "-c", f"{sleeper}; exit 7").returncode == 7


def test_usage(tmp_path: Path) -> None:
    words = [sys.executable, str(REPOSITORY / "tools" / "leftovers.py")]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 2
