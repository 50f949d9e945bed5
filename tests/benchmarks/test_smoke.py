"""The whole program once, with few objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.server import peers
from benchmarks.server.rounds import STORESCU

MEASURED_ALONE = {"small1", "ct1", "big", "storescu", "echo_fresh", "echo_one", "start", "idle"}

pytestmark = pytest.mark.peer


@pytest.fixture(autouse=True)
def debian_programs() -> None:
    for program in (STORESCU, peers.STORESCP):
        if not os.access(program, os.X_OK):
            pytest.skip(f"{program} is not installed")


def test_a_quick_run_measures_every_row_and_leaves_nothing_behind(tmp_path: Path) -> None:
    work, output = tmp_path / "work", tmp_path / "results"
    work.mkdir()
    command = [sys.executable, "-m", "benchmarks.server", "--quick", "--work", str(work), "--output", str(output)]
    done = subprocess.run(
        [*command, "--servers", "dgate", "storescp"],
        cwd=peers.REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    (document,) = (json.loads(file.read_text()) for file in output.glob("*.json"))
    assert document["invalid"] == []
    assert done.returncode == 0, done.stderr
    rows = {row["key"]: row for row in document["rows"]}
    assert all("dgate" in row["values"] for row in rows.values())
    assert {key for key, row in rows.items() if "storescp" in row["ratios"]} >= MEASURED_ALONE | {"small4", "ct4"}
    assert next(output.glob("*.md")).read_text() == done.stdout
    assert list(work.iterdir()) == []
