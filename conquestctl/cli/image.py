"""`conquestctl image`: the container image that instances run from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import AsJson
from conquestctl.cli.session import Session, current

if TYPE_CHECKING:
    from docker import APIClient

HELP = """Build, list, save and load the container image.

\b
Example:
  conquestctl image build && conquestctl image save dgate.tar.gz
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)

Tag = Annotated[str | None, typer.Option("--tag", metavar="IMAGE", help="Name of the image [new instances' own].")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The file; .tar or .tar.gz.", show_default=False)]


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="image")


@app.command("build")
def build(
    ctx: typer.Context,
    tag: Tag = None,
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Image to build on [CONQUESTCTL_BASE, else Debian 13 slim].")
    ] = None,
    ca_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificates (PEM) the build trusts [this host's own].")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the image, fetching its base when it is missing.

    This host's certificates and proxy settings are lent to the build and do not stay in the image.

    \b
    Example:
      conquestctl image build --base debian:trixie-slim --ca-cert /etc/ssl/certs/hospital-proxy.pem
    """
    from conquestctl.engine import images
    from conquestctl.fleet.settings import DEFAULT_IMAGE

    session, client = _docker(ctx, as_json)
    source = images.Source.of_environ(
        session.environ, base=base or "", ca_cert=ca_cert, may_pull=True, no_cache=no_cache
    )
    image = tag or DEFAULT_IMAGE
    with session.output.progress([image]) as update:
        images.build(client, image, source, _to_progress(update, image))
    session.output.document({"image": image, "id": images.image_id(client, image)})
    session.output.success(f"built {image}")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List our images on the engine, and whether each was built from the sources of this program.

    \b
    Example:
      conquestctl image list
    """
    from conquestctl.engine import images

    session, client = _docker(ctx, as_json)
    found = images.list_(client)
    rows = [
        [i.tag, i.identifier[7:19], _megabytes(i.size), _when(i.created), "yes" if i.current else "no"] for i in found
    ]
    session.output.table(["IMAGE", "ID", "SIZE", "CREATED", "CURRENT"], rows)
    document = [
        {
            "image": i.tag,
            "id": i.identifier,
            "size": i.size,
            "created": _when(i.created),
            "base": i.base,
            "current": i.current,
        }
        for i in found
    ]
    session.output.document({"images": document})


@app.command("save")
def save(ctx: typer.Context, file: File, tag: Tag = None, as_json: AsJson = False) -> None:
    """Write the image to a file, to carry it to a machine without network.

    \b
    Example:
      conquestctl image save dgate.tar.gz
    """
    from conquestctl.engine import images
    from conquestctl.fleet.settings import DEFAULT_IMAGE

    session, client = _docker(ctx, as_json)
    image = tag or DEFAULT_IMAGE
    with session.output.progress([image]) as update:
        update(image, f"writing {file}")
        size = images.save(client, image, file)
    session.output.document({"image": image, "file": file, "size": size})
    session.output.success(f"saved {image} to {file} ({_megabytes(size)})")


@app.command("load")
def load(ctx: typer.Context, file: File, as_json: AsJson = False) -> None:
    """Bring in an image that `image save` wrote on another machine.

    \b
    Example:
      conquestctl image load dgate.tar.gz
    """
    from conquestctl.engine import images

    session, client = _docker(ctx, as_json)
    names = images.load(client, file)
    session.output.document({"images": names, "file": file})
    session.output.success(f"loaded {', '.join(names)}")


def _docker(ctx: typer.Context, as_json: bool) -> tuple[Session, APIClient]:
    """Images are Docker's, whatever engine the fleet runs on."""
    from conquestctl.engine.select import docker_engine

    session = current(ctx).with_json(as_json)
    return session, docker_engine(session.environ).client


def _to_progress(update: Callable[[str, str], None], image: str) -> Callable[[str], None]:
    return lambda line: update(image, line)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.0f} MB"


def _when(created: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(created, UTC).isoformat(timespec="minutes")
