"""`conquestctl set`: change settings of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import AsJson, Name
from conquestctl.cli.databases import finish_moves
from conquestctl.cli.maps import follow_maps
from conquestctl.cli.session import Session, current

if TYPE_CHECKING:
    from conquestctl.fleet.edit import Change

Assignments = Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="For example port=5680.")]
Force = Annotated[bool, typer.Option("--force", help="Also new keys of your own, and the names used in Docker.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("set")(set_values)


def set_values(
    ctx: typer.Context, name: Name, assignments: Assignments, force: Force = False, as_json: AsJson = False
) -> None:
    """Change settings in .env of an instance; comments and other lines stay. Says whether a restart is needed.

    \b
    Example:
      conquestctl set ct1 port=5680 ae_title=CT_ONE
    """
    from conquestctl.cli.create import docker_if_used
    from conquestctl.fleet import edit
    from conquestctl.fleet.create import Surroundings
    from conquestctl.fleet.settings import parse_assignments

    session = current(ctx).with_json(as_json)
    finish_moves(session)
    values = parse_assignments(assignments)
    docker = docker_if_used(session) if any(key.upper() == "PORT" for key in values) else None
    around = Surroundings(session.environ, docker.published_ports() if docker else [], say=session.output.note)
    change = edit.set_values(session.fleet(), name, values, around, force=force)
    follow_maps(session)
    _report(session, change)


def _report(session: Session, change: Change) -> None:
    output, name = session.output, change.instance.name
    if change.new:
        output.table(("Key", "Old", "New"), [(key, change.old[key] or "", new) for key, new in change.new.items()])
    output.document({"instance": name, "old": change.old, "new": change.new, "restart_needed": change.restart_needed})
    if not change.new:
        output.note(f"{name} has these values already; nothing was changed.")
    elif change.restart_needed:
        output.note(f"If {name} is running, it goes on with the old values until: conquestctl up {name}")
    else:
        output.note("No restart is needed.")
