"""Instances with a database server of their own, in the hands of conquestctl and of docker-compose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conquestctl.dicom.samples import bundled, one_of_each_kind
from conquestctl.engine import labels
from conquestctl.engine.base import State
from conquestctl.errors import ExitStatus
from conquestctl.fleet.instance import Instance
from tests.integration.databaseside import have_database_image
from tests.integration.dockerside import wait_for
from tests.integration.operators import Operator

pytestmark = pytest.mark.docker
KINDS = ("postgres", "mariadb")


def create(operator: Operator, name: str, kind: str) -> Instance:
    image = have_database_image(operator.engine.client)
    operator.types_well("create", name, "--database", kind, "--database-image", image)
    made = operator.instances()[name]
    made.compose_file.write_text(made.compose_file.read_text().replace("interval: 5s", "interval: 1s"))  # nobody waits
    return made


def password(instance: Instance) -> str:
    return (instance.folder / "secrets" / "database_password").read_text()


def containers(operator: Operator, instance: Instance) -> dict[str, Any]:
    """Those of the stack by their service, as the engine lists them."""
    label = f"{labels.PROJECT}={instance.project}"
    found = operator.engine.client.containers(all=True, filters={"label": [label]})
    return {one["Labels"][labels.SERVICE]: one for one in found}


def networks(operator: Operator, instance: Instance) -> list[dict[str, Any]]:
    found = operator.engine.client.networks(names=[f"{instance.project}_database"])
    assert isinstance(found, list)
    return found


def send(operator: Operator, first: int, end: int) -> None:
    files = one_of_each_kind(bundled())[first:end]
    operator.types_well("send", "pacs", *map(str, files))


def images(operator: Operator, name: str) -> int | None:
    count = operator.status(name)["images"]
    return count if isinstance(count, int) else None


def compose(instance: Instance, *words: str) -> str:
    environ = {key: value for key, value in os.environ.items() if key in {"DOCKER_HOST", "PATH", "HOME"}}
    done = subprocess.run(
        ["docker-compose", *words], cwd=instance.folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_images_survive_the_database_and_the_stack(operator: Operator, kind: str) -> None:
    pacs = create(operator, "pacs", kind)
    operator.types_well("up", "pacs")
    send(operator, 0, 3)
    assert images(operator, "pacs") == 3
    assert not list((pacs.mount / "dbase").iterdir())

    operator.engine.client.restart(containers(operator, pacs)["db"]["Id"])
    wait_for(lambda: images(operator, "pacs") == 3, "the server to find its database again", 60)
    send(operator, 3, 5)

    operator.types_well("down", "pacs")
    assert (containers(operator, pacs), networks(operator, pacs)) == ({}, [])
    assert operator.engine.client.networks(names=[pacs.network])
    operator.types_well("up", "pacs")
    assert images(operator, "pacs") == 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_password_is_seen_nowhere(operator: Operator, kind: str) -> None:
    pacs = create(operator, "pacs", kind)
    operator.types_well("up", "pacs")
    secret = password(pacs)
    client = operator.engine.client
    for one in containers(operator, pacs).values():
        assert secret not in json.dumps(client.inspect_container(one["Id"]))
        assert secret not in json.dumps(client.top(one["Id"], "-ef"))
        assert secret.encode() not in client.logs(one["Id"])
    texts = [path.read_bytes() for path in pacs.mount.rglob("*") if path.is_file()]
    texts += [(pacs.folder / name).read_bytes() for name in (".env", "docker-compose.yml")]
    assert not any(secret.encode() in text for text in texts)


def test_only_its_own_instance_reaches_a_database(operator: Operator) -> None:
    pacs = create(operator, "pacs", "postgres")
    operator.types_well("create", "ct1")
    operator.types_well("up", "--all")
    look = ("python3", "-c", "import socket; socket.create_connection(('db', 5432), 3)")
    assert operator.engine.capture(pacs, look).status == 0
    assert operator.engine.capture(operator.instances()["ct1"], look).status != 0
    (network,) = networks(operator, pacs)
    assert network["Internal"]
    assert network["IPAM"]["Config"][0]["Subnet"] == pacs.settings["DATABASE_SUBNET"]
    assert not containers(operator, pacs)["db"]["Ports"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_docker_compose_runs_the_same_stack(operator: Operator, kind: str) -> None:
    pacs = create(operator, "pacs", kind)
    compose(pacs, "up", "-d")
    wait_for(lambda: operator.status("pacs")["echo"]["ok"], "the server", 60)
    assert "already up, started by docker-compose" in operator.types_well("up", "pacs").out
    send(operator, 3, 5)
    theirs = essence(operator, pacs)
    compose(pacs, "down")
    assert (containers(operator, pacs), networks(operator, pacs)) == ({}, [])

    operator.types_well("up", "pacs")
    assert essence(operator, pacs) == theirs
    assert images(operator, "pacs") == 2
    assert "WARNING" not in compose(pacs, "down")
    assert (containers(operator, pacs), networks(operator, pacs)) == ({}, [])
    assert operator.engine.client.networks(names=[pacs.network])


def essence(operator: Operator, instance: Instance) -> dict[str, object]:
    """What matters of both containers and of their network, without ids and labels."""
    found: dict[str, object] = {}
    for service, summary in containers(operator, instance).items():
        seen = operator.engine.client.inspect_container(summary["Id"])
        host, config = seen["HostConfig"], seen["Config"]
        keys = ("NetworkMode", "Tmpfs", "Init", "ReadonlyRootfs", "CapDrop", "SecurityOpt", "PidsLimit", "ShmSize")
        settings = {key: host.get(key) or None for key in keys}
        settings |= {key: config.get(key) or None for key in ("User", "Healthcheck", "StopSignal", "StopTimeout")}
        mounts = {(mount["Source"], mount["Destination"], mount["RW"]) for mount in seen["Mounts"]}
        joined = set(seen["NetworkSettings"]["Networks"])
        found[service] = (summary["Names"], settings, mounts, joined, sorted(config["Env"]))
    (network,) = networks(operator, instance)
    return found | {"network": (network["IPAM"]["Config"][0]["Subnet"], network["Internal"])}


def test_up_starts_a_database_that_was_stopped(operator: Operator) -> None:
    pacs = create(operator, "pacs", "postgres")
    operator.types_well("up", "pacs")
    operator.engine.client.stop(containers(operator, pacs)["db"]["Id"])
    ran = operator.types_well("up", "pacs", "--json")
    (line,) = ran.document["instances"]
    assert line["action"] == "start"
    assert containers(operator, pacs)["db"]["State"] == "running"


def test_a_database_folder_of_another_user_is_named(operator: Operator) -> None:
    pacs = create(operator, "pacs", "postgres")
    os.chown(pacs.folder / "db", 4321, 4321)
    ran = operator.types("up", "pacs")
    assert ran.status == ExitStatus.ENGINE
    assert "the service db of pacs ended with exit code" in ran.err
    assert "ermission denied" in ran.err
    assert "The folder db/ of pacs and all in it have to belong to its user, DATABASE_RUN_AS in .env" in ran.err
    assert (containers(operator, pacs), networks(operator, pacs)) == ({}, [])


def test_an_image_that_has_to_be_fetched_is_said_in_good_time(operator: Operator) -> None:
    ran = operator.types_well("create", "pacs", "--database", "postgres", "--database-image", "h-engine/none:1")
    assert "before `up`: docker pull h-engine/none:1" in ran.err
    ran = operator.types("up", "pacs")
    assert ran.status == ExitStatus.NOT_FOUND
    assert "the image h-engine/none:1 is not on this engine" in ran.err
    pacs = operator.instances()["pacs"]
    assert (containers(operator, pacs), networks(operator, pacs)) == ({}, [])


def test_a_subnet_that_is_taken_is_said(operator: Operator) -> None:
    one, two = create(operator, "one", "postgres"), create(operator, "two", "postgres")
    assert one.settings["DATABASE_SUBNET"] != two.settings["DATABASE_SUBNET"]
    operator.types_well("up", "one")
    operator.types_well("set", "two", f"DATABASE_SUBNET={one.settings['DATABASE_SUBNET']}")
    ran = operator.types("up", "two")
    assert ran.status == ExitStatus.CONFLICT
    assert "is taken by another network or a route" in ran.err
    assert operator.states() == {"one": State.RUNNING, "two": State.ABSENT}
    advice = ran.err.partition("This one is free: conquestctl ")[2].splitlines()[0]
    operator.types_well(*advice.split())
    operator.types_well("up", "two")


def test_what_this_machine_has_a_route_to_is_not_hidden(operator: Operator) -> None:
    """Of a VPN, say, that came after the instance: the fleet's network goes elsewhere, a database's is said."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("only root makes a route, with ip (iproute2)")
    one = create(operator, "one", "postgres")
    operator.engine.remove_networks([one])
    routes = [one.settings[key] for key in ("FLEET_SUBNET", "DATABASE_SUBNET")]
    try:
        for route in routes:
            subprocess.run(["ip", "route", "add", "blackhole", route], check=True)
        ran = operator.types("up", "one")
        assert ran.status == ExitStatus.CONFLICT
        assert f"the subnet {routes[1]} of the network {one.project}_database is taken by" in ran.err
        (made,) = operator.engine.client.networks(names=[one.network])
        assert made["IPAM"]["Config"][0]["Subnet"] != routes[0]
        assert (containers(operator, one), networks(operator, one)) == ({}, [])
    finally:
        for route in routes:
            subprocess.run(["ip", "route", "del", "blackhole", route], capture_output=True, check=False)


def test_a_password_that_is_wrong_is_said_and_can_be_put_right(operator: Operator) -> None:
    pacs = create(operator, "pacs", "postgres")
    operator.types_well("up", "pacs")
    send(operator, 0, 2)
    operator.types_well("down", "pacs")
    file = pacs.folder / "secrets" / "database_password"
    right = file.read_text()
    file.write_text("wrong")
    operator.types_well("up", "pacs")
    said = b"".join(operator.engine.logs(pacs))
    assert b"password authentication failed" in said
    assert b"Traceback" not in said
    file.write_text(right)
    wait_for(lambda: images(operator, "pacs") == 2, "the server to come in with the right password")


def test_a_fleet_of_root_has_databases_too(operator: Operator, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.chown(tmp_path / "instances", 0, 0)
    pacs = create(operator, "pacs", "mariadb")
    operator.types_well("up", "pacs")
    assert (pacs.folder / "db").stat().st_uid == 999
    assert {path.stat().st_mode & 0o777 for path in (pacs.folder / "secrets").iterdir()} == {0o600}
