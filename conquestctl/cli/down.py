"""`conquestctl down`."""

from __future__ import annotations

import typer

from conquestctl.cli.arguments import All, AsJson, Names
from conquestctl.cli.outcomes import DryRun, carry_out, show_plan
from conquestctl.cli.session import current


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(down)


def down(
    ctx: typer.Context, names: Names = None, every: All = False, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Stop instances and remove their containers. Folders, images and databases stay.

    \b
    Example:
      conquestctl down ct1
      conquestctl down --all
    """
    session = current(ctx).with_json(as_json)
    from conquestctl import lifecycle
    from conquestctl.plan import plan_down

    if dry_run:
        chosen = session.fleet().select(names or [], all_=every)
        show_plan(session.output, plan_down(chosen, session.engine().observe(chosen)))
        return
    status = carry_out(
        session, names, every, lambda chosen, report: lifecycle.down(chosen, session.engine(), report=report)
    )
    raise typer.Exit(status)
