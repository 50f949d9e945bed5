"""What `doctor` says: findings, and the exit status they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from conquestctl.errors import ConquestError, ExitStatus


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """The fleet runs; something is slow, at risk, or will be in the way later."""
    PROBLEM = "problem"
    """Something does not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question."""

    check: str
    """`python`, `packages`, `engine`, `image`, `network`, `instances`, `files`, `ports`, `nodes`, `rights`,
    `file system` or `space`."""
    verdict: Verdict
    what: str
    hint: str = ""
    """What to type; empty when there is nothing to do."""
    instance: str = ""
    """The one it is about, if it is one."""
    status: ExitStatus = ExitStatus.OK
    """Of a problem: what a command that runs into it would end with."""


def ok(check: str, what: str, hint: str = "") -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, what, hint)


def warning(check: str, what: str, hint: str, instance: str = "") -> Finding:
    """It runs, but."""
    return Finding(check, Verdict.WARNING, what, hint, instance)


def problem(check: str, status: ExitStatus, what: str, hint: str, instance: str = "") -> Finding:
    """Something does not run, and `status` is what a command that tries ends with."""
    return Finding(check, Verdict.PROBLEM, what, hint, instance, status)


def fault(check: str, error: ConquestError) -> Finding:
    """A problem that one of our own errors describes."""
    return problem(check, error.status, error.message, error.hint, error.instance or "")


def exit_status(findings: Sequence[Finding]) -> ExitStatus:
    """OK unless there is a problem; then the problems' status if they have one in common."""
    statuses = {finding.status for finding in findings if finding.verdict is Verdict.PROBLEM}
    if not statuses:
        return ExitStatus.OK
    return statuses.pop() if len(statuses) == 1 else ExitStatus.FAILURE
