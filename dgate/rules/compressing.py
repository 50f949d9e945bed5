"""`compression CC`: how the object will be stored (conquest-converters.md 6). What needs a codec fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.archive.compression import decide
from dgate.rules.hooks import compress_by_script
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.rules.run import Run


def compression(run: Run, word: str, text: str) -> Status:
    """The object as one of the codes of IncomingCompression says."""
    code, subject = text[len(word) :].strip(), run.subject
    if compress_by_script(run.services, code, subject, run.association, run):
        run.operator(f"{run.where}: compression to {code}")
        return Status.NEXT
    target = decide(code, subject.transfer_syntax)
    if target.line or not _is_code(code):
        run.operator(f"**** {run.where}: compression to {code} failed")
        return Status.NEXT
    subject.written_syntax = target.transfer_syntax
    run.operator(f"{run.where}: compression to {code}")
    return Status.NEXT


def _is_code(code: str) -> bool:
    """Whether it means anything: nothing unknown satisfies a code, so there is a line about it."""
    return bool(decide(code, "").line)
