"""`compression CC`: how the object will be stored (conquest-converters.md 6). What needs a codec fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dgate.archive.compression import decide
from dgate.rules.hooks import compress_by_script
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.rules.run import Run

_PRIVATE = re.compile(r"n[1-4j]", re.IGNORECASE)
"""NKI's own compression, which the original undoes when it writes the file."""


def compression(run: Run, word: str, text: str) -> Status:
    """The object as one of the codes of IncomingCompression says; `sN` is a line of its own."""
    code = text[len(word) :].strip()
    if compress_by_script(run.services, code, run.subject, run.association, run) or _by_code(run, code):
        run.operator(f"{run.where}: compression to {code}")
    else:
        run.operator(f"**** {run.where}: compression to {code} failed")
    return Status.NEXT


def _by_code(run: Run, code: str) -> bool:
    if _PRIVATE.match(code):
        code = "un"
    target = decide(code, run.subject.transfer_syntax)
    if target.line or not _is_code(code):
        return False
    run.subject.written_syntax = target.transfer_syntax
    return True


def _is_code(code: str) -> bool:
    """Whether it means anything: nothing unknown satisfies a code, so there is a line about it."""
    return bool(decide(code, "").line)
