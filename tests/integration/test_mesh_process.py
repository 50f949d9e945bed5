"""Nodes as local processes that reach one another: the real command line and the real server, no Docker."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from conquestctl.cli.main import run
from conquestctl.dicom.association import Link, association
from conquestctl.dicom.move import move_patient
from conquestctl.dicom.target import EchoTarget
from conquestctl.engine.pidfile import pid_file, read_record
from conquestctl.engine.process import ProcessEngine
from conquestctl.errors import ExitStatus
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.scan import Fleet
from conquestctl.lifecycle import down
from conquestctl.output import Environment
from tests.echo_server import EchoServer
from tests.integration.dockerside import wait_for
from tests.ports import free_port

NAMES = ("ct1", "ct2", "mr1", "pacs")


@dataclass
class Operator:
    """Somebody who types commands and has no Docker."""

    home: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            "CONQUESTCTL_ENGINE": "process",
            "XDG_STATE_HOME": str(self.home / "state"),
            "DOCKER_HOST": f"unix://{self.home}/no.sock",
        }

    def types(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        status = run(words, Environment(io.StringIO(), out, err, self.environ, self.home))
        return status, out.getvalue(), err.getvalue()

    def types_well(self, *words: str) -> str:
        status, out, err = self.types(*words)
        assert status == ExitStatus.OK, out + err
        return out

    def document(self, *words: str) -> dict[str, Any]:
        found = json.loads(self.types(*words, "--json")[1])
        assert isinstance(found, dict)
        return found

    def instances(self) -> dict[str, Instance]:
        return {one.name: one for one in Fleet.open(self.home / "instances", self.environ).instances()}

    def layers(self, *words: str) -> dict[tuple[str, str], str]:
        cells = self.document("echo", "--mesh", *words)["cells"]
        return {(cell["from"], cell["to"]): cell["layer"] for cell in cells}


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    somebody = Operator(tmp_path)
    yield somebody
    down(list(somebody.instances().values()), ProcessEngine(somebody.environ))


@pytest.fixture
def fleet(operator: Operator) -> Operator:
    for name in NAMES:
        operator.types_well("create", name, "--port", str(free_port()))
    operator.types_well("up", "--all")
    return operator


def pids(operator: Operator) -> dict[str, int | None]:
    records = {name: read_record(pid_file(one.mount)) for name, one in operator.instances().items()}
    return {name: record.pid if record else None for name, record in records.items()}


def target(instance: Instance) -> EchoTarget:
    return EchoTarget(instance.name, instance.ae_title, instance.host, instance.port)


def test_a_mesh_of_four(fleet: Operator) -> None:
    found = fleet.layers()
    assert found == {(a, b): "" for a in NAMES for b in NAMES if a != b}
    lines = fleet.types_well("echo", "--mesh").splitlines()
    assert [line.split() for line in lines[:2]] == [["From", *NAMES], ["ct1", "-", "ok", "ok", "ok"]]
    assert set(fleet.layers("ct1")) == {("ct1", name) for name in NAMES[1:]}


def test_a_mesh_with_holes(fleet: Operator) -> None:
    fleet.types_well("down", "mr1")
    status, out, err = fleet.types("echo", "--mesh")
    assert status == ExitStatus.PARTIAL
    assert "6 of 12 ways are open" in err
    assert out.splitlines()[3].split() == ["mr1", "not", "running", "not", "running", "-", "not", "running"]
    found = fleet.document("echo", "--mesh", "ct1")["cells"]
    (cell,) = [one for one in found if not one["ok"]]
    assert (cell["to"], cell["layer"], cell["hint"]) == ("mr1", "refused", "Is it running? conquestctl up mr1")
    fleet.types_well("down", "--all")
    assert fleet.types("echo", "--mesh")[0] == ExitStatus.NOT_READY


def test_a_route_there_and_back_leaves_nothing(fleet: Operator) -> None:
    ours = str(get_testdata_file("CT_small.dcm"))
    fleet.types_well("send", "ct1", ours)
    document = fleet.document("route", "ct1", "pacs", "--move")
    assert document["ok"], document
    assert [step["step"] for step in document["steps"]] == [
        *("map", "name", "TCP", "association", "C-ECHO", "C-STORE", "C-MOVE", "C-FIND"),
        *("delete", "C-MOVE back", "delete", "delete"),
    ]
    counts = {line["name"]: line["images"] for line in fleet.document("status")["instances"]}
    assert counts == {"ct1": 1, "ct2": 0, "mr1": 0, "pacs": 0}, "the object that was there is there still"


def test_a_route_that_ends_where_it_breaks(fleet: Operator) -> None:
    fleet.types_well("down", "pacs")
    status, out, _ = fleet.types("route", "ct1", "pacs", "--move")
    assert status == ExitStatus.NOT_READY
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["map", "ok"], ["name", "ok"], ["TCP", "failed"]]
    document = fleet.document("route", "ct1", "ct3")
    assert [step["step"] for step in document["steps"]] == ["map"]
    assert "conquestctl node add ct3 HOST PORT" in document["steps"][0]["hint"]


def test_a_way_back_that_the_other_side_does_not_know(fleet: Operator) -> None:
    """A C-MOVE needs an entry on the side that sends; a pattern or entry of the user's may lead it astray."""
    path = fleet.instances()["pacs"].mount / "config" / "acrnema.map"
    path.write_text(f"CT1 127.0.0.1 {free_port()}\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    status, _, err = fleet.types("node", "add", "X", "10.0.0.1", "104")
    assert (status, f"{path}:1 goes before the fleet's CT1" in err) == (ExitStatus.OK, True)
    said = fleet.document("doctor")["findings"]
    assert any(one["check"] == "nodes" and "goes before the fleet's CT1" in one["what"] for one in said)

    def back() -> dict[str, Any]:
        steps = {step["step"]: step for step in fleet.document("route", "ct1", "pacs", "--move")["steps"]}
        found = steps["C-MOVE back"]
        assert isinstance(found, dict)
        return found

    wait_for(lambda: not back()["ok"], "pacs to read its map", 10)
    counts = {line["name"]: line["images"] for line in fleet.document("status")["instances"]}
    assert counts == dict.fromkeys(NAMES, 0), "deleted although the way back failed"


def test_running_servers_know_a_new_node_without_a_restart(fleet: Operator) -> None:
    before = pids(fleet)
    server = EchoServer("VIEWER", port=free_port())
    try:
        fleet.types_well("node", "add", "VIEWER", "localhost", str(server.port), "--only", "ct1", "--only", "pacs")
        assert {pair: layer for pair, layer in fleet.layers().items() if "VIEWER" in pair} == {
            ("ct1", "VIEWER"): "",
            ("pacs", "VIEWER"): "",
        }
        ct1, ct2 = (fleet.instances()[name] for name in ("ct1", "ct2"))
        wait_for(lambda: not move_patient(target(ct1), "NOBODY", "VIEWER").unknown, "ct1 to know VIEWER", 5)
        assert move_patient(target(ct2), "NOBODY", "VIEWER").unknown
        fleet.types_well("node", "rm", "VIEWER")
        wait_for(lambda: move_patient(target(ct1), "NOBODY", "VIEWER").unknown, "ct1 to forget VIEWER", 5)
    finally:
        server.close()
    assert pids(fleet) == before


def test_maps_follow_a_new_port_title_and_removal(fleet: Operator) -> None:
    before = pids(fleet)
    fleet.types_well("set", "pacs", f"PORT={free_port()}", "AETITLE=ARCHIVE")
    fleet.types_well("up", "pacs")
    assert fleet.layers("ct1", "ct2", "mr1") == {(a, b): "" for a in NAMES[:3] for b in NAMES if a != b}
    fleet.types_well("down", "pacs")
    fleet.types_well("rm", "pacs")
    assert set(fleet.layers()) == {(a, b) for a in NAMES[:3] for b in NAMES[:3] if a != b}
    for name, one in fleet.instances().items():
        assert "ARCHIVE" not in (one.mount / "config" / "acrnema.map").read_text(encoding="utf-8")
        assert pids(fleet)[name] == before[name]


def test_an_association_that_needs_no_entry_is_served_as_ever(fleet: Operator) -> None:
    from pynetdicom.presentation import build_context

    link = Link(target(fleet.instances()["ct1"]), "STRANGER")
    with association(link, [build_context("1.2.840.10008.1.1")]) as (assoc, _):
        assert assoc is not None
        assert assoc.send_c_echo().get("Status") == 0
