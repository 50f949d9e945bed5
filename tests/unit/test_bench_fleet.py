"""The fleet benchmark's arithmetic and report, and what it says where there is no engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.fleet.figures import Figure, Line, Missing, document, interleaved, markdown, median, ratio

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_ratio_is_of_medians_and_of_the_first_two() -> None:
    figure = ratio("a against b", {"a": [1.0, 9.0, 2.0], "b": [4.0], "machine": [100.0]}, 0.5)
    assert (figure.value, figure.unit, figure.ok) == (0.5, "x", True)


def test_a_median_is_of_the_first() -> None:
    figure = median("a", "s", {"a": [3.0, 1.0, 2.0], "machine": [100.0]}, 1.9)
    assert (figure.value, figure.ok) == (2.0, False)


def test_turns_are_taken_and_begin_with_another_one_each_time() -> None:
    turns: list[str] = []

    def work(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    samples = interleaved(3, {"a": lambda: work("a"), "b": lambda: work("b")})
    assert "".join(turns) == "abbaab"
    assert samples == {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]}


def test_the_report_names_what_was_missed_and_what_is_missing() -> None:
    lines: list[Line] = [
        Figure("fast", 1.0, "s", 2.0, {"a": [1.0, 1.5]}),
        Figure("slow", 3.0, "s", 2.0),
        Missing("none", "no engine"),
    ]
    _, _, fast, slow, none = markdown(lines).splitlines()
    assert fast == "| fast | 1 s | 2 s | yes | a 1.25 (1 to 1.5) |"
    assert slow == "| slow | 3 s | 2 s | **no** |  |"
    assert none == "| none | not measured: no engine | | | |"
    written = json.loads(json.dumps(document(lines)))
    assert [figure["ok"] for figure in written["figures"]] == [True, False]
    assert written["missing"] == [{"what": "none", "why": "no engine"}]


def test_without_an_engine_each_of_its_rows_says_why(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fleet", "--only", "docker", "--out", str(tmp_path / "fleet.json")],
        cwd=REPOSITORY,
        env=dict(os.environ) | {"DOCKER_HOST": "unix:///nowhere/docker.sock"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = done.stdout.splitlines()[2:]
    assert len(rows) == 5
    assert all("not measured: no Docker engine answers at unix:///nowhere/docker.sock" in row for row in rows)
    assert len(json.loads((tmp_path / "fleet.json").read_text(encoding="utf-8"))["missing"]) == 5
