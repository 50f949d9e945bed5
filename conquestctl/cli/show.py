"""`conquestctl show`: everything the folder of one instance says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002 -- Typer reads the annotation

from conquestctl.cli.arguments import AsJson, Name
from conquestctl.cli.session import current

if TYPE_CHECKING:
    from conquestctl.fleet.instance import Instance


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)


def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one instance: its settings, folders, and the addresses under which others reach it.

    \b
    Example:
      conquestctl show ct1
    """
    from conquestctl.cli.list import facts

    session = current(ctx).with_json(as_json)
    instance = session.fleet().get(name)
    session.output.table(("What", "Value"), _rows(instance))
    document = {**facts(instance), "settings": dict(instance.settings), "reached": _reached(instance)}
    session.output.document({"instance": document})


def _rows(instance: Instance) -> list[tuple[str, str]]:
    places = {
        "folder": str(instance.folder),
        "images": str(instance.mount / "data"),
        "database": str(instance.mount / "dbase"),
        "logs": str(instance.mount / "logs"),
    }
    reached = {f"from {who}": where for who, where in _reached(instance).items()}
    return [*places.items(), *reached.items(), *instance.settings.items()]


def _reached(instance: Instance) -> dict[str, str]:
    """The address depends on who looks: see the architecture page."""
    from conquestctl.cli.list import address
    from conquestctl.fleet.addresses import GATEWAY

    host = f"[{instance.host}]" if ":" in instance.host else instance.host
    inside = GATEWAY if instance.on_host else instance.name
    reached = {"this machine": f"{host}:{instance.port}", "the fleet's containers": f"{inside}:{instance.port}"}
    if not instance.host.startswith("127.") and instance.host != "::1":
        return {**reached, "the network": address(instance)}
    wildcard = instance.bind != instance.host
    return {**reached, "the network": f"any address of this machine, port {instance.port}" if wildcard else "nowhere"}
