"""The image that stands for `postgres` and `mariadb` in the tests: the servers are real, from Debian's packages."""

from __future__ import annotations

import functools
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from tools import database_images
from tools.debian import UnavailableError
from tools.private_engine import CACHE

if TYPE_CHECKING:
    from docker import APIClient

IMAGE = "conquestctl-test/database-server:1"


@functools.cache
def have_database_image(client: APIClient) -> str:
    """Give the engine the image; skips the test where it cannot be made."""
    try:
        archive = database_images.ensure_archive(CACHE)
    except (UnavailableError, OSError) as error:
        pytest.skip(f"no image of the databases: {error}")
    if not client.images(database_images.IMAGE):
        repository, _, tag = database_images.IMAGE.rpartition(":")
        client.import_image_from_file(str(archive), repository=repository, tag=tag)
    for event in client.build(fileobj=_context(), custom_context=True, tag=IMAGE, decode=True, rm=True):
        assert "error" not in event, event
    return IMAGE


def _context() -> io.BytesIO:
    """The entry point on top; the rest of the image stays the same when it changes."""
    dockerfile = (
        f"FROM {database_images.IMAGE}\n"
        "COPY entrypoint /usr/local/bin/entrypoint\n"
        "RUN mkdir -p /var/lib/postgresql/data /var/lib/mysql /run/postgresql /run/mysqld\n"
        "ENV LANG=C.UTF-8\n"
        'ENTRYPOINT ["bash", "/usr/local/bin/entrypoint"]\n'
    )
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as context:
        for name, content in (
            ("Dockerfile", dockerfile.encode()),
            ("entrypoint", database_images.ENTRYPOINT.read_bytes()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            context.addfile(entry, io.BytesIO(content))
    made.seek(0)
    return made
