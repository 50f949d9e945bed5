"""Shell completion of live names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conquestctl.cli.completion import instance_names
from tests.cli.running import make_instance

REPOSITORY = Path(__file__).parents[2]


def complete(cwd: Path, line: str, **variables: str) -> list[str]:
    """What bash would offer for the last word of `line`."""
    words = line.split(" ")
    environ = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "_CONQUESTCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        **variables,
    }
    code = "from conquestctl.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    for number, name in enumerate(["ct1", "ct2", "mr1"]):
        make_instance(tmp_path, name, port=5678 + number)
    (tmp_path / "instances" / "notes").mkdir()
    (tmp_path / "instances" / "readme.txt").touch()
    return tmp_path


def test_names_are_offered_where_instances_are_taken(fleet: Path) -> None:
    assert complete(fleet, "conquestctl echo c") == ["ct1", "ct2"]
    assert complete(fleet, "conquestctl up ") == ["ct1", "ct2", "mr1"]
    assert complete(fleet, "conquestctl show m") == ["mr1"]


def test_a_name_already_given_is_not_offered_again(fleet: Path) -> None:
    assert complete(fleet, "conquestctl down ct1 c") == ["ct2"]


def test_the_root_is_that_of_the_command_line_or_the_variable(fleet: Path) -> None:
    elsewhere = fleet / "instances" / "notes"
    assert complete(elsewhere, f"conquestctl --root {fleet}/instances echo c") == ["ct1", "ct2"]
    assert complete(elsewhere, "conquestctl echo c", CONQUESTCTL_ROOT=f"{fleet}/instances") == ["ct1", "ct2"]
    assert complete(elsewhere, "conquestctl echo c") == []


def test_commands_are_offered(fleet: Path) -> None:
    assert complete(fleet, "conquestctl ech") == ["echo"]


def test_a_root_that_is_not_there_has_no_names(tmp_path: Path) -> None:
    assert instance_names(str(tmp_path / "gone")) == []


def test_the_completion_script_can_be_installed(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path), "SHELL": "/bin/bash"}
    code = "from conquestctl.cli.main import main; main()"
    subprocess.run(
        ["bash", "-c", f'"$0" -c "{code}" --install-completion; true', sys.executable],
        env=environ,
        check=True,
        capture_output=True,
    )
    script = tmp_path / ".bash_completions" / "conquestctl.sh"
    assert "_CONQUESTCTL_COMPLETE" in script.read_text()
