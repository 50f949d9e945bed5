"""What doctor says of maps and nodes."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from conquestctl.doctor.examination import examine
from conquestctl.doctor.facts import FleetFacts, InstanceFacts, MapFacts
from conquestctl.doctor.findings import Finding, Verdict
from conquestctl.doctor.neighbours import distant_hosts, listening, loopback_only, unknown_hosts
from conquestctl.doctor.ways import check_ways
from conquestctl.errors import InvalidError
from conquestctl.fleet.addresses import GATEWAY, Reader
from conquestctl.fleet.amapblock import with_block
from conquestctl.fleet.maps import follow
from conquestctl.fleet.nodes import FleetNode
from dgate.config.amap import Node
from dgate.config.faults import Fault
from tests.fakes import make_instance
from tests.unit.fleet.support import make
from tests.unit.test_doctor import facts

ENTRIES = (Node("CT1", "127.0.0.1", "5678"), Node("CT2", "ct2", "5679"), Node("VIEWER", GATEWAY, "11112"))
GOOD = with_block(b"", ENTRIES)
VIEWER = FleetNode("VIEWER", "localhost", 11112, line=1)
PACS = FleetNode("PACS", "192.168.1.20", 104, line=2)


def ct1(tmp_path: Path, data: bytes = GOOD, *, reader: Reader = Reader.CONTAINER, **more: object) -> InstanceFacts:
    known = replace(MapFacts(reader, data, ENTRIES), **more)  # type: ignore[arg-type]
    return InstanceFacts(make_instance(tmp_path, "ct1", 5678), map=known)


def findings(one: InstanceFacts, **of_fleet: object) -> list[Finding]:
    given = facts(one)
    fleet = replace(given.fleet, **of_fleet)  # type: ignore[arg-type]
    assert isinstance(fleet, FleetFacts)
    return list(check_ways(replace(given, fleet=fleet)))


def words(found: list[Finding]) -> list[str]:
    assert {one.verdict for one in found} == {Verdict.WARNING}
    assert {one.check for one in found} == {"nodes"}
    assert all(one.hint for one in found)
    return [one.what for one in found]


def test_all_is_well(tmp_path: Path) -> None:
    (found,) = findings(ct1(tmp_path), nodes=[VIEWER])
    assert (found.verdict, found.what) == (
        Verdict.OK,
        "every map has all other instances, and 1 node outside the fleet",
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "the map of ct1 is not up to date: CT1, CT2, VIEWER missing"),
        (with_block(b"", ENTRIES[:2]), "the map of ct1 is not up to date: VIEWER missing"),
        (with_block(b"", (*ENTRIES, Node("GONE", "gone", "1"))), "not up to date: another address, or somebody who is"),
        (GOOD + b"CT2 h 7\n", "goes before the fleet's CT2: h:7 and not ct2:5679"),
        (GOOD + b"MINE localhost 7\n", "MINE: localhost is the container itself; this machine is host.docker.internal"),
        (GOOD + b"MINE h\n", "MINE: expected AE title, host and port"),
        (GOOD + b"A h 1 un B h 2\n", "there is more than one entry on this line"),
        (GOOD + b"ct2 ct2 5679\n", ":6: ct2 is called CT2: in AE titles capital and small letters differ"),
        (GOOD + b"A h 1 # x\nB h 2\n", "the original server loses line 7 by the comment behind this entry"),
    ],
)
def test_what_is_wrong_with_a_map(tmp_path: Path, data: bytes, what: str) -> None:
    data = data if data != GOOD + b"CT2 h 7\n" else with_block(data, ENTRIES)
    (said,) = words(findings(ct1(tmp_path, data)))
    assert what in said


def test_a_map_that_cannot_be_read(tmp_path: Path) -> None:
    one = InstanceFacts(make_instance(tmp_path, "ct1", 5678), map_fault=InvalidError("it is a link", hint="Mend it."))
    (found,) = findings(one)
    assert (found.verdict, found.what, found.hint) == (Verdict.PROBLEM, "it is a link", "Mend it.")


def test_lines_of_the_fleets_own_map(tmp_path: Path) -> None:
    fault = Fault("/fleet/acrnema.map", 3, "SHORT", "expected AE title, host and port", fatal=False)
    said = words(findings(ct1(tmp_path), node_faults=[fault], nodes=[replace(VIEWER, ae="CT1")]))
    assert said[0] == "/fleet/acrnema.map:3: SHORT: expected AE title, host and port"
    assert "instance ct1 has the AE title CT1" in said[1]


def test_servers_on_a_loopback_alone(tmp_path: Path) -> None:
    (said,) = words(findings(ct1(tmp_path), nodes=[VIEWER], loopback_only={11112}))
    assert said == "VIEWER listens on 127.0.0.1:11112 only: containers do not reach it there"
    process = ct1(tmp_path, reader=Reader.PROCESS, read_by_containers=True)
    (said,) = words(findings(process))
    assert said == "ct1 listens on 127.0.0.1 of this machine: the fleet's containers cannot reach it"


def test_who_is_not_reached_back(tmp_path: Path) -> None:
    nodes = {"nodes": [PACS], "distant_hosts": {PACS.host}}
    (found,) = findings(ct1(tmp_path), **nodes)
    assert found.what == "ct1 is published on 127.0.0.1 only: PACS cannot reach it"
    assert found.hint == "If it has to: conquestctl set ct1 BIND=0.0.0.0"
    open_ = replace(ct1(tmp_path), instance=replace(make_instance(tmp_path, "ct1", 5678), bind="0.0.0.0"))
    assert [one.verdict for one in findings(open_, **nodes)] == [Verdict.OK]


def test_a_host_that_nobody_knows(tmp_path: Path) -> None:
    (said,) = words(findings(ct1(tmp_path), nodes=[PACS], unknown_hosts={PACS.host: "Name or service not known"}))
    assert said == "the host 192.168.1.20 of PACS is not known here: Name or service not known"


def test_what_this_machine_says_of_hosts_and_ports() -> None:
    lost = FleetNode("LOST", "no-such-host.invalid", 104)
    assert list(unknown_hosts([lost, VIEWER, FleetNode("G", GATEWAY, 1)])) == ["no-such-host.invalid"]
    assert distant_hosts([VIEWER, PACS, FleetNode("G", GATEWAY, 1)]) == {PACS.host}
    with socket.create_server(("127.0.0.1", 0)) as inner, socket.create_server(("0.0.0.0", 0)) as outer:
        ports = [one.getsockname()[1] for one in (inner, outer)]
        assert loopback_only([*ports, 1]) == {ports[0]}


def test_the_kernels_table() -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    four = head + "   0: 0100007F:2B68 00000000:0000 0A 0 0\n   1: 0100007F:2B69 0100007F:1 01 0 0\n   2: cut off\n"
    six = head + "   0: 00000000000000000000000001000000:2B68 0:0 0A 0 0\n"
    assert listening([four, six]) == {11112: {"0100007F", "00000000000000000000000001000000"}}


def test_a_fleet_as_it_lies_on_disk(tmp_path: Path) -> None:
    one, _ = make(tmp_path, "ct1", "ct2")
    environ = {"XDG_STATE_HOME": str(tmp_path / "state"), "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}

    def said() -> list[str]:
        return [one.what for one in check_ways(examine(tmp_path / "fleet", "process", environ))]

    assert said() == [
        "the map of ct1 is not up to date: CT1, CT2 missing",
        "the map of ct2 is not up to date: CT2, CT1 missing",
    ]
    follow(tmp_path / "fleet", lambda found: dict.fromkeys((one.name for one in found), Reader.PROCESS))
    assert said() == ["every map has all other instances"]
    (tmp_path / "fleet" / "acrnema.map").write_bytes(b"SHORT h\n")
    path = one.mount / "config" / "acrnema.map"
    path.unlink()
    path.symlink_to(tmp_path / "fleet" / "acrnema.map")
    assert [text.rpartition("/")[2] for text in said()] == [
        "acrnema.map:1: SHORT: expected AE title, host and port; the entry can not be sent to",
        "acrnema.map is a link to another place, where nothing is written",
    ]
