"""`conquestctl exec`."""

from __future__ import annotations

from typing import Annotated

import typer

from conquestctl.cli.arguments import Name
from conquestctl.cli.session import current
from conquestctl.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(execute)


def execute(
    ctx: typer.Context,
    name: Name,
    command: Annotated[
        list[str], typer.Argument(metavar="-- CMD...", help="The command and its arguments.", show_default=False)
    ],
) -> None:
    """Run a command inside an instance; its exit status becomes ours.

    Docker runs it in the container; the process engine in the instance's folder with the server's environment.

    \b
    Example:
      conquestctl exec ct1 -- ls mount/data
    """
    session = current(ctx)
    # The parser keeps the separator, because it stops looking for our options at the first argument.
    words = command[1:] if command[0] == "--" else command
    if not words:
        raise UsageError("there is no command after --", hint=f"For example: conquestctl exec {name} -- ls mount/data")
    instance = session.fleet().get(name)
    raise typer.Exit(session.engine().execute(instance, words))
