"""The application: global options, every command, and the one place where an exception becomes a message and a status.

Nothing heavy (docker, pynetdicom, pydicom, jinja2, rich) is imported on the way to `--help`; a test holds that.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from conquestctl import __version__
from conquestctl.cli import (
    converter,
    create,
    database,
    doctor,
    down,
    echo,
    image,
    logs,
    node,
    restart,
    rm,
    route,
    script,
    send,
    show,
    status,
    up,
)
from conquestctl.cli import exec as exec_
from conquestctl.cli import list as list_
from conquestctl.cli import set as set_
from conquestctl.cli.session import open_session, output_of
from conquestctl.errors import ConquestError, ExitStatus, Interrupted, StorageError, UsageError
from conquestctl.output import Environment, Output

STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)

STATUS_WORDS = {
    ExitStatus.OK: "done",
    ExitStatus.FAILURE: "failed",
    ExitStatus.USAGE: "not understood",
    ExitStatus.PARTIAL: "some of several failed",
    ExitStatus.NOT_FOUND: "not found",
    ExitStatus.CONFLICT: "taken or locked",
    ExitStatus.INVALID: "invalid value or file",
    ExitStatus.ENGINE: "no engine, or it refused",
    ExitStatus.NOT_READY: "no C-ECHO answer",
    ExitStatus.STORAGE: "disk full or no rights",
    ExitStatus.INTERRUPTED: "interrupted",
}
"""What each exit status means, for `--help` and the reference."""

EPILOG = "Exit status: " + ", ".join(f"{status.value} {words}" for status, words in STATUS_WORDS.items()) + "."


class Commands(TyperGroup):
    """The root command group; Ctrl-C inside a command becomes one of our own errors."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises `Interrupted`, which Typer does not turn into a bare number, for Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None


app = typer.Typer(
    name="conquestctl",
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"conquestctl {__version__}\n")
        raise typer.Exit


@app.callback()
def conquestctl(
    ctx: typer.Context,
    root: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Fleet folder [CONQUESTCTL_ROOT, else ./instances].")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(metavar="ENGINE", help="docker, process or auto [CONQUESTCTL_ENGINE, else auto].")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only data, warnings and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,  # noqa: ARG001 -- read by run()
    version: Annotated[  # noqa: ARG001 -- handled by its callback
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Run many DICOM nodes on one machine: create, start, prove with C-ECHO, stop.

    \b
    Example:
      conquestctl create ct1 ct2 && conquestctl up --all && conquestctl echo
    """
    output = output_of(ctx)
    output.quiet = output.quiet or quiet
    ctx.obj = open_session(output, root, engine)


FAMILIES = (
    *(create, list_, show, set_, rm, up, down, restart, status),
    *(echo, route, node, send, logs, exec_, image, doctor, converter, script, database),
)
"""In the order in which `--help` lists them."""

for family in FAMILIES:
    family.register(app)


def run(arguments: Sequence[str], environment: Environment) -> int:
    """Run one command line and return its exit status; every error is shown here, once."""
    arguments = arguments or ["--help"]
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    output = Output(environment, json="--json" in ours)
    command = typer.main.get_command(app)
    try:
        result = command.main(list(arguments), prog_name="conquestctl", standalone_mode=False, obj=output)
        environment.stdout.flush()
    except BrokenPipeError:
        discard_stdout(environment)
        return ExitStatus.FAILURE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitStatus.FAILURE
    except Exception as error:
        if "--debug" in ours and not isinstance(error, ConquestError | typer.TyperException):
            raise
        failure = translated(error)
        output.error(failure)
        return failure.status
    return result if isinstance(result, int) else ExitStatus.OK


def translated(error: Exception) -> ConquestError:
    """Return any exception as one of ours. Everything expected was translated long before; this is the last net."""
    if isinstance(error, ConquestError):
        return error
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "conquestctl"
        return UsageError(error.format_message(), hint=f"Type '{path} --help'.")
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        return StorageError(f"{error.filename or 'file system'}: {error.strerror}")
    return ConquestError(
        f"unexpected {type(error).__name__}: {error}",
        hint="Run it again with --debug before the command to see where; that is worth a bug report.",
    )


def discard_stdout(environment: Environment) -> None:
    """Nobody reads any more: point the stream at nothing, or Python complains once more while it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, environment.stdout.fileno())
    os.close(null)


def main() -> None:
    """Entry point of the `conquestctl` command."""
    status = run(sys.argv[1:], Environment.of_process())
    if status == ExitStatus.INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # threads that still wait for a peer would keep the process until their timeouts
    sys.exit(status)
