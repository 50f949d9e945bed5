"""The lines of hooks: one each, run like an import converter (conquest-converters.md 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.rules.outcome import Outcome, outcome_of
from dgate.rules.run import Run

if TYPE_CHECKING:
    from dgate.rules.interfaces import Association, Services
    from dgate.rules.subject import Subject

NAMES = (
    "QueryConverter", "QueryResultConverter", "WorkListQueryConverter", "ModalityWorkListQueryResultConverter",
    "RetrieveConverter", "RetrieveResultConverter", "RejectedImageConverter", "RejectedImageWorkListConverter",
    "RegenConverter", "RegenFailConverter", "MergeSeriesConverter", "MergeStudiesConverter", "ArchiveConverter",
    "MoveDeviceConverter", "VirtualServerQueryConverter", "VirtualServerQueryResultConverter",
)  # fmt: skip
"""Each is one line, with the number 0."""
REJECTED, UNLISTED = "RejectedImageConverter", "RejectedImageWorkListConverter"
COMPRESSION = "CompressionConverter"
"""These have the numbers 0 to 9: what `s0` to `s9` as a compression code stand for."""


def has_hook(services: Services, name: str, number: int = 0) -> bool:
    """Whether there is a line for a hook."""
    return f"{name}{number}" in services.hooks


def run_hook(
    services: Services,
    name: str,
    subject: Subject,
    association: Association,
    number: int = 0,
    caller: Run | None = None,
) -> Outcome:
    """Run the line of a hook, `QueryConverter` for one, if there is one. Never raises.

    `caller` is the line that it stands in, if it does: what both do is counted together.
    """
    line = services.hooks.get(f"{name}{number}")
    if line is None:
        return Outcome.STORED
    run = Run(name.removesuffix("Converter") + "converter", number, subject, association, services)
    if caller is not None:
        run.budget, run.depth, run.silent = caller.budget, caller.depth + 1, caller.silent
    return outcome_of(line.run(run))


def script_code(code: str) -> int | None:
    """Which `CompressionConverter` a compression code names: 3 for `s3`; None for all other codes."""
    return int(code[1]) if code[:1] in ("s", "S") and code[1:2].isascii() and code[1:2].isdigit() else None


def compress_by_script(
    services: Services, code: str, subject: Subject, association: Association, caller: Run | None = None
) -> bool:
    """Run the line that a compression code names on an object; False if it names none. Never raises."""
    number = script_code(code)
    if number is None or not has_hook(services, COMPRESSION, number):
        return False
    run_hook(services, COMPRESSION, subject, association, number, caller)
    return True
