"""`conquestctl database move`: the index of an instance from one database to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import AsJson, Name
from conquestctl.cli.databases import DatabaseImage, PasswordFile, Url, chosen_database, finish_moves
from conquestctl.cli.session import Session, current
from conquestctl.errors import UsageError

if TYPE_CHECKING:
    from conquestctl.movedatabase import Moved

HELP = """Move the index of an instance between SQLite, PostgreSQL and MariaDB.

\b
Example:
  conquestctl down ct1 && conquestctl database move ct1 --to postgres && conquestctl up ct1
"""
To = Annotated[str | None, typer.Option("--to", metavar="KIND", help="sqlite, or a server: postgres, mariadb.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="database")


@app.callback()
def database() -> None:
    """Keep `move` a word of its own while it is the only one."""


@app.command("move")
def move(
    ctx: typer.Context,
    name: Name,
    to: To = None,
    database_image: DatabaseImage = None,
    database_url: Url = None,
    database_password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy the index of a stopped instance to another database, compare every row, and only then use that one.

    The old database is kept. Whatever goes wrong, the instance goes on with the old one.

    \b
    Example:
      conquestctl database move ct1 --to postgres
      conquestctl database move ct1 --database-url mariadb://dicom@dbhost/ct1
      conquestctl database move ct1 --to sqlite
    """
    from datetime import datetime

    from conquestctl.fleet.create import Surroundings
    from conquestctl.movedatabase import Means
    from conquestctl.movedatabase import move as carry_out

    session = current(ctx).with_json(as_json)
    if to is None and database_url is None:
        raise UsageError("where to is not said", hint="--to sqlite, postgres or mariadb; or --database-url URL")
    finish_moves(session)
    fleet = session.fleet()
    on_host = fleet.get(name).on_host
    wanted = chosen_database(session, to, database_image, database_url, database_password_file, on_host=on_host)
    means = Means(session.engine(), session.every_engine(), Surroundings(session.environ, say=session.output.note))
    with session.output.progress([name]) as report:
        moved = carry_out(fleet, name, wanted, means, report, datetime.now().astimezone())
    _show(session, moved)


def _show(session: Session, moved: Moved) -> None:
    output = session.output
    kept = [str(path) for path in moved.kept]
    old = {} if moved.old.local else {"host": moved.old.host, "database": moved.old.name}
    output.document(
        {
            "instance": moved.instance,
            "from": {"kind": moved.old.kind, **old},
            "to": {"kind": moved.new.kind, "own": moved.new.own},
            "tables": list(moved.tables),
            "kept": kept,
        }
    )
    output.table(
        ("Table", "Rows", "Checksum"),
        [(one["table"], str(one["rows"]), one["checksum"]) for one in moved.tables],
    )
    output.success(
        f"{moved.instance}: the index is in {moved.new.kind} now, each row compared. "
        f"Start: conquestctl up {moved.instance}"
    )
    output.note(f"The old database and its files are kept. When nobody needs them: rm -r {' '.join(kept)}")
    if old:
        output.note(f"Its tables are still in {moved.old.name} on {moved.old.host}.")
