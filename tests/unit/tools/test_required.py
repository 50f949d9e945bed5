"""CONQUESTCTL_REQUIRE_DOCKER: a skipped container or peer test fails the run, any other may be skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TESTS = """\
import pytest

@pytest.mark.docker
def test_container():
    pytest.skip("no engine here")

@pytest.mark.peer
@pytest.mark.skipif(True, reason="no dcmtk here")
def test_peer():
    pass

def test_other():
    pytest.skip("only on Mondays")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test_it.py"
    path.write_text(TESTS, encoding="utf-8")
    return path


def run(file: Path, required: str) -> tuple[int, str]:
    environ = {**os.environ, "CONQUESTCTL_REQUIRE_DOCKER": required, "PYTHONPATH": str(REPOSITORY)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rsf",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        file.name,
    ]
    done = subprocess.run(command, cwd=file.parent, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_skipping_is_shown_with_its_reason(file: Path) -> None:
    status, said = run(file, "")
    assert status == 0, said
    assert "3 skipped" in said
    assert "no engine here" in said


def test_skipping_fails_where_nothing_may_be_skipped(file: Path) -> None:
    status, said = run(file, "1")
    assert status == 1, said
    assert "1 skipped" in said
    assert "CONQUESTCTL_REQUIRE_DOCKER forbids: Skipped: no engine here" in said
    assert "CONQUESTCTL_REQUIRE_DOCKER forbids: Skipped: no dcmtk here" in said
