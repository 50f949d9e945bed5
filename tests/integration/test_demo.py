"""`python -m conquestctl.demo` as a person runs it: the whole story, and every way in which it may end early."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conquestctl.dicom.samples import bundled, one_of_each_kind
from conquestctl.errors import ExitStatus
from conquestctl.fleet.settings import DEFAULT_IMAGE
from tests.integration.dockerside import open_engine

COMMANDS = ["create", "up", "echo", "send", "status", "down", "rm"]
LIMIT = 120


@dataclass
class Demo:
    """A machine on which the demo finds nothing of ours, and the traces it leaves there."""

    temporary: Path
    environ: dict[str, str]

    def start(self, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "conquestctl.demo"],
            env=self.environ | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, **more: str) -> tuple[int, str]:
        process = self.start(**more)
        said = process.communicate(timeout=LIMIT)[0]
        return process.returncode, said

    def play_until(self, moment: str, act: Callable[[subprocess.Popen[str], str], None]) -> tuple[int, str]:
        """Do something once, at the first line that holds `moment`."""
        process, said = self.start(), ""
        assert process.stdout is not None
        with contextlib.closing(process.stdout) as lines:
            for line in lines:
                if moment in line and moment not in said:
                    act(process, line)
                said += line
        return process.wait(timeout=LIMIT), said

    def traces(self) -> list[str]:
        """What is left: files in the temporary folder, and processes that run in it or ran in what was removed."""
        files = [str(path) for path in self.temporary.iterdir()]
        return files + [f"process {number} in {place}" for number, place in _places() if str(self.temporary) in place]


def _places() -> Iterator[tuple[str, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield entry.name, str((entry / "cwd").readlink())
            except OSError:
                continue  # it has ended, or belongs to somebody else


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    own = {
        "CONQUESTCTL_ENGINE": "process",
        "CONQUESTCTL_ROOT": str(tmp_path / "the persons own fleet"),
        "TMPDIR": str(temporary),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    return Demo(temporary, dict(os.environ) | own)


def typed(said: str) -> list[str]:
    return re.findall(r"^\$ conquestctl (\w+)", said, re.MULTILINE)


def images(said: str) -> dict[str, int]:
    """Names and image counts in the table that `status` prints."""
    rows = re.findall(r"^(\w+) +running .*:\d+ +\d+ s +(\d+) +ok", said, re.MULTILINE)
    return {name: int(count) for name, count in rows}


def test_the_whole_story(demo: Demo, tmp_path: Path) -> None:
    status, said = demo.play()
    assert status == 0, said
    assert said.startswith("Where the nodes run: local processes, as asked\n")
    assert typed(said) == COMMANDS
    assert said.count("answers C-ECHO") >= 3
    assert "3 of 3 answered" in said
    assert images(said) == {"ct1": 0, "mr1": 0, "pacs1": len(one_of_each_kind(bundled()))}
    assert demo.traces() == []
    assert not (tmp_path / "the persons own fleet").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "moment", ["$ conquestctl create", "$ conquestctl up", "started, waiting", "$ conquestctl send"]
)
def test_interrupted(demo: Demo, moment: str, number: signal.Signals) -> None:
    status, said = demo.play_until(moment, lambda process, _line: process.send_signal(number))
    assert status == ExitStatus.INTERRUPTED, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert demo.traces() == []


def test_a_step_that_fails(demo: Demo) -> None:
    status, said = demo.play(CONQUESTCTL_POOL="no pool")
    assert status == ExitStatus.INVALID
    assert typed(said) == ["create"]
    assert "CONQUESTCTL_POOL" in said
    assert "the demo ends here, because conquestctl create failed with exit status 6" in said
    assert demo.traces() == []


def test_a_failure_while_nodes_run(demo: Demo) -> None:
    """Stands for anything unforeseen: the copies of the samples find no room of their own."""

    def stand_in_the_way(_process: subprocess.Popen[str], line: str) -> None:
        (Path(line.removeprefix("$ cd ").strip()) / "images").touch()

    status, said = demo.play_until("$ cd ", stand_in_the_way)
    assert status == ExitStatus.FAILURE
    assert typed(said) == ["create", "up", "echo", "down", "rm"]
    assert "Traceback" not in said
    assert demo.traces() == []


def test_an_engine_that_does_not_answer(demo: Demo) -> None:
    status, said = demo.play(CONQUESTCTL_ENGINE="docker", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert status == ExitStatus.ENGINE
    assert "no Docker engine answers at unix:///nowhere/docker.sock" in said
    assert demo.traces() == []


def test_processes_where_no_docker_answers(demo: Demo) -> None:
    status, said = demo.play(CONQUESTCTL_ENGINE="", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert status == 0, said
    first = said.splitlines()[0]
    assert "no Docker engine answers at unix:///nowhere/docker.sock" in first
    assert first.startswith("Where the nodes run: local processes, because no Docker engine answers at ")


@pytest.mark.docker
def test_containers_where_docker_answers(demo: Demo) -> None:
    client = open_engine().client
    before = {network["Id"] for network in client.networks()}
    status, said = demo.play(CONQUESTCTL_ENGINE="auto")
    assert status == 0, said
    assert said.startswith("Where the nodes run: containers on the Docker engine at ")
    assert [word for word in typed(said) if word != "image"] == COMMANDS
    assert images(said)["pacs1"] == len(one_of_each_kind(bundled()))
    assert {network["Id"] for network in client.networks()} == before
    names = [name for one in client.containers(all=True) for name in one["Names"]]
    assert not [name for name in names if name.endswith(("-ct1", "-mr1", "-pacs1"))]
    assert client.inspect_image(DEFAULT_IMAGE)
    assert demo.traces() == []


def test_a_reader_who_leaves_ends_it_and_nothing_stays(demo: Demo) -> None:
    process = demo.start()
    assert process.stdout is not None
    assert any("conquestctl up" in line for line in process.stdout)
    process.stdout.close()
    assert process.wait(timeout=LIMIT) == ExitStatus.INTERRUPTED
    assert demo.traces() == []
