"""docker-compose 1.29 and we work on the same stacks, whoever started them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conquestctl.engine.base import Observed, State
from conquestctl.engine.docker import DockerEngine
from conquestctl.fleet.instance import Instance
from tests.integration.dockerside import Fleet, open_engine, says, wait_for
from tests.integration.operators import Operator

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed"),
]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path, open_engine())
    yield made
    made.clear()


def compose(instance: Instance, *words: str) -> str:
    environ = {key: value for key, value in os.environ.items() if key in {"DOCKER_HOST", "PATH", "HOME"}}
    done = subprocess.run(
        ["docker-compose", *words], cwd=instance.folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_compose_works_on_what_we_started(fleet: Fleet) -> None:
    (a,) = fleet.up("a")
    assert f"{a.port}:{a.port}" in compose(a, "config")
    listed = compose(a, "ps")
    assert a.project in listed
    assert "Up" in listed
    assert "ready" in compose(a, "logs")
    assert compose(a, "exec", "-T", "a", "echo", "hello") == "hello\n"
    compose(a, "stop")
    assert fleet.engine.observe([a])["a"].state is State.EXITED
    compose(a, "start")
    assert fleet.engine.observe([a])["a"].state is State.RUNNING
    compose(a, "down")
    assert fleet.engine.observe([a])["a"] == Observed("a")
    assert fleet.engine.client.networks(names=[fleet.network])


def test_we_work_on_what_compose_started(fleet: Fleet) -> None:
    a = fleet.add("a")
    fleet.engine.ensure_networks([a])
    compose(a, "up", "-d")
    wait_for(lambda: says(a.port) == "A", "the server")
    seen = fleet.engine.observe([a])["a"]
    assert (seen.state, seen.spec_hash, seen.address) == (State.RUNNING, "", f"127.0.0.1:{a.port}")
    assert b"ready" in b"".join(fleet.engine.logs(a))
    assert fleet.engine.execute(a, ["true"]) == 0
    fleet.engine.stop(a, 10)
    fleet.engine.remove(a)
    assert fleet.engine.observe([a])["a"] == Observed("a")


def test_compose_and_we_make_the_same_container(fleet: Fleet) -> None:
    """What the file says and what runs may not depend on who read it."""
    a = fleet.add("a")
    fleet.engine.prepare([a])
    fleet.engine.create(a)
    ours = essence(fleet.engine, a)
    fleet.engine.remove(a)
    compose(a, "up", "--no-start")
    assert essence(fleet.engine, a) == ours


def test_the_stack_of_a_created_instance(operator: Operator) -> None:
    """What `create` writes, with the real image and server, in the hands of either program."""
    operator.types_well("create", "ct1")
    ct1 = operator.instances()["ct1"]
    compose(ct1, "up", "-d")
    wait_for(lambda: operator.status("ct1")["echo"]["ok"], "the server")
    assert operator.status("ct1")["state"] == "running"
    assert "already up, started by docker-compose" in operator.types_well("up", "ct1").out
    theirs = essence(operator.engine, ct1)
    operator.types_well("down", "ct1")
    assert not compose(ct1, "ps", "-q")

    operator.types_well("up", "ct1")
    assert essence(operator.engine, ct1) == theirs
    assert "Up" in compose(ct1, "ps")
    assert "CT1" in compose(ct1, "logs")
    assert compose(ct1, "exec", "-T", "ct1", "sh", "-c", "echo $PORT") == f"{ct1.port}\n"
    compose(ct1, "down")
    assert operator.states() == {"ct1": State.ABSENT}
    assert operator.engine.client.networks(names=[ct1.network])


HOST_KEYS = (
    *("NetworkMode", "PortBindings", "ExtraHosts", "Tmpfs", "LogConfig", "Init", "RestartPolicy", "ShmSize"),
    *("ReadonlyRootfs", "CapAdd", "CapDrop", "SecurityOpt", "Privileged", "PidsLimit", "Memory", "NanoCpus"),
)
CONFIG_KEYS = ("User", "Image", "Entrypoint", "Cmd", "WorkingDir", "Healthcheck")


def essence(engine: DockerEngine, instance: Instance) -> dict[str, object]:
    """The settings that matter, without ids and labels; empty and absent are the same."""
    seen = engine.client.inspect_container(instance.project)
    host, config = seen["HostConfig"], seen["Config"]
    found = {key: host.get(key) or None for key in HOST_KEYS} | {key: config.get(key) or None for key in CONFIG_KEYS}
    mounts = {(mount["Source"], mount["Destination"], mount["RW"]) for mount in seen["Mounts"]}
    return found | {"mounts": mounts, "env": sorted(config["Env"])}
