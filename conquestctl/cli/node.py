"""`conquestctl node`: DICOM nodes outside the fleet that its instances know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import AsJson
from conquestctl.cli.completion import complete_names
from conquestctl.cli.maps import follow_maps
from conquestctl.cli.session import current
from conquestctl.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conquestctl.fleet.maps import Followed
    from conquestctl.fleet.nodes import FleetNode

HELP = """Add, list, remove and import DICOM nodes outside the fleet, which every instance is to know.

Instances know one another without that. Each map of a running instance follows within a second or two, no restart.

\b
Example:
  conquestctl node add PACS 192.168.1.20 104 && conquestctl echo --mesh
"""
COLUMNS = ("AE title", "Host", "Port", "Compression", "Known to")

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)

Only = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only this instance knows it; repeatable.", autocompletion=complete_names),
]


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="node")


@app.command("add")
def add(
    ctx: typer.Context,
    ae: Annotated[str, typer.Argument(metavar="AET", help="AE title of the node.", show_default=False)],
    host: Annotated[str, typer.Argument(help="Host name or IP address; localhost is this machine.")],
    port: Annotated[str, typer.Argument(help="Its DICOM port.")],
    compression: Annotated[str, typer.Option(metavar="CODE", help="How images are sent to it; as, j2, jk, ...")] = "un",
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Make a DICOM node known to every instance, or change compression and instances of one that is.

    \b
    Example:
      conquestctl node add PACS 192.168.1.20 104
      conquestctl node add VIEWER localhost 11112 --compression j2 --only ct1
    """
    from conquestctl.doctor.neighbours import unknown_hosts
    from conquestctl.fleet.maps import add_node
    from conquestctl.fleet.nodes import checked_node

    session = current(ctx).with_json(as_json)
    fleet = session.fleet()
    names = [fleet.get(name).name for name in only or []]
    node = checked_node(ae, host, port, compression, names)
    followed = follow_maps(session, edit=add_node(node, fleet.instances()))
    session.output.document({"node": _facts(node), "changed": followed.changed})
    for name, why in unknown_hosts([node]).items():
        session.output.warn(f"the host {name} is not known here: {why}")
    session.output.success(f"{node.ae} is {node.address}; {_changed(followed)}")


@app.command("list")
def list_nodes(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the nodes outside the fleet, as its acrnema.map has them.

    \b
    Example:
      conquestctl node list
    """
    from conquestctl.fleet.maps import read_nodes
    from conquestctl.fleet.nodes import refusals

    session = current(ctx).with_json(as_json)
    nodes, faults = read_nodes(session.root)
    output = session.output
    if nodes:
        output.table(COLUMNS, [_row(node) for node in nodes])
    output.document({"nodes": [_facts(node) for node in nodes], "faults": [str(fault) for fault in faults]})
    for remark in [*map(str, faults), *refusals(session.fleet().instances(), nodes, "acrnema.map")]:
        output.warn(remark)
    if not nodes:
        output.note("there is no node outside the fleet; add one: conquestctl node add AET HOST PORT")


@app.command("rm")
def rm(
    ctx: typer.Context,
    ae: Annotated[str, typer.Argument(metavar="AET", help="AE title of the node.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Take a node out of the fleet's map and out of every instance's.

    \b
    Example:
      conquestctl node rm PACS
    """
    from conquestctl.fleet.maps import remove_node

    session = current(ctx).with_json(as_json)
    followed = follow_maps(session, edit=remove_node(ae))
    session.output.document({"removed": ae, "changed": followed.changed})
    session.output.success(f"{ae} is no longer known; {_changed(followed)}")


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An acrnema.map of another server.")],
    only: Only = None,
    as_json: AsJson = False,
) -> int:
    """Add the nodes of an acrnema.map, as another Conquest server has it. Lines that cannot be taken are named.

    \b
    Exit status: 0 when all were taken, 3 when some were not, 6 when none was.

    \b
    Example:
      conquestctl node import /opt/conquest/acrnema.map
    """
    from conquestctl.fleet.maps import import_nodes

    session = current(ctx).with_json(as_json)
    fleet = session.fleet()
    names = tuple(fleet.get(name).name for name in only or [])
    nodes, refused = _read(session.output.environment.cwd / file, names)
    good = len(nodes)
    late: list[str] = []
    followed = follow_maps(session, edit=import_nodes(nodes, fleet.instances(), late))
    for sentence in [*refused, *late]:
        session.output.warn(sentence)
    taken = good - len(late)
    session.output.document(
        {"ok": not refused and not late, "taken": taken, "refused": [*refused, *late], "changed": followed.changed}
    )
    session.output.success(f"{taken} node{'s' * (taken != 1)} taken; {_changed(followed)}")
    if not refused and not late:
        return ExitStatus.OK
    return ExitStatus.PARTIAL if taken else ExitStatus.INVALID


def _read(file: Path, only: Sequence[str]) -> tuple[list[FleetNode], list[str]]:
    """The nodes of a file and what is wrong with its other lines. Raises `NotFoundError`, `StorageError`."""
    from dataclasses import replace

    from conquestctl.errors import NotFoundError
    from conquestctl.fleet.maplines import swallowing_comments
    from conquestctl.fleet.maps import read_map
    from conquestctl.fleet.nodes import parse_nodes

    if not file.exists():
        raise NotFoundError(f"{file}: no such file")
    data = read_map(file)
    nodes, faults = parse_nodes(data, str(file))
    return [replace(node, only=tuple(only) or node.only) for node in nodes], [
        str(fault) for fault in [*faults, *swallowing_comments(data, str(file))]
    ]


def _changed(followed: Followed) -> str:
    count = len(followed.changed)
    return f"{count} map{'s' * (count != 1)} changed" if count else "no map had to be changed"


def _row(node: FleetNode) -> tuple[str, ...]:
    return (node.ae, node.host, str(node.port), node.compression, ", ".join(node.only) or "all")


def _facts(node: FleetNode) -> dict[str, object]:
    return {
        "ae_title": node.ae,
        "host": node.host,
        "port": node.port,
        "compression": node.compression,
        "only": list(node.only),
    }
