"""`conquestctl image` as it is typed, on a real engine."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from conquestctl.cli.main import run
from conquestctl.engine.docker import DockerEngine
from conquestctl.errors import ExitStatus
from conquestctl.output import Environment
from tests.integration.dockerside import docker_environ, open_engine
from tests.integration.test_docker_images import BASE

pytestmark = pytest.mark.docker


@pytest.fixture
def engine() -> DockerEngine:
    return open_engine()


@pytest.fixture
def tag(engine: DockerEngine) -> Iterator[str]:
    name = f"h-engine/command:{secrets.token_hex(4)}"
    yield name
    engine.client.remove_image(name, force=True)


def typed(cwd: Path, *words: str, **changes: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    environ = {**docker_environ(), "NO_COLOR": "1", **changes}
    status = run(["image", *words], Environment(io.StringIO(), stdout, stderr, environ, cwd))
    return status, stdout.getvalue(), stderr.getvalue()


def test_build_list_save_and_load(tag: str, engine: DockerEngine, tmp_path: Path) -> None:
    status, out, err = typed(tmp_path, "build", "--tag", tag, "--base", BASE)
    assert (status, out) == (0, "")
    assert f"{tag}: Step 1/" in err
    assert err.endswith(f"built {tag}\n")
    status, out, _ = typed(tmp_path, "list", "--json")
    listed = next(image for image in json.loads(out)["images"] if image["image"] == tag)
    assert (status, listed["base"], listed["current"]) == (0, BASE, True)
    assert tag in typed(tmp_path, "list")[1]
    file = tmp_path / "x.tar"
    status, out, _ = typed(tmp_path, "save", str(file), "--tag", tag, "--json")
    assert (status, json.loads(out)["size"]) == (0, file.stat().st_size)
    engine.client.remove_image(tag)
    status, _, err = typed(tmp_path, "load", str(file))
    assert (status, err) == (0, f"loaded {tag}\n")


def test_what_fails_says_what_to_do(tmp_path: Path) -> None:
    status, _, err = typed(tmp_path, "save", "x.tar", "--tag", "h-engine/none:1")
    assert status == ExitStatus.NOT_FOUND
    assert "\nError: the image h-engine/none:1 is not on this engine\n" in err
    status, _, err = typed(tmp_path, "list", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert status == ExitStatus.ENGINE
    assert "no such socket" in err
    status, _, err = typed(tmp_path, "build", "--ca-cert", str(tmp_path / "none.pem"))
    assert status == ExitStatus.STORAGE
    assert "none.pem: No such file" in err
