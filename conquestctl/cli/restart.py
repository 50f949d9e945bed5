"""`conquestctl restart`."""

from __future__ import annotations

import typer

from conquestctl.cli.arguments import All, AsJson, Names
from conquestctl.cli.outcomes import DryRun, Timeout, carry_out, checked_timeout, show_plan
from conquestctl.cli.session import current


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(restart)


def restart(
    ctx: typer.Context,
    names: Names = None,
    every: All = False,
    timeout: Timeout = 30.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Stop and start instances and return when each has answered a C-ECHO.

    What does not run is started; what changed in the folder since the last start takes effect.

    \b
    Example:
      conquestctl restart ct1
      conquestctl restart --all
    """
    session = current(ctx).with_json(as_json)
    from conquestctl import lifecycle
    from conquestctl.plan import plan_restart

    if dry_run:
        chosen = session.fleet().select(names or [], all_=every)
        show_plan(session.output, lifecycle.preview(chosen, session.engine(), plan_restart))
        return
    limit = checked_timeout(timeout)
    status = carry_out(
        session,
        names,
        every,
        lambda chosen, report: lifecycle.restart(chosen, session.engine(), timeout=limit, report=report),
        rising=True,
    )
    raise typer.Exit(status)
