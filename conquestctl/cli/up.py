"""`conquestctl up`."""

from __future__ import annotations

import typer

from conquestctl.cli.arguments import All, AsJson, Names
from conquestctl.cli.outcomes import DryRun, Timeout, carry_out, checked_timeout, show_plan
from conquestctl.cli.session import current


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(
    ctx: typer.Context,
    names: Names = None,
    every: All = False,
    timeout: Timeout = 30.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Start instances and return when each has answered a C-ECHO under its own AE title.

    What runs as its folder asks is left alone; only what changed is made again. Data is never touched.

    \b
    Example:
      conquestctl up ct1 'mr*'
      conquestctl up --all --timeout 60
    """
    session = current(ctx).with_json(as_json)
    from conquestctl import lifecycle
    from conquestctl.plan import plan_up

    if dry_run:
        chosen = session.fleet().select(names or [], all_=every)
        show_plan(session.output, lifecycle.preview(chosen, session.engine(), plan_up))
        return
    limit = checked_timeout(timeout)
    status = carry_out(
        session,
        names,
        every,
        lambda chosen, report: lifecycle.up(chosen, session.engine(), timeout=limit, report=report),
        rising=True,
    )
    raise typer.Exit(status)
