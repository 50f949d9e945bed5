"""`conquestctl echo`: prove that nodes answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import All, AsJson
from conquestctl.cli.completion import complete_names
from conquestctl.cli.session import Session, current, outcome
from conquestctl.errors import ExitStatus

if TYPE_CHECKING:
    from conquestctl.dicom.echo import EchoResult, EchoTarget
    from conquestctl.fleet.scan import Broken

UNREADABLE = "unreadable folder"

COLUMNS = ("Name", "AE title", "Address", "Result", "Time", "Detail")

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME|AET@HOST:PORT",
        help="Instances by name or glob, or any DICOM node by its address; all instances when none is given.",
        autocompletion=complete_names,
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(echo)


def echo(
    ctx: typer.Context,
    names: Targets = None,
    every: All = False,
    calling: Annotated[str, typer.Option(metavar="AET", help="Our own AE title.")] = "CONQUESTCTL",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Time each node has.")] = 5.0,
    mesh: Annotated[
        bool, typer.Option("--mesh", help="From inside each instance to every node it should reach.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send a C-ECHO to DICOM nodes, in parallel, and say which layer failed.

    \b
    Exit status: 0 when all answered, 3 when some did not, 8 when none did.

    \b
    Example:
      conquestctl echo
      conquestctl echo ct1 'mr*' PACS@192.168.1.20:104
      conquestctl echo --mesh
    """
    session = current(ctx).with_json(as_json)
    from conquestctl.cli.outcomes import checked_timeout
    from conquestctl.cli.targets import choose
    from conquestctl.dicom.echo import echo_all
    from conquestctl.fleet.names import check_ae_title

    if mesh:
        from conquestctl.cli.mesh import show_mesh

        raise typer.Exit(show_mesh(session, names or [], every, checked_timeout(timeout)))
    nodes, broken = choose(session, names or [], every)
    results = echo_all(nodes, timeout=checked_timeout(timeout), calling=check_ae_title(calling))
    results += [unreadable(folder) for folder in broken]
    raise typer.Exit(show(session, results))


def unreadable(folder: Broken) -> EchoResult:
    """Return the result of an instance whose folder does not say where it is."""
    from conquestctl.dicom.echo import EchoResult, EchoTarget

    return EchoResult(
        EchoTarget(folder.name, "", "", 0), ok=False, seconds=0.0, layer=UNREADABLE, detail=str(folder.error)
    )


def show(session: Session, results: Sequence[EchoResult]) -> ExitStatus:
    """Print the results; return the exit status."""
    failed = sum(not result.ok for result in results)
    output = session.output
    output.document({"ok": not failed, "results": [document(result) for result in results]})
    output.table(COLUMNS, [row(result) for result in results])
    output.note(f"{len(results) - failed} of {len(results)} answered")
    return outcome(len(results), failed, ExitStatus.NOT_READY)


def address(target: EchoTarget) -> str:
    """Return host and port as one word, IPv6 in brackets; empty when there is none."""
    if not target.host:
        return ""
    return f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"


def row(result: EchoResult) -> tuple[str, ...]:
    """Return the cells of a result."""
    target = result.target
    verdict = "ok" if result.ok else result.layer
    return (
        target.label,
        target.ae_title,
        address(target),
        verdict,
        f"{result.seconds * 1000:.0f} ms",
        result.detail,
    )


def document(result: EchoResult) -> dict[str, object]:
    """Return the JSON object of a result."""
    target = result.target
    return {
        "name": target.label,
        "ae_title": target.ae_title,
        "host": target.host,
        "port": target.port,
        "ok": result.ok,
        "seconds": round(result.seconds, 6),
        "layer": result.layer,
        "detail": result.detail,
    }
