"""`conquestctl doctor` with a real engine: image, network and ports as the engine has them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conquestctl.engine.docker import connect
from conquestctl.engine.endpoint import find_endpoint
from conquestctl.errors import ExitStatus
from tests.cli.running import conquestctl, make_instance
from tests.integration.dockerside import docker_environ
from tests.ports import free_port

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.docker


@pytest.fixture
def client() -> docker.APIClient:
    return connect(find_endpoint(docker_environ()))


@pytest.fixture
def network(client: docker.APIClient) -> Iterator[str]:
    """The name of a network to be made; nobody else's fleet has it."""
    name = f"h-doctor-{secrets.token_hex(4)}"
    yield name
    for one in client.networks(names=[name]):
        client.remove_network(one["Id"])


def findings(home: Path, check: str, **environ: str) -> list[dict[str, Any]]:
    ran = conquestctl("doctor", "--json", cwd=home, environ={**docker_environ(), **environ})
    assert ran.document["engine"] == "docker", ran.out
    return [one for one in ran.document["findings"] if one["check"] == check]


def test_image_and_network(tmp_path: Path, client: docker.APIClient, network: str) -> None:
    make_instance(tmp_path, "ct1", port=free_port())
    env = tmp_path / "instances" / "ct1" / ".env"
    lines = env.read_text(encoding="utf-8").splitlines()
    changes = {"FLEET_NETWORK": network, "IMAGE": "h-doctor/none:1"}
    env.write_text(
        "".join(f"{k}={changes.get(k, v)}\n" for k, _, v in (one.partition("=") for one in lines if "=" in one))
    )

    (engine,) = findings(tmp_path, "engine")
    assert engine["what"].startswith(f"auto takes the Docker engine {client.version()['Version']} at ")
    (image,) = findings(tmp_path, "image")
    assert (image["verdict"], image["status"]) == ("problem", ExitStatus.NOT_FOUND)
    assert "docker pull h-doctor/none:1" in image["hint"]
    (before,) = findings(tmp_path, "network")
    assert f"{network} is not there yet" in before["what"]
    client.create_network(network, driver="bridge")
    (after,) = findings(tmp_path, "network")
    assert after["what"].startswith(f"{network} is there with ")


def test_the_base_decides_whether_ours_can_be_built(tmp_path: Path) -> None:
    (image,) = findings(tmp_path, "image", CONQUESTCTL_BASE="h-doctor/no-base:1")
    missing = "its base h-doctor/no-base:1 is not there" in image["what"]
    assert missing == (image["verdict"] == "problem")
    assert missing or image["what"].endswith(" is there")
