"""Every command of the application, as the user types it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from conquestctl.cli.main import app


def every_command() -> list[tuple[str, ...]]:
    """The words of each command, the root's being none, in the order of the help."""
    return list(_walk((), typer.main.get_command(app)))


def _walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    yield words
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk((*words, name), child)
