"""`conquestctl create`: new instance folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import AsJson
from conquestctl.cli.databases import DatabaseImage, Kind, PasswordFile, Url, chosen_database
from conquestctl.cli.maps import follow_maps
from conquestctl.cli.session import Session, current

if TYPE_CHECKING:
    from conquestctl.engine.base import Engine
    from conquestctl.fleet.instance import Instance

NewNames = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of the new instances.")]
AeTitle = Annotated[str | None, typer.Option(metavar="TITLE", help="AE title [the name in capitals].")]
Port = Annotated[str | None, typer.Option(metavar="PORT", help="DICOM port [the first free one from 5678].")]
Count = Annotated[int | None, typer.Option(metavar="N", help="Make NAME1 to NAMEn; a --port is the first of a row.")]
Bind = Annotated[str | None, typer.Option(metavar="ADDR", help="Host address to publish on [127.0.0.1].")]
ImageName = Annotated[str | None, typer.Option("--image", metavar="IMAGE", help="Container image [our own].")]
Network = Annotated[str | None, typer.Option(metavar="KIND", help="fleet, or host: this machine's own [fleet].")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Another setting of .env.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("create")(create)


def create(
    ctx: typer.Context,
    names: NewNames,
    ae_title: AeTitle = None,
    port: Port = None,
    count: Count = None,
    bind: Bind = None,
    image: ImageName = None,
    settings: Settings = None,
    network: Network = None,
    database: Kind = None,
    database_image: DatabaseImage = None,
    database_url: Url = None,
    database_password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Make instances: folders with settings, compose file and an empty archive. Nothing is started.

    \b
    Example:
      conquestctl create ct1 mr1
      conquestctl create ct --count 20 --port 6000
      conquestctl create pacs --ae-title ARCHIVE --bind 0.0.0.0
      conquestctl create big --database postgres
      conquestctl create gate --network host --bind 0.0.0.0
    """
    from conquestctl.fleet.create import Surroundings
    from conquestctl.fleet.create import create as make
    from conquestctl.fleet.request import requests_for
    from conquestctl.fleet.settings import parse_assignments

    session = current(ctx).with_json(as_json)
    on_host = _on_host(network)
    where = chosen_database(session, database, database_image, database_url, database_password_file, on_host=on_host)
    values = {"AETITLE": ae_title, "PORT": port, "BIND": bind, "IMAGE": image}
    requests = requests_for(
        names, count=count, values=values, extra=parse_assignments(settings or []), database=where, host_network=on_host
    )
    docker = docker_if_used(session)
    published = docker.published_ports() if docker else []
    around = Surroundings(session.environ, published, say=session.output.note)
    made = make(session.fleet(), requests, around)
    follow_maps(session)
    _make_network(session, docker, made)
    _mention_image(session, docker, made)
    _report(session, made)


def _on_host(network: str | None) -> bool:
    """Whether the machine's own network was asked for. Raises `UsageError` for another word than the two."""
    from conquestctl.errors import UsageError

    if network not in {None, "fleet", "host"}:
        raise UsageError(f"there is no network {network!r} to choose", hint="Use fleet or host.")
    return network == "host"


def docker_if_used(session: Session) -> Engine | None:
    """Return the Docker engine unless local processes were asked for, or none answers."""
    return None if session.engine_choice == "process" else session.optional_docker()


def _make_network(session: Session, docker: Engine | None, made: list[Instance]) -> None:
    """Make the fleet's network if an engine is there, so that `docker-compose up` works at once; `up` makes it too."""
    from conquestctl.errors import ConquestError

    if docker is None:
        return
    from conquestctl.engine.docker import DockerEngine

    try:
        if isinstance(docker, DockerEngine):
            docker.ensure_networks(made)
    except ConquestError as error:
        session.output.warn(f"the fleet's network could not be made yet: {error.message}")


def _mention_image(session: Session, docker: Engine | None, made: list[Instance]) -> None:
    """`up` fetches nothing, so say in good time what has to be fetched for the databases."""
    from conquestctl.errors import ConquestError

    wanted = {one.settings["DATABASE_IMAGE"] for one in made if one.has_server}
    if docker is None or not wanted:
        return
    from conquestctl.engine.docker import DockerEngine

    try:
        missing = docker.missing_images(wanted) if isinstance(docker, DockerEngine) else []
    except ConquestError:
        return  # `up` will say it
    for image in missing:
        session.output.warn(f"the image {image} is not on this engine yet; before `up`: docker pull {image}")


def _report(session: Session, made: list[Instance]) -> None:
    from conquestctl.cli.list import COLUMNS, facts, row
    from conquestctl.fleet.names import port_advice

    output = session.output
    output.table(COLUMNS, [row(instance) for instance in made])
    output.document({"created": [facts(instance) for instance in made]})
    for instance in made:
        if advice := port_advice(instance.port):
            output.warn(f"{instance.name}: {advice}")
    names = [instance.name for instance in made]
    start = " ".join(names) if len(names) <= 3 else "--all"
    what = ", ".join(names) if len(names) <= 3 else f"{len(names)} instances"
    output.success(f"Created {what} in {session.root}. Start: conquestctl up {start}")
