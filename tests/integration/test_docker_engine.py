from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conquestctl.engine import networks
from conquestctl.engine.base import Observed, State
from conquestctl.engine.docker import DockerEngine, connect
from conquestctl.engine.endpoint import Endpoint, find_endpoint
from conquestctl.engine.select import docker_engine, select_engine
from conquestctl.errors import ConflictError, EngineError, InvalidError, NotFoundError, StorageError
from tests.integration.dockerside import COMPOSE, IMAGE, Fleet, Requests, docker_environ, open_engine, says, wait_for

pytestmark = pytest.mark.docker

SECOND = """\
  side:
    image: ${{IMAGE}}
    networks: [fleet]
    depends_on: [{name}]
    entrypoint: [sleep, '99']
"""


@pytest.fixture(scope="module")
def engine() -> DockerEngine:
    return open_engine()


@pytest.fixture
def fleet(tmp_path: Path, engine: DockerEngine) -> Iterator[Fleet]:
    made = Fleet(tmp_path, engine)
    yield made
    made.clear()


def state(fleet: Fleet, name: str = "a") -> Observed:
    return fleet.engine.observe(fleet.made)[name]


def test_a_whole_life(fleet: Fleet) -> None:
    a = fleet.add("a")
    engine = fleet.engine
    engine.prepare([a])
    assert state(fleet) == Observed("a")
    engine.create(a)
    assert state(fleet).state is State.CREATED
    engine.start(a)
    seen = state(fleet)
    assert (seen.state, seen.spec_hash, seen.address) == (State.RUNNING, engine.spec_hash(a), f"127.0.0.1:{a.port}")
    wait_for(lambda: says(a.port) == "A", "the server")
    engine.stop(a, 10)
    assert (state(fleet).state, state(fleet).exit_code) == (State.EXITED, 0)
    assert b"bye" in b"".join(engine.logs(a))
    engine.stop(a, 10)
    engine.remove(a)
    assert state(fleet) == Observed("a")
    engine.remove(a)
    engine.stop(a, 10)
    assert (a.mount / "started").stat().st_uid == int(a.settings["RUN_AS"].partition(":")[0])


def test_what_a_container_may_do(fleet: Fleet) -> None:
    (a,) = fleet.up("a")
    seen = fleet.engine.client.inspect_container(state(fleet).handle)
    host = seen["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Init"], host["PidsLimit"]) == (True, ["ALL"], True, 64)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert seen["NetworkSettings"]["Networks"].keys() == {fleet.network}
    assert fleet.engine.execute(a, ["sh", "-c", "test $(id -u) = " + a.settings["RUN_AS"].partition(":")[0]]) == 0
    assert fleet.engine.execute(a, ["sh", "-c", "echo x >/etc/x || echo x >/conquest/x"]) != 0
    assert fleet.engine.execute(a, ["sh", "-c", "echo x >/tmp/x && grep -q host.docker.internal /etc/hosts"]) == 0


def test_siblings_reach_one_another_by_name(fleet: Fleet) -> None:
    a, b = fleet.up("a", "b")
    code = f"import socket; assert socket.create_connection(('b', {b.port})).recv(9) == b'B'"
    assert fleet.engine.execute(a, ["python3", "-c", code]) == 0


def test_exec_is_attached_to_our_streams(fleet: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    (a,) = fleet.up("a")
    with given_as_input(b"given\n"):
        status = fleet.engine.execute(a, ["sh", "-c", "read x; echo out $x; echo err >&2; exit 7"])
    assert status == 7
    assert capfd.readouterr() == ("out given\n", "err\n")


def test_the_limit_of_a_call_is_none_of_commands_and_logs(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A command that left its input unread for that long got the rest of it never, and waited for its end for ever."""
    (a,) = fleet.up("a")
    monkeypatch.setattr(fleet.engine.client, "timeout", 0.5)
    size = 3_000_000
    with given_as_input(b"x" * size):
        assert fleet.engine.execute(a, ["timeout", "30", "sh", "-c", "sleep 1; wc -c"]) == 0
    assert capfd.readouterr().out == f"{size}\n"
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.extend(fleet.engine.logs(a, follow=True)))
    reader.start()
    reader.join(1)
    monkeypatch.undo()
    fleet.engine.stop(a, 10)
    reader.join(20)
    assert b"".join(got) == b"ready\nbye\n"


@contextmanager
def given_as_input(content: bytes) -> Iterator[None]:
    """Standard input is a pipe that this comes through."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(content)

    before = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        writer.join(30)
        os.dup2(before, 0)
        os.close(before)


def test_exec_and_logs_of_what_does_not_run(fleet: Fleet) -> None:
    a = fleet.add("a")
    with pytest.raises(NotFoundError, match="a has no container") as caught:
        fleet.engine.logs(a)
    assert caught.value.hint == "conquestctl up a"
    fleet.engine.prepare([a])
    fleet.engine.create(a)
    with pytest.raises(EngineError, match="a is not running"):
        fleet.engine.execute(a, ["true"])


def test_logs_are_cut_and_followed(fleet: Fleet) -> None:
    (a,) = fleet.up("a")
    assert b"".join(fleet.engine.logs(a, tail=0)) == b""
    assert b"".join(fleet.engine.logs(a, tail=1)) == b"ready\n"
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.extend(fleet.engine.logs(a, follow=True)))
    reader.start()
    wait_for(lambda: got, "the first lines")
    fleet.engine.stop(a, 10)
    reader.join(20)
    assert b"".join(got) == b"ready\nbye\n"


def test_one_call_for_many(fleet: Fleet) -> None:
    fleet.up("a", "b", "c")
    counted = Requests(fleet.engine)
    seen = fleet.engine.observe(fleet.made)
    assert {one.state for one in seen.values()} == {State.RUNNING}
    assert len(counted.paths) == 1
    fleet.engine.published_ports()
    assert len(counted.paths) == 2


def test_published_ports_say_whose_they_are_before_the_start_too(fleet: Fleet) -> None:
    a = fleet.add("a")
    fleet.engine.prepare([a])
    fleet.engine.create(a)
    before = [one for one in fleet.engine.published_ports() if one.port == a.port]
    fleet.engine.start(a)
    after = [one for one in fleet.engine.published_ports() if one.port == a.port]
    assert [(one.address, one.owner) for one in before] == [("127.0.0.1", f"container {a.project}")]
    assert after == before


def test_eight_threads_make_one_network(fleet: Fleet) -> None:
    wanted = networks.Wanted(fleet.network, "10.213.0.0/22")
    start = threading.Barrier(8)
    failed: list[Exception] = []

    def ensure() -> None:
        start.wait()
        try:
            networks.ensure(fleet.engine.client, wanted, fleet.root)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test shall show it
            failed.append(error)

    threads = [threading.Thread(target=ensure) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [one for one in fleet.engine.client.networks() if one["Name"] == fleet.network]
    assert not failed
    assert len(found) == 1
    assert found[0]["Labels"]["com.docker.compose.network"] == "fleet"


def test_processes_make_one_network(fleet: Fleet) -> None:
    code = (
        "import os, sys; from pathlib import Path; from conquestctl.engine import networks;"
        "from conquestctl.engine.select import docker_engine;"
        "client = docker_engine(os.environ).client; sys.stdin.read();"
        "networks.ensure(client, networks.Wanted(sys.argv[1], ''), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, fleet.network, str(fleet.root)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    assert len([one for one in fleet.engine.client.networks() if one["Name"] == fleet.network]) == 1


def test_two_fleets_that_want_the_same_subnet_both_get_one(fleet: Fleet) -> None:
    for name in (fleet.network, f"{fleet.network}-2"):
        networks.ensure(fleet.engine.client, networks.Wanted(name, "10.213.0.0/22"), fleet.root)
    found = [one for one in fleet.engine.client.networks() if one["Name"].startswith(fleet.network)]
    subnets = {one["IPAM"]["Config"][0]["Subnet"] for one in found}
    assert len(subnets) == 2
    assert all(subnet.startswith("10.213.") for subnet in subnets)


def test_a_container_left_in_state_created_can_be_started_or_removed(fleet: Fleet) -> None:
    a = fleet.add("a")
    fleet.engine.prepare([a])
    fleet.engine.create(a)
    with pytest.raises(ConflictError, match=f"already a container called {a.project}") as caught:
        fleet.engine.create(a)
    assert caught.value.instance == "a"
    assert state(fleet).state is State.CREATED
    fleet.engine.remove(a)
    fleet.engine.create(a)
    fleet.engine.start(a)
    assert state(fleet).state is State.RUNNING


def test_a_killed_container_is_seen(fleet: Fleet) -> None:
    (a,) = fleet.up("a")
    fleet.engine.client.kill(a.project)
    wait_for(lambda: state(fleet).state is State.EXITED, "the end")
    assert state(fleet).exit_code == 137
    fleet.engine.start(a)
    wait_for(lambda: says(a.port) == "A", "the server")


def test_a_port_that_another_container_has(fleet: Fleet) -> None:
    (a,) = fleet.up("a")
    b = fleet.add("b", PORT=str(a.port))
    fleet.engine.create(b)
    with pytest.raises(ConflictError, match=f"port {a.port} .* is taken by container {a.project}") as caught:
        fleet.engine.start(b)
    assert caught.value.instance == "b"
    assert f"conquestctl set b PORT={a.port + 1}" in caught.value.hint
    assert state(fleet, "b").state is State.CREATED


def test_a_port_that_a_local_program_has(fleet: Fleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        a = fleet.add("a", PORT=str(server.getsockname()[1]))
        fleet.engine.prepare([a])
        fleet.engine.create(a)
        with pytest.raises(ConflictError, match=rf"port {a.port} on 127\.0\.0\.1 is taken by .*process {os.getpid()}"):
            fleet.engine.start(a)


def test_an_address_that_this_machine_does_not_have(fleet: Fleet) -> None:
    a = fleet.add("a", BIND="192.0.2.77")
    fleet.engine.prepare([a])
    fleet.engine.create(a)
    with pytest.raises(InvalidError, match=r"192\.0\.2\.77.* not an address of this machine"):
        fleet.engine.start(a)


def test_an_image_that_is_not_there(fleet: Fleet) -> None:
    a = fleet.add("a", IMAGE="h-engine/none:1")
    with pytest.raises(NotFoundError, match="image h-engine/none:1 is not on this engine") as caught:
        fleet.engine.prepare([a])
    assert "image load" in caught.value.hint
    with pytest.raises(NotFoundError, match="h-engine/none:1"):
        fleet.engine.create(a)


def test_a_data_folder_that_is_gone_is_not_made_as_root(fleet: Fleet) -> None:
    a = fleet.add("a")
    fleet.engine.prepare([a])
    a.mount.rmdir()
    with pytest.raises(StorageError, match=f"{a.mount} is missing"):
        fleet.engine.create(a)
    assert not a.mount.exists()


def test_a_network_that_was_removed_comes_back_with_prepare(fleet: Fleet) -> None:
    a = fleet.add("a")
    fleet.engine.prepare([a])
    fleet.engine.create(a)
    fleet.engine.client.remove_network(fleet.network)
    with pytest.raises(EngineError, match=f"the network {fleet.network} is gone"):
        fleet.engine.start(a)
    fleet.engine.prepare([a])
    fleet.engine.start(a)
    assert state(fleet).state is State.RUNNING


def test_a_stack_of_two(fleet: Fleet) -> None:
    a = fleet.add("a", compose=COMPOSE.replace("networks:\n  fleet:", SECOND + "networks:\n  fleet:"))
    fleet.engine.prepare([a])
    fleet.engine.create(a)
    fleet.engine.start(a)
    names = {one["Names"][0] for one in fleet.engine.client.containers(filters={"name": [fleet.network]})}
    assert names == {f"/{a.project}", f"/{a.project}_side_1"}
    assert state(fleet).handle == fleet.engine.client.inspect_container(a.project)["Id"]
    fleet.engine.stop(a, 1)
    fleet.engine.client.remove_container(a.project)
    fleet.engine.start(a)
    assert state(fleet).handle == fleet.engine.client.inspect_container(a.project)["Id"]
    assert state(fleet).state is State.RUNNING


def test_a_stack_that_cannot_be_made_whole_is_not_made_at_all(fleet: Fleet) -> None:
    a = fleet.add("a", compose=COMPOSE.replace("networks:\n  fleet:", SECOND + "networks:\n  fleet:"))
    fleet.engine.prepare([a])
    body = {"Image": IMAGE, "Entrypoint": ["true"]}
    fleet.engine.client.create_container_from_config(body, f"{a.project}_side_1")
    with pytest.raises(ConflictError, match=f"{a.project}_side_1") as caught:
        fleet.engine.create(a)
    assert f"docker rm {a.project}_side_1" in caught.value.hint
    assert state(fleet) == Observed("a")


def test_the_hash_follows_the_file(fleet: Fleet) -> None:
    a = fleet.add("a")
    before = fleet.engine.spec_hash(a)
    assert fleet.engine.spec_hash(a) == before
    a.compose_file.write_text(a.compose_file.read_text().replace("pids_limit: 64", "pids_limit: 65"))
    assert fleet.engine.spec_hash(a) != before


def test_selection_finds_the_engine() -> None:
    environ = docker_environ()
    engine, why = select_engine("auto", environ)
    assert engine.name == "docker"
    assert why == f"containers on the Docker engine at {find_endpoint(environ)}"
    assert docker_engine(environ).name == "docker"


def test_something_that_is_no_docker_engine(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-x\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(EngineError, match="does not talk like a Docker engine"):
            connect(Endpoint(f"unix://{tmp_path}/s", "DOCKER_HOST"))
        thread.join()
