"""`conquestctl doctor`: what keeps the fleet from running."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from conquestctl.cli.arguments import AsJson
from conquestctl.cli.session import Session, current
from conquestctl.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conquestctl.doctor.facts import Facts
    from conquestctl.doctor.findings import Finding

COLUMNS = ("Check", "Verdict", "What", "What to do")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Find what keeps the fleet from running: Python, engine, image, network, ports, folders, disk.

    \b
    Exit status: 0 when nothing does, warnings or not; else what the command that runs into it would end with, or 1
    when there are problems of several kinds.

    \b
    Example:
      conquestctl doctor
      conquestctl --engine docker doctor --json
    """
    from conquestctl.doctor.diagnosis import diagnose
    from conquestctl.doctor.examination import examine
    from conquestctl.doctor.findings import exit_status

    session = current(ctx).with_json(as_json)
    facts = examine(session.root, session.engine_choice, session.environ)
    findings = diagnose(facts)
    status = exit_status(findings)
    _report(session, facts, findings, status)
    raise typer.Exit(status)


def _report(session: Session, facts: Facts, findings: Sequence[Finding], status: ExitStatus) -> None:
    output = session.output
    engine = "docker" if facts.engine.uses_docker else "process"
    documents = [{**asdict(one), "status": int(one.status)} for one in findings]
    output.document({"ok": not status, "status": int(status), "engine": engine, "findings": documents})
    output.table(COLUMNS, [(one.check, one.verdict.value, one.what, one.hint) for one in findings])
    count = {word: sum(one.verdict == word for one in findings) for word in ("problem", "warning")}
    said = [f"{number} {word}{'s' * (number != 1)}" for word, number in count.items() if number]
    output.note(f"{' and '.join(said)} found" if said else "nothing keeps this fleet from running")
