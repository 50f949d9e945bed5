"""Shell commands of export converters: every statement that is none of theirs (conquest-converters.md 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.rules.outcome import Status
from dgate.rules.quoting import for_shell
from dgate.rules.run import LITERAL
from dgate.rules.shell import carry_out

if TYPE_CHECKING:
    from dgate.rules.run import Run


def shell_command(run: Run, _word: str, text: str) -> Status:
    """Run it, with a time-out: as it is if it has a `%` item, else with the file's name behind it and no log line."""
    if not text:
        return Status.NEXT
    command, environment = for_shell(run.values)
    if any(source != LITERAL for _, source in run.values):
        run.operator(f"{run.where} executes: {text}")
        carry_out(run, command, environment)
        return Status.NEXT
    name = run.subject.file_name
    path = b"" if name is None else name().encode("latin-1", "replace")
    carry_out(run, f'{command} "$CONQUEST_FILE"', environment, path)
    return Status.NEXT
