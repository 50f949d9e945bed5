"""Whole rendered instance folders. `UPDATE_GOLDEN=1 pytest tests/golden` rewrites them; review the diff."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from conquestctl.engine.compose import parse_stack
from conquestctl.fleet import envfile
from conquestctl.fleet.database import of_options, of_url
from conquestctl.fleet.databasefiles import database_view, put_database_files
from conquestctl.fleet.render import View, renderer

GOLDEN = Path(__file__).parent / "instances"

VIEWS = {
    "plain": View(
        "ct1",
        "CT1",
        5678,
        "127.0.0.1",
        "conquestctl/dgate:1",
        "1000:1000",
        "conquest-0a1b2c-ct1",
        "conquest-0a1b2c",
        "10.213.0.0/22",
    ),
    "odd": View(
        "1e3",
        'IT\'S A "NODE"'.replace('"', "#"),
        104,
        "0.0.0.0",
        "rzinkstok/conquest",
        "0:0",
        "conquest-0a1b2c-1e3",
        "conquest-0a1b2c",
        "10.213.0.0/22",
    ),
    "ipv6": View(
        "no",
        "NO",
        65535,
        "::1",
        "host:5000/a/b@sha256:ab",
        "1:2",
        "conquest-ffffff-no",
        "conquest-ffffff",
        "192.168.240.0/22",
    ),
}

POSTGRES = database_view(of_options("postgres", None), "1000:1000", "10.213.255.248/29")
MARIADB = database_view(of_options("mariadb", "host:5000/mariadb:11.4"), "0:0", "10.213.255.240/29")
EXTERNAL = database_view(of_url("mariadb://dicom@[2001:db8::1]:3307/ct1"), "1000:1000", "")
VIEWS |= {
    "postgres": replace(VIEWS["plain"], database=POSTGRES),
    "mariadb": replace(VIEWS["plain"], run_as="0:0", database=MARIADB),
    "external": replace(VIEWS["plain"], database=EXTERNAL),
}

VIEWS["host"] = replace(VIEWS["plain"], bind="0.0.0.0", host_network=True)

FILES = (".env", "docker-compose.yml")
DATABASE_FILES = (*FILES, "mount/config/dicom.ini.j2")


@pytest.mark.parametrize("case", VIEWS)
def test_rendered_files_are_as_recorded(case: str) -> None:
    files = renderer()(VIEWS[case])
    for name in DATABASE_FILES if VIEWS[case].database else FILES:
        place = GOLDEN / case / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files[name])
        assert files[name].decode() == place.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", VIEWS)
@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_accepts_the_folder_as_it_is(case: str, tmp_path: Path) -> None:
    view = VIEWS[case]
    for name, content in renderer()(view).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "mount" / "data").mkdir(parents=True, exist_ok=True)
    if view.database:
        put_database_files(tmp_path, view.database, view.run_as)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        ["docker-compose", "config"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    read = yaml.safe_load(done.stdout)
    service = read["services"][view.name]
    listens = {"LISTEN": view.bind} if view.host_network else {}
    assert service["environment"] == {"AETITLE": view.ae_title, "PORT": str(view.port), **listens}
    assert service["image"] == view.image
    assert service["user"] == view.run_as
    assert service["container_name"] == view.project
    assert (service["read_only"], service["init"], service["pids_limit"]) == (True, True, 1024)
    if view.host_network:
        assert service["network_mode"] == "host"
        assert not {"ports", "networks"} & service.keys()
        assert "networks" not in read
    else:
        assert "5678" not in str(service["ports"]) or view.port == 5678
        assert read["networks"]["fleet"] == {"external": True, "name": view.network}
    file = tmp_path / "docker-compose.yml"
    ours = parse_stack(file.read_text(), file, settings(tmp_path))
    assert set(ours.services) == set(read["services"])
    assert {name: str(path) for name, path in ours.secrets.items()} == {
        name: secret["file"] for name, secret in read.get("secrets", {}).items()
    }
    for network in ours.own_networks():
        assert read["networks"][network.key]["ipam"] == {"config": [{"subnet": network.subnet}]}
        assert read["networks"][network.key]["internal"] is network.internal is True


def settings(folder: Path) -> Mapping[str, str]:
    return envfile.read(folder / ".env", {}).values


def test_a_password_is_for_its_owner_and_in_no_other_file(tmp_path: Path) -> None:
    view = VIEWS["postgres"]
    assert view.database is not None
    put_database_files(tmp_path, view.database, view.run_as)
    file = tmp_path / "secrets" / "database_password"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(file.read_text())) == 32
    content = b"".join(renderer()(view).values())
    assert file.read_bytes() not in content
