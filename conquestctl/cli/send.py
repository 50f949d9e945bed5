"""`conquestctl send`: store DICOM files at a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import AsJson
from conquestctl.cli.completion import complete_names
from conquestctl.cli.session import Session, current, outcome
from conquestctl.errors import ExitStatus

if TYPE_CHECKING:
    from conquestctl.dicom.send import SendResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(send)


def send(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|AET@HOST:PORT",
            help="The instance or node.",
            autocompletion=complete_names,
            show_default=False,
        ),
    ],
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="DICOM files, or folders of them.")],
    calling: Annotated[str, typer.Option(metavar="AET", help="Our own AE title.")] = "CONQUESTCTL",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Time the node has for each file.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Send DICOM files to one node with C-STORE, unchanged.

    \b
    Exit status: 0 when all are stored, 3 when some are not, 1 when none is.

    \b
    Example:
      conquestctl send ct1 ~/images/head.dcm ~/images/thorax/
    """
    session = current(ctx).with_json(as_json)
    from conquestctl.cli.outcomes import checked_timeout
    from conquestctl.cli.targets import choose_one
    from conquestctl.dicom.send import send as store
    from conquestctl.fleet.names import check_ae_title

    target = choose_one(session, name)
    seconds, title = checked_timeout(timeout), check_ae_title(calling)
    paths = [session.output.environment.cwd / file for file in files]
    with session.output.progress([name]) as update:
        results = store(
            target, paths, calling=title, timeout=seconds, report=lambda r: update(name, f"{r.path.name} {word(r)}")
        )
    raise typer.Exit(show(session, results))


def word(result: SendResult) -> str:
    """Return the result in a word."""
    return "stored" if result.ok else "failed"


def show(session: Session, results: Sequence[SendResult]) -> ExitStatus:
    """Print the results; return the exit status."""
    output = session.output
    failed = sum(not result.ok for result in results)
    documents = [{"path": str(r.path), "ok": r.ok, "detail": r.detail} for r in results]
    output.document({"ok": not failed, "results": documents})
    rows = [(str(r.path), word(r), r.detail) for r in results]
    if results:
        output.table(("File", "Result", "Detail"), rows)
    output.note(f"{len(results) - failed} of {len(results)} files stored")
    return outcome(len(results), failed, ExitStatus.FAILURE)
