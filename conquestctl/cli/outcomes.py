"""How `up`, `down` and `restart` choose, preview and report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.databases import finish_moves
from conquestctl.cli.maps import follow_maps
from conquestctl.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from conquestctl.cli.session import Session
    from conquestctl.fleet.instance import Instance
    from conquestctl.lifecycle import Outcome
    from conquestctl.output import Output, Update
    from conquestctl.plan import Step

Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", help="How long to wait for the C-ECHO answers after the last start.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and why; change nothing.")]


def carry_out(
    session: Session,
    names: Sequence[str] | None,
    every: bool,
    work: Callable[[list[Instance], Update], list[Outcome]],
    *,
    rising: bool = False,
) -> ExitStatus:
    """Do the work on the chosen instances with live progress and report what became of each; the exit status.

    `rising` ones are to run afterwards, so their maps are brought up to date for the engine they run on.

    A folder under a glob or `--all` that cannot be read is a failure beside the others. Raises `NotFoundError`,
    `UsageError` for a choice of nothing, and what the work raises.
    """
    from conquestctl.lifecycle import Outcome, exit_status
    from conquestctl.plan import Action

    finish_moves(session)
    fleet = session.fleet()
    chosen = fleet.select(names or [], all_=every)
    session.engine()  # says which engine it is before the progress begins
    if rising:
        follow_maps(session, rising=chosen)
    with session.output.progress([instance.name for instance in chosen]) as update:
        outcomes = work(chosen, update)
    broken = fleet.broken_among(names or [], all_=every)
    outcomes += [Outcome(one.name, Action.NONE, one.error.message, one.error) for one in broken]
    report(session.output, outcomes)
    return exit_status(outcomes)


def report(output: Output, outcomes: Sequence[Outcome]) -> None:
    """The table or document, then each failure with the last lines of its console and what to do."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    output.document({"ok": not failed, "instances": [_document(outcome) for outcome in outcomes]})
    rows = [(one.instance, one.action.value, "ok" if one.ok else "failed", one.message) for one in outcomes]
    output.table(("Name", "Action", "Result", "Detail"), rows)
    for outcome in failed:
        if outcome.error is None:
            continue
        if outcome.log:
            lines = "\n".join(f"  {line}" for line in outcome.log)
            output.warn(f"last lines of {outcome.instance}:\n{lines}")
        output.error(outcome.error)
    if len(outcomes) > 1:
        output.note(f"{len(outcomes) - len(failed)} of {len(outcomes)} done")


def show_plan(output: Output, steps: Sequence[Step]) -> None:
    """What would be done, as text or document."""
    from conquestctl.plan import as_text

    columns = ("instance", "action", "cause")
    rows = [(step.instance, step.action.value, step.cause) for step in steps]
    output.document({"dry_run": True, "steps": [dict(zip(columns, row, strict=True)) for row in rows]})
    output.data(as_text(steps))


def checked_timeout(timeout: float) -> float:
    """Return the timeout. Raises `UsageError` for one that is no time."""
    if not 0 < timeout < float("inf"):
        raise UsageError("--timeout has to be more than 0 seconds")
    return timeout


def _document(outcome: Outcome) -> dict[str, object]:
    error = outcome.error
    return {
        "name": outcome.instance,
        "action": outcome.action.value,
        "ok": outcome.ok,
        "message": outcome.message,
        "hint": error.hint if error else "",
        "status": int(error.status) if error else 0,
        "log": list(outcome.log),
    }
