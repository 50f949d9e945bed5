"""The options of `create` and `database move` that say where the index is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.errors import UsageError

if TYPE_CHECKING:
    from conquestctl.cli.session import Session
    from conquestctl.fleet.database import Database

Kind = Annotated[
    str | None, typer.Option("--database", metavar="KIND", help="sqlite, or a server: postgres, mariadb [sqlite].")
]
DatabaseImage = Annotated[
    str | None, typer.Option(metavar="IMAGE", help="Image of the database server [postgres:17, mariadb:11].")
]
Url = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A server that is there: postgresql://user@host:port/name, mariadb://..."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Holds the password for --database-url; without, it is asked for."),
]


def chosen_database(
    session: Session,
    kind: str | None,
    image: str | None,
    url: str | None,
    password_file: Path | None,
    *,
    on_host: bool = False,
) -> Database:
    """Return what the options ask for, for an instance in the machine's own network if `on_host`.

    Raises `UsageError`, `InvalidError`, `StorageError`.
    """
    from conquestctl.fleet.database import of_options

    if url is not None:
        return _external(session, kind, image, url, password_file, apart=not on_host)
    if password_file is not None:
        raise UsageError(
            "--database-password-file is for --database-url; a server of the instance's own gets a new password"
        )
    database = of_options(kind, image)
    if database.own and on_host:
        raise UsageError(
            "a database server of the instance's own is reached in a network of theirs, which the host's is not",
            hint="Leave out --network host, or give a server that is there already: --database-url.",
        )
    if database.own:
        _require_containers(session, database.kind)
    return database


def finish_moves(session: Session) -> None:
    """Put those databases in force that a killed `database move` had decided for. Raises as `finish_all`."""
    from conquestctl.fleet.databaseswitch import finish_all

    for name in finish_all(session.root):
        session.output.note(f"{name}: its index had been moved; the new database is in force now")


def _external(
    session: Session, kind: str | None, image: str | None, url: str, password_file: Path | None, *, apart: bool
) -> Database:
    """A server that is there. `apart`: the instance has a network of its own when it is a container."""
    from dataclasses import replace

    from conquestctl.fleet.database import of_url, read_password, seen_from

    database = of_url(url)
    if image is not None or kind not in {None, database.kind}:
        raise UsageError(
            "--database-url says what the database is and where",
            hint="Leave out --database and --database-image, or --database-url for a server of the instance's own.",
        )
    password = read_password(session.output.environment.cwd / password_file) if password_file else _asked(session, url)
    seen = seen_from(database.host, container=apart and _in_containers(session))
    if seen != database.host:
        session.output.note(f"{database.host} is this machine, which containers know as {seen}")
    return replace(database, host=seen, password=password)


def _asked(session: Session, url: str) -> str:
    otherwise = "Write it in a file that only you can read: --database-password-file FILE"
    password = session.output.ask_hidden(f"Password for {url}: ", otherwise=otherwise)
    if not password:
        raise UsageError("--database-url needs a password", hint=otherwise)
    return password


def _in_containers(session: Session) -> bool:
    return session.engine_choice == "docker" or (
        session.engine_choice == "auto" and session.optional_docker() is not None
    )


def _require_containers(session: Session, kind: str) -> None:
    """Raise `UsageError` where instances are local processes: those bring no database server along."""
    if _in_containers(session):
        return
    raise UsageError(
        f"a {kind} server of the instance's own is a container, and instances are local processes here",
        hint="With a server that is there already: --database-url. In containers: --engine docker.",
    )
