"""`conquestctl route`: one way between two nodes, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import AsJson
from conquestctl.cli.completion import complete_names
from conquestctl.cli.session import current
from conquestctl.errors import ExitStatus

if TYPE_CHECKING:
    from conquestctl.cli.session import Session
    from conquestctl.route import Step

COLUMNS = ("Step", "Result", "Detail", "What to do")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(route)


def route(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="A", help="The instance to look from.", autocompletion=complete_names, show_default=False
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="B", help="Another instance, or an AE title.", autocompletion=complete_names, show_default=False
        ),
    ],
    move: Annotated[
        bool, typer.Option("--move", help="Also send an object of our own there and back, and delete it.")
    ] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Time each step has.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Explain how one instance reaches another node: map entry, name, TCP, association, C-ECHO; on request, a C-MOVE.

    \b
    Exit status: 0 when every step succeeded, 8 when one did not.

    \b
    Example:
      conquestctl route ct1 pacs
      conquestctl route ct1 pacs --move
    """
    from conquestctl.cli.mesh import neighbourhood
    from conquestctl.cli.outcomes import checked_timeout
    from conquestctl.route import explain, try_out, way_to

    session = current(ctx).with_json(as_json)
    instance = session.fleet().get(source)
    limit, engine = checked_timeout(timeout), session.engine()
    way = way_to(instance, target, neighbourhood(session))
    steps = list(explain(way, engine, limit))
    if move and all(step.ok for step in steps):
        steps += try_out(way, engine, limit)
    raise typer.Exit(_report(session, source, target, steps))


def _report(session: Session, source: str, target: str, steps: list[Step]) -> ExitStatus:
    ok = all(step.ok for step in steps)
    documents = [{"step": one.name, "ok": one.ok, "detail": one.detail, "hint": one.hint} for one in steps]
    session.output.document({"ok": ok, "from": source, "to": target, "steps": documents})
    rows = [(one.name, "ok" if one.ok else "failed", one.detail, one.hint) for one in steps]
    session.output.table(COLUMNS, rows)
    return ExitStatus.OK if ok else ExitStatus.NOT_READY
