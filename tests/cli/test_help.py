"""`--help`: fast, complete, with examples that can be typed; and the page made from it is current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conquestctl.cli.main import STATUS_WORDS
from conquestctl.errors import ExitStatus
from tests.cli.commands import every_command
from tests.cli.running import conquestctl
from tests.unit.dicom import peers

HEAVY = ("docker", "pynetdicom", "pydicom", "jinja2", "rich", "yaml", "dotenv", "requests", "pydantic", "asyncio")
REPOSITORY = Path(__file__).parents[2]


def imported(*arguments: str) -> set[str]:
    """Which of `HEAVY` a fresh process has imported after `conquestctl ARGUMENTS`."""
    code = (
        "import sys; from conquestctl.cli.main import main\n"
        "try: main()\n"
        f"finally: print(*[m for m in {HEAVY} if m in sys.modules], sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True, cwd=REPOSITORY
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert imported(*arguments) == set()


@pytest.mark.parametrize("words", every_command()[1:], ids=" ".join)
def test_the_help_of_a_command_imports_only_what_typer_needs_for_its_options(words: tuple[str, ...]) -> None:
    assert imported(*words, "--help") <= {"pydantic"}


def test_the_probe_sees_imports() -> None:
    with peers.node() as target:
        assert imported("echo", f"NODE@127.0.0.1:{target.port}") >= {"pynetdicom", "pydicom"}


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_has_help_with_an_example(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conquestctl(*words, "--help", cwd=tmp_path).status == ExitStatus.OK
    text = capsys.readouterr().out
    _before, mark, examples = text.partition("Example:\n")
    assert mark, "no example"
    assert " ".join(["conquestctl", *words]).strip() in examples.splitlines()[0]


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_option_says_what_it_does(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conquestctl(*words, "--help", cwd=tmp_path)
    options = capsys.readouterr().out.partition("Options:\n")[2].partition("\n\n")[0]
    lines = options.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("  -"):
            described = len(line.strip().split("  ", 1)) > 1 or lines[number + 1].startswith("     ")
            assert described, line


def test_the_help_lists_every_exit_status() -> None:
    assert list(STATUS_WORDS) == list(ExitStatus)
