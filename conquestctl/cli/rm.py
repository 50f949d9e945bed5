"""`conquestctl rm`: take instances out of the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import All, AsJson, Names
from conquestctl.cli.maps import follow_maps
from conquestctl.cli.session import Session, current
from conquestctl.errors import UsageError

if TYPE_CHECKING:
    from conquestctl.engine.base import Engine
    from conquestctl.fleet.instance import Instance

Purge = Annotated[bool, typer.Option("--purge", help="Delete everything, images too. Asks for the name.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rm")(rm)


def rm(
    ctx: typer.Context,
    names: Names = None,
    all_: All = False,
    purge: Purge = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove stopped instances. Their folders are kept in .removed/ of the fleet, unless --purge deletes them.

    \b
    Example:
      conquestctl rm ct1
      conquestctl rm ct1 --purge
    """
    from datetime import datetime

    from conquestctl.fleet.remove import remove

    session = current(ctx).with_json(as_json)
    fleet = session.fleet()
    chosen = fleet.select(names or [], all_=all_)
    engines = session.every_engine()
    _refuse_live(chosen, engines)
    if purge and not yes:
        _confirm(session, chosen)
    done = []
    for instance in chosen:
        for engine in engines:
            engine.remove(instance)  # what is left of a stopped one would hold the name
        kept = remove(fleet, instance.name, purge=purge, now=datetime.now().astimezone(), say=session.output.note)
        done.append({"name": instance.name, "kept": kept})
        session.output.success(f"{instance.name}: " + (f"kept in {kept}" if kept else "deleted"))
    follow_maps(session)
    for one in fleet.broken_among(names or [], all_=all_):
        session.output.warn(f"{one.name} is broken and stays: {one.error.message}")
    session.output.document({"removed": done})


def _refuse_live(chosen: list[Instance], engines: list[Engine]) -> None:
    """All or none: nothing is removed if one of them runs."""
    from conquestctl.fleet.remove import refuse_live

    for engine in engines:
        refuse_live(engine.observe(chosen).values())


def _confirm(session: Session, chosen: list[Instance]) -> None:
    from conquestctl.fleet.remove import data_size

    for instance in chosen:
        files, size = data_size(instance)
        prompt = f"This deletes {instance.folder} with {files} files ({size / 1e6:.1f} MB) of images, for good."
        if not session.output.confirm_name(prompt, instance.name):
            raise UsageError("not confirmed; nothing was deleted", instance=instance.name)
