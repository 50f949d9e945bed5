"""The reference page is what the tool makes of the program."""

from __future__ import annotations

from tests.cli.commands import every_command
from tools.generate_reference import PAGE, reference


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python tools/generate_reference.py"


def test_every_command_has_a_heading() -> None:
    headings = [line for line in reference().splitlines() if line.startswith("## conquestctl")]
    assert headings == ["## " + " ".join(["conquestctl", *words]) for words in every_command()]
