"""`conquestctl logs`."""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import Annotated

import typer

from conquestctl.cli.arguments import Name
from conquestctl.cli.session import current


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(logs)


def logs(
    ctx: typer.Context,
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the instance ends, or Ctrl-C.")] = False,
    tail: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Only the last N lines.", show_default=False)
    ] = None,
) -> None:
    """Show what an instance has written to its console.

    \b
    Example:
      conquestctl logs ct1 --tail 20
      conquestctl logs ct1 -f
    """
    session = current(ctx)
    chunks = session.engine().logs(session.fleet().get(name), tail=tail, follow=follow)
    stdout = session.output.environment.stdout
    decoder = getincrementaldecoder("utf-8")("replace")
    rest, empty = "", True
    for chunk in chunks:
        empty = False
        text, line_end, rest = (rest + decoder.decode(chunk)).rpartition("\n")
        if line_end:
            session.output.data(text)
            stdout.flush()
    if rest:
        session.output.data(rest)
    if empty:
        session.output.note(f"{name} has written nothing yet")
