"""File names that a Lua expression computes (conquest-server.md 7.1, `FileNameSyntax = lua:...`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.lua.engine import Bench
from dgate.rules.interfaces import Script
from dgate.rules.run import Run

if TYPE_CHECKING:
    from dgate.rules.interfaces import Association, Services
    from dgate.rules.subject import Subject


def evaluate(expression: str, subject: Subject, association: Association, services: Services) -> bytes:
    """What the expression makes of an object; empty where it fails, which the log tells of."""
    if services.engine is None:
        return b""
    code = expression if expression.startswith("return") else f"return {expression}"
    services.engine.run(Script(code=code), Run("FileNameSyntax", 0, subject, association, services))
    bench = association.session.scripts
    return bench.state.returned.encode("latin-1", "replace") if isinstance(bench, Bench) else b""
