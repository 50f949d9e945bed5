"""Whole rendered instance folders. `UPDATE_GOLDEN=1 pytest tests/golden` rewrites them; review the diff."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

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

FILES = (".env", "docker-compose.yml")


@pytest.mark.parametrize("case", VIEWS)
def test_rendered_files_are_as_recorded(case: str) -> None:
    files = renderer()(VIEWS[case])
    for name in FILES:
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
    assert service["environment"] == {"AETITLE": view.ae_title, "PORT": str(view.port)}
    assert service["image"] == view.image
    assert service["user"] == view.run_as
    assert service["container_name"] == view.project
    assert (service["read_only"], service["init"], service["pids_limit"]) == (True, True, 1024)
    assert "5678" not in str(service["ports"]) or view.port == 5678
    assert read["networks"]["fleet"] == {"external": True, "name": view.network}
