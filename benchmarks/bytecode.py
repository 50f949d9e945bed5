"""Servers that are started again and again are compiled once: a machine may be set up not to keep bytecode."""

from __future__ import annotations

import compileall
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def keep() -> None:
    """Compile what is measured, as an installation does."""
    for package in ("dgate", "conquestctl"):
        compileall.compile_dir(REPOSITORY / package, quiet=1)
