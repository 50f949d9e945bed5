"""`conquestctl list`: the instances and where they are reached. Asks no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002 -- Typer reads the annotation

from conquestctl.cli.arguments import AsJson, Names
from conquestctl.cli.session import Session, current, outcome
from conquestctl.errors import ExitStatus

if TYPE_CHECKING:
    from conquestctl.fleet.instance import Instance
    from conquestctl.fleet.scan import Broken, Fleet

COLUMNS = ("Name", "AE title", "Port", "Address", "Image")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list")(list_instances)


def list_instances(ctx: typer.Context, names: Names = None, as_json: AsJson = False) -> int:
    """Show the instances: name, AE title, port, address and image, as their folders say. `status` shows what runs.

    \b
    Example:
      conquestctl list
      conquestctl list 'ct*' --json
    """
    session = current(ctx).with_json(as_json)
    fleet = session.fleet()
    chosen = _chosen(fleet, names or [])
    broken = fleet.broken_among(names or [], all_=not names)
    if chosen or broken:
        rows = [(one.folder.name, row(one)) for one in chosen] + [(one.name, _broken_row(one)) for one in broken]
        order = {entry.name: index for index, entry in enumerate(fleet.entries)}
        session.output.table(COLUMNS, [cells for _, cells in sorted(rows, key=lambda pair: order[pair[0]])])
    session.output.document({"instances": [facts(one) for one in chosen], "broken": [_fault(one) for one in broken]})
    _remarks(session, fleet, broken)
    return outcome(len(chosen) + len(broken), len(broken), ExitStatus.INVALID)


def _chosen(fleet: Fleet, names: list[str]) -> list[Instance]:
    """An empty fleet and a fleet of broken ones are no errors here: this is the command that shows it."""
    if not names:
        return fleet.instances()
    broken = {one.name for one in fleet.broken_among(names)}
    return fleet.select(wanted) if (wanted := [name for name in names if name not in broken]) else []


def row(instance: Instance) -> tuple[str, ...]:
    """Cells of one instance in `COLUMNS`."""
    return (instance.name, instance.ae_title, str(instance.port), address(instance), instance.image)


def address(instance: Instance) -> str:
    """Where the port is published, `host:port`."""
    host = f"[{instance.bind}]" if ":" in instance.bind else instance.bind
    return f"{host}:{instance.port}"


def facts(instance: Instance) -> dict[str, object]:
    """One instance as the JSON documents show it."""
    return {
        "name": instance.name,
        "ae_title": instance.ae_title,
        "port": instance.port,
        "bind": instance.bind,
        "address": address(instance),
        "image": instance.image,
        "project": instance.project,
        "network": instance.network,
        "folder": str(instance.folder),
    }


def _broken_row(one: Broken) -> tuple[str, ...]:
    settings = one.settings
    return (one.name, settings.get("AETITLE", "?"), settings.get("PORT", "?"), "broken", settings.get("IMAGE", "?"))


def _fault(one: Broken) -> dict[str, object]:
    return {"name": one.name, "folder": str(one.folder), "message": one.error.message, "hint": one.error.hint}


def _remarks(session: Session, fleet: Fleet, broken: list[Broken]) -> None:
    from conquestctl.fleet.clashes import clashes

    output = session.output
    for one in broken:
        output.warn(f"{one.name} is broken: {one.error.message}. {one.error.hint}".rstrip())
    for clash in clashes(fleet.instances()):
        output.warn(f"{clash.message}: only one of them can run")
    if not fleet.entries:
        output.note(f"There is no instance in {fleet.root}. Make one: conquestctl create ct1")
