"""An instance as a local process whose index is on a database server that is there already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conquestctl.dicom.samples import bundled, one_of_each_kind
from tests.cli.running import Ran, conquestctl
from tests.databases import NAME, Databases, databases
from tools.database_servers import PASSWORD, USER, DatabaseServer

pytestmark = pytest.mark.database
SCHEMES = {"postgres": "postgresql", "mariadb": "mariadb"}


@pytest.fixture
def servers() -> Iterator[Databases]:
    made = databases()
    yield made
    made.end()


def types(tmp_path: Path, *words: str) -> Ran:
    return conquestctl(*words, cwd=tmp_path, environ={"CONQUESTCTL_ENGINE": "process"})


def create(tmp_path: Path, server: DatabaseServer, kind: str) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    url = f"{SCHEMES[kind]}://{USER}@127.0.0.1:{server.port}/{NAME}"
    ran = types(tmp_path, "create", "ct1", "--database-url", url, "--database-password-file", "password")
    assert ran.status == 0, ran.err


@pytest.mark.parametrize("kind", SCHEMES)
def test_images_are_on_the_server_and_outlast_the_process(tmp_path: Path, servers: Databases, kind: str) -> None:
    server = servers.server(kind)
    create(tmp_path, server, kind)
    try:
        ran = types(tmp_path, "up", "ct1")
        assert ran.status == 0, ran.err
        assert types(tmp_path, "send", "ct1", *map(str, one_of_each_kind(bundled())[:3])).status == 0
        assert types(tmp_path, "restart", "ct1").status == 0
        (line,) = types(tmp_path, "status", "ct1", "--json").document["instances"]
        assert line["images"] == 3
    finally:
        types(tmp_path, "down", "ct1")
    assert server.sql("SELECT COUNT(*) FROM DICOMImages;", NAME).split() == ["3"]
    assert not list((tmp_path / "instances/ct1/mount/dbase").iterdir())


def test_a_wrong_password_is_said_and_nothing_is_taken(tmp_path: Path, servers: Databases) -> None:
    create(tmp_path, servers.server("postgres"), "postgres")
    folder = tmp_path / "instances" / "ct1"
    (folder / "secrets" / "database_password").write_text("wrong")
    try:
        types(tmp_path, "up", "ct1")
        sent = types(tmp_path, "send", "ct1", str(one_of_each_kind(bundled())[0]))
    finally:
        types(tmp_path, "down", "ct1")
    assert sent.status != 0
    said = (folder / "mount" / "logs" / "console.log").read_text()
    assert "password authentication failed" in said
    assert "Traceback" not in said
