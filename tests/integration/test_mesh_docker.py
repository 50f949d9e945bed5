"""Nodes that reach one another: containers, this machine, and another host, each seen from inside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool
from pydicom import dcmread
from pydicom.data import get_testdata_file

from conquestctl.errors import ExitStatus
from conquestctl.fleet.instance import Instance
from tests.echo_server import EchoServer
from tests.integration.dockerside import wait_for
from tests.integration.operators import Operator
from tests.integration.otherhost import OtherHost, other_host
from tests.ports import free_port

pytestmark = pytest.mark.docker

SAMPLE = str(get_testdata_file("CT_small.dcm"))


@pytest.fixture
def other() -> Iterator[OtherHost]:
    with other_host() as host:
        yield host


def cells(operator: Operator, *words: str) -> dict[tuple[str, str], dict[str, Any]]:
    document = operator.types("echo", "--mesh", "--json", *words).document
    return {(cell["from"], cell["to"]): cell for cell in document["cells"]}


def layers(operator: Operator, *words: str) -> dict[tuple[str, str], str]:
    return {pair: cell["layer"] for pair, cell in cells(operator, *words).items()}


def steps(operator: Operator, *words: str) -> list[tuple[str, bool]]:
    return [(step["step"], step["ok"]) for step in operator.types("route", "--json", *words).document["steps"]]


def map_of(operator: Operator, name: str) -> str:
    return (operator.instances()[name].mount / "config" / "acrnema.map").read_text(encoding="utf-8")


def test_siblings_reach_one_another_by_name_and_follow_a_rename(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2", "pacs")
    operator.types_well("up", "--all")
    found = cells(operator)
    assert len(found) == 6
    assert {cell["layer"] for cell in found.values()} == {""}, found
    assert {(cell["to"], cell["host"]) for cell in found.values()} == {(name, name) for name in ("ct1", "ct2", "pacs")}
    assert operator.types_well("echo", "--mesh").out.splitlines()[1].split() == ["ct1", "-", "ok", "ok"]

    before = operator.states()
    operator.types_well("set", "pacs", "AETITLE=ARCHIVE")
    operator.types_well("up", "pacs")
    wait_for(lambda: set(layers(operator).values()) == {""}, "everybody to know ARCHIVE")
    assert operator.states() == before
    assert "PACS " not in map_of(operator, "ct1").replace("ARCHIVE", "")
    assert steps(operator, "ct1", "pacs", "--move")[-1] == ("delete", True)


def test_a_route_with_an_object_there_and_back(operator: Operator) -> None:
    operator.types_well("create", "ct1", "pacs")
    operator.types_well("up", "--all")
    ran = operator.types_well("route", "ct1", "pacs", "--move", "--json")
    done = [step["step"] for step in ran.document["steps"]]
    assert done[:7] == ["map", "name", "TCP", "association", "C-ECHO", "C-STORE", "C-MOVE"]
    assert done[7:] == ["C-FIND", "delete", "C-MOVE back", "delete", "delete"]
    assert [operator.status(name)["images"] for name in ("ct1", "pacs")] == [0, 0]
    for instance in operator.instances().values():
        assert not list((instance.mount / "data").rglob("*.dcm"))


def test_one_that_is_down_and_one_that_cannot_look(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2", "pacs")
    operator.types_well("up", "ct1", "ct2")
    operator.engine.client.exec_start(
        operator.engine.client.exec_create(operator.instances()["ct2"].project, ["rm", "mount/config/dicom.ini"])["Id"]
    )
    ran = operator.types("echo", "--mesh", "--json")
    assert ran.status == ExitStatus.PARTIAL
    found = {(cell["from"], cell["to"]): cell for cell in ran.document["cells"]}
    assert found["ct1", "ct2"]["ok"]
    assert found["ct1", "pacs"]["layer"] == "name not resolved"
    assert found["ct1", "pacs"]["hint"] == "Is it running? conquestctl up pacs"
    assert found["pacs", "ct1"]["layer"] == "not running"
    assert found["ct2", "ct1"]["layer"] == "cannot look"
    assert "mount/config/dicom.ini" in found["ct2", "ct1"]["detail"]


@contextmanager
def listening(host: str) -> Iterator[int]:
    port = free_port()
    server = EchoServer("VIEWER", host, port)
    try:
        yield port
    finally:
        server.close()


def test_a_node_on_this_machine(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2")
    operator.types_well("up", "--all")
    with listening("0.0.0.0") as port:
        operator.types_well("node", "add", "VIEWER", "localhost", str(port), "--only", "ct1")
        assert f"host.docker.internal {port}" in " ".join(map_of(operator, "ct1").split())
        assert "VIEWER" not in map_of(operator, "ct2")
        assert layers(operator)["ct1", "VIEWER"] == ""
    assert layers(operator)["ct1", "VIEWER"] == "refused"
    operator.types_well("node", "rm", "VIEWER")
    with listening("127.0.0.1") as port:
        operator.types_well("node", "add", "VIEWER", "127.0.0.1", str(port))
        found = cells(operator)["ct1", "VIEWER"]
        assert found["layer"] == "refused"
        assert "has to listen on 0.0.0.0" in found["hint"]
        said = [one["what"] for one in operator.types("doctor", "--json").document["findings"]]
        assert f"VIEWER listens on 127.0.0.1:{port} only: containers do not reach it there" in said


def test_a_running_server_uses_a_node_that_was_just_added(operator: Operator, other: OtherHost, tmp_path: Path) -> None:
    operator.types_well("create", "ct1")
    operator.types_well("up", "ct1")
    operator.types_well("send", "ct1", SAMPLE)
    started = operator.engine.client.inspect_container(operator.instances()["ct1"].project)["State"]["StartedAt"]
    ran = operator.types("route", "ct1", "OTHER")
    assert ran.status == ExitStatus.NOT_READY
    assert "conquestctl node add OTHER HOST PORT" in ran.out
    port = free_port()
    with other.receives(tmp_path / "theirs", "OTHER", port):
        operator.types_well("node", "add", "OTHER", other.address, str(port))
        assert layers(operator) == {("ct1", "OTHER"): ""}
        ran = operator.types_well("route", "ct1", "OTHER", "--move")
        assert "is not of this fleet and keeps patient TRIAL-" in ran.out
    assert len(list((tmp_path / "theirs").iterdir())) == 1
    assert layers(operator) == {("ct1", "OTHER"): "refused"}
    assert operator.status("ct1")["images"] == 1, "what was there before is there still"
    after = operator.engine.client.inspect_container(operator.instances()["ct1"].project)["State"]["StartedAt"]
    assert after == started


def test_another_host_echoes_stores_finds_and_moves_to_itself(
    operator: Operator, other: OtherHost, tmp_path: Path
) -> None:
    operator.types_well("create", "pacs", "--bind", other.us)
    operator.types_well("up", "pacs")
    pacs, port = operator.instances()["pacs"], free_port()
    operator.types_well("node", "add", "OTHER", other.address, str(port))
    to_pacs = ("-aet", "OTHER", "-aec", "PACS", other.us, str(pacs.port))
    other.runs_well("echoscu", *to_pacs)
    other.runs_well("storescu", *to_pacs, SAMPLE)
    patient = str(dcmread(SAMPLE).PatientID)
    keys = ("-k", "QueryRetrieveLevel=PATIENT", "-k", f"PatientID={patient}")
    assert patient in other.runs_well("findscu", "-v", "-P", *keys, *to_pacs)
    with other.receives(tmp_path / "theirs", "OTHER", port):
        move = ("movescu", "-P", "-aem", "OTHER", *keys, *to_pacs)
        wait_for(lambda: other.runs(*move).returncode == 0, "the server to read its map and send", 5)
    (got,) = (tmp_path / "theirs").iterdir()
    assert dcmread(got).PixelData == dcmread(SAMPLE).PixelData


HTTP = "import socket; s = socket.create_connection(({!r}, {}), 20); s.sendall(b'GET / HTTP/1.1'); s.recv(99)"
"""The server answers it and says in its log where it came from."""


def callers(operator: Operator, instance: Instance) -> list[str]:
    """Addresses of those who sent an HTTP request, as the server saw them."""
    text = b"".join(operator.engine.logs(instance)).decode()
    return [line.rpartition(" ")[2] for line in text.splitlines() if "HTTP request on the DICOM port" in line]


def test_whose_address_the_server_sees(operator: Operator, other: OtherHost) -> None:
    """As docs/networks.md has it."""
    operator.types_well("create", "pacs", "ct1", "--bind", "0.0.0.0")
    operator.types_well("up", "--all")
    pacs, ct1 = (operator.instances()[name] for name in ("pacs", "ct1"))
    other.python(HTTP.format(other.us, pacs.port))
    for host in ("127.0.0.1", other.us):
        exec(HTTP.format(host, pacs.port), {})  # noqa: S102 -- the same words as over there
    assert operator.engine.capture(ct1, ["python3", "-c", HTTP.format("pacs", pacs.port)]).status == 0
    inside = operator.engine.client.inspect_container(ct1.project)["NetworkSettings"]["Networks"][ct1.network]
    wait_for(lambda: len(callers(operator, pacs)) == 4, "all of them in the log")
    assert callers(operator, pacs) == [other.address, inside["Gateway"], other.us, inside["IPAddress"]]


def test_an_address_in_the_local_network(operator: Operator, other: OtherHost) -> None:
    """The macvlan of docs/networks.md: others reach it there and are seen, this machine does not."""
    client, address = operator.engine.client, other.us.rpartition(".")[0] + ".9"
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=f"{other.us}/24", iprange=f"{address}/32", gateway=other.us)])
    lan = f"lan-{other.namespace}"
    try:
        client.create_network(lan, driver="macvlan", options={"parent": other.cable}, ipam=ipam)
    except APIError as error:
        pytest.skip(f"this kernel has no macvlan: {error.explanation}")
    try:
        operator.types_well("create", "pacs")
        pacs = operator.instances()["pacs"]
        text = pacs.compose_file.read_text(encoding="utf-8")
        text = text.replace("      - fleet\n", "      - fleet\n      - lan\n")
        pacs.compose_file.write_text(f"{text}  lan:\n    external: true\n    name: {lan}\n", encoding="utf-8")
        operator.types_well("up", "pacs")
        other.runs_well("echoscu", "-aec", "PACS", address, str(pacs.port))
        other.python(HTTP.format(address, pacs.port))
        wait_for(lambda: callers(operator, pacs) == [other.address], "its address in the log")
        with pytest.raises(OSError, match=r"timed out|No route to host|refused"):
            socket.create_connection((address, pacs.port), 1).close()
        assert operator.status("pacs")["echo"]["ok"]
    finally:
        operator.clear()
        client.remove_network(lan)


def test_a_loopback_address_in_a_containers_map(operator: Operator) -> None:
    operator.types_well("create", "ct1", "pacs")
    path = operator.instances()["ct1"].mount / "config" / "acrnema.map"
    path.write_text(map_of(operator, "ct1") + "PACS 127.0.0.1 104\n", encoding="utf-8")
    ran = operator.types("up", "--all")
    assert "PACS: 127.0.0.1 is the container itself; this machine is host.docker.internal" in ran.err
    found = cells(operator)["ct1", "pacs"]
    assert found["layer"] == "refused"
    assert "127.0.0.1 is the container itself" in found["hint"]


def test_an_instance_in_the_machines_own_network(operator: Operator, other: OtherHost) -> None:
    """It sees everybody's real address, is known to containers by the machine's name, and sends there and back."""
    operator.types_well("create", "ct1")
    operator.types_well("create", "gate", "--network", "host", "--bind", "0.0.0.0")
    operator.types_well("up", "--all")
    gate = operator.instances()["gate"]
    assert operator.status("gate")["address"] == f"0.0.0.0:{gate.port}"
    found = cells(operator)
    assert {(cell["from"], cell["host"], cell["layer"]) for cell in found.values()} == {
        ("ct1", "host.docker.internal", ""),
        ("gate", "127.0.0.1", ""),
    }
    assert steps(operator, "ct1", "gate", "--move")[-1] == ("delete", True)
    for host in (other.us, "127.0.0.1"):
        exec(HTTP.format(host, gate.port), {})  # noqa: S102 -- the same words as over there
    other.python(HTTP.format(other.us, gate.port))
    wait_for(lambda: len(callers(operator, gate)) == 3, "all of them in the log")
    assert callers(operator, gate) == [other.us, "127.0.0.1", other.address]
    assert "already up" in operator.types_well("up", "gate").out
    ran = operator.types("create", "thief", "--port", str(gate.port))
    assert ran.status == ExitStatus.CONFLICT
