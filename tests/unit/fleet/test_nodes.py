"""Nodes outside the fleet, and which address whom is written for whom."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conquestctl.errors import ConflictError, InvalidError
from conquestctl.fleet.addresses import GATEWAY, Reader, is_loopback, is_own_host, own_host, seen_by, sibling_host
from conquestctl.fleet.maplines import is_compression, swallowing_comments
from conquestctl.fleet.nodes import FleetNode, Neighbourhood, added, checked_node, parse_nodes, refusals, without
from dgate.config.amap import AcrNemaMap
from tests.fakes import make_instance

FILE = "/srv/fleet/acrnema.map"
PACS = FleetNode("PACS", "192.168.1.20", 104)
CONTAINER, PROCESS = Reader.CONTAINER, Reader.PROCESS


@pytest.mark.parametrize(
    ("host", "container", "process"),
    [
        ("localhost", GATEWAY, "127.0.0.1"),
        ("LOCALHOST", GATEWAY, "127.0.0.1"),
        ("127.0.0.1", GATEWAY, "127.0.0.1"),
        ("127.4.5.6", GATEWAY, "127.0.0.1"),
        ("::1", GATEWAY, "127.0.0.1"),
        (GATEWAY, GATEWAY, "127.0.0.1"),
        ("192.168.1.5", GATEWAY, "127.0.0.1"),
        ("workstation", GATEWAY, "127.0.0.1"),
        ("192.168.1.20", "192.168.1.20", "192.168.1.20"),
        ("pacs.hospital.example", "pacs.hospital.example", "pacs.hospital.example"),
    ],
)
def test_the_address_is_right_for_who_reads_it(host: str, container: str, process: str) -> None:
    own = {"192.168.1.5", "workstation"}
    assert seen_by(CONTAINER, host, own.__contains__) == container
    assert seen_by(PROCESS, host, own.__contains__) == process


@pytest.mark.parametrize(
    ("bind", "container", "process", "own"),
    [
        ("127.0.0.1", "ct2", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "ct2", "127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", "ct2", "10.1.2.3", "10.1.2.3"),
        ("::", "ct2", "::1", "127.0.0.1"),
    ],
)
def test_siblings_by_service_name_or_where_they_listen(
    tmp_path: Path, bind: str, container: str, process: str, own: str
) -> None:
    ct2 = replace(make_instance(tmp_path, "ct2", 5679), bind=bind)
    assert sibling_host(CONTAINER, ct2, CONTAINER) == container
    assert sibling_host(PROCESS, ct2, PROCESS) == sibling_host(PROCESS, ct2, CONTAINER) == process
    assert sibling_host(CONTAINER, ct2, PROCESS) == GATEWAY
    assert own_host(CONTAINER, ct2) == "127.0.0.1"
    assert own_host(PROCESS, ct2) == own


def test_what_is_this_machines_own() -> None:
    assert is_own_host("127.0.0.1")
    assert is_own_host(socket.gethostname())
    assert not is_own_host("192.0.2.77")
    assert not is_own_host("pacs.hospital.example")
    assert not is_loopback("10.0.0.1")


def neighbourhood(tmp_path: Path, nodes: list[FleetNode], readers: Mapping[str, Reader]) -> Neighbourhood:
    instances = [make_instance(tmp_path, name, 5678 + at) for at, name in enumerate(readers)]
    return Neighbourhood(instances, nodes, readers, lambda _host: False)


def test_everybody_an_instance_is_to_know(tmp_path: Path) -> None:
    nodes = [PACS, FleetNode("VIEWER", "localhost", 11112, "j2", ("ct1",)), FleetNode("CT2", "10.0.0.1", 1)]
    around = neighbourhood(tmp_path, nodes, {"ct1": CONTAINER, "ct2": CONTAINER, "mr1": PROCESS})
    ct1, ct2, mr1 = around.instances
    assert [(n.ae, n.host, n.port, n.compression) for n in around.entries_of(ct1)] == [
        ("CT1", "127.0.0.1", "5678", "un"),
        ("CT2", "ct2", "5679", "un"),
        ("MR1", GATEWAY, "5680", "un"),
        ("PACS", "192.168.1.20", "104", "un"),
        ("VIEWER", GATEWAY, "11112", "j2"),
    ]
    assert [n.ae for n in around.neighbours_of(ct2)] == ["CT1", "MR1", "PACS"]
    assert [(n.ae, n.host) for n in around.neighbours_of(mr1)][:2] == [("CT1", "127.0.0.1"), ("CT2", "127.0.0.1")]


def test_who_cannot_be_in_a_map(tmp_path: Path) -> None:
    around = neighbourhood(tmp_path, [replace(PACS, ae="CT1", line=7)], {"ct1": PROCESS, "ct2": PROCESS})
    odd = replace(around.instances[1], ae_title="TWO WORDS")
    said = refusals([around.instances[0], odd], around.nodes, FILE)
    assert said[0].startswith("ct2: no other instance can know it, because its AE title 'TWO WORDS' contains ' ';")
    assert said[1:] == [f"{FILE}:7: not used, because instance ct1 has the AE title CT1"]
    assert replace(around, instances=[around.instances[0], odd]).neighbours_of(around.instances[0]) == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("PACS 10.0.0.1", "expected AE title, host and port"),
        ("PACS 10.0.0.1 x", "the port 'x' is not a number from 1 to 65535"),
        ("PACS 10.0.0.1 104 un VIEWER 10.0.0.2 105", "'un VIEWER 10.0.0.2 105' would be lost; give each its own"),
        ("PACS 10.0.0.1 104 VIEWER 10.0.0.2 105", "there is more than one entry on this line"),
        ("PACS 10.0.0.1 104 zz", "'zz' is no compression code"),
        ("PACS 10.0.0.1:104 104", "'10.0.0.1:104' is no host name or IP address"),
        ("PACS 0.0.0.0 104", "0.0.0.0 is an address to listen on, not one to send to"),
        ("PAC* 10.0.0.1 104", "AE title 'PAC*' is a pattern, not a node"),
        ("ABCDEFGHIJKLMNOPQ h 104", "has 17 characters; DICOM allows 16"),
        ("ARCHIVE h 105", "not used, because line 1 has this AE title already, at h:104"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_sentence_and_the_others_count(line: str, sentence: str) -> None:
    data = f"ARCHIVE h 104\n{line}\nLAST h 1 j2 only=ct1,ct2\n".encode()
    nodes, faults = parse_nodes(data, FILE)
    assert [node.ae for node in nodes] == ["ARCHIVE", "LAST"]
    assert nodes[1].only == ("ct1", "ct2")
    (fault,) = faults
    assert str(fault).startswith(f"{FILE}:2: ")
    assert sentence in str(fault)


def test_a_comment_behind_an_entry_costs_the_original_server_the_next_line() -> None:
    data = b"A h 1 # x\nB h 2 /* y */\n# z\nC h 3\nD h 4 ; at the end"
    assert [(fault.line, fault.key) for fault in swallowing_comments(data, FILE)] == [(1, "A"), (2, "B")]


@pytest.mark.parametrize("code", ["un", "as", "UL", "j2", "jk", "j3", "j395", "jl5", "n4", "k1", "s0", "j2!", "uj"])
def test_the_codes_of_conquest(code: str) -> None:
    assert is_compression(code)


def test_an_edit_leaves_all_else_alone() -> None:
    data = b"# head\r\nA /* x */ h 1 un extra # why\nshort line\n\xff\xfe 1 2\n/* never closed"
    more = added(data, PACS, FILE)
    assert b"PACS" in more
    assert without(more, "PACS") == data
    less = without(data, "A")
    assert less == b"# head\r\n /* x */     # why\nshort line\n\xff\xfe 1 2\n/* never closed"
    assert parse_nodes(more, FILE)[0][0].ae == "PACS", "in front, as the end is a comment"


def test_the_same_address_again_changes_what_else_is_said_of_it() -> None:
    data = added(b"PACS 192.168.1.20 104 # ours\nB h 2\n", replace(PACS, compression="j2", only=("ct1",)), FILE)
    assert b"# ours\nB h 2\n" in data
    assert parse_nodes(data, FILE)[0][0] == FleetNode("PACS", "192.168.1.20", 104, "j2", ("ct1",), 1)


def test_another_address_is_a_conflict_that_names_the_line() -> None:
    with pytest.raises(ConflictError, match=rf"{FILE}:2 has it at 192.168.1.20:104") as caught:
        added(b"\nPACS 192.168.1.20 104\n", replace(PACS, port=105), FILE)
    assert "conquestctl node rm PACS" in caught.value.hint


@pytest.mark.parametrize("bad", ["", "a b", "-x", "a/b", "a:b", "x" * 254, "h#", "*", "fe80::1%eth0"])
def test_what_is_no_host(bad: str) -> None:
    with pytest.raises(InvalidError):
        checked_node("PACS", bad, "104")


ok_nodes = st.builds(
    FleetNode,
    st.text("ABCXYZ-_019", min_size=1, max_size=16),
    st.sampled_from(["localhost", "10.0.0.1", "fd00::1", "pacs.example"]),
    st.integers(1, 65535),
    st.sampled_from(["un", "j2", "as"]),
    st.lists(st.sampled_from(["ct1", "mr-2"]), max_size=2, unique=True).map(tuple),
)


@given(st.binary(max_size=60), ok_nodes)
def test_what_was_added_is_read_and_what_was_removed_is_gone(data: bytes, node: FleetNode) -> None:
    data = without(data, node.ae)
    assert node.ae not in {found.ae for found in AcrNemaMap.parse(data).nodes}
    found = {one.ae: replace(one, line=0) for one in parse_nodes(added(data, node, FILE), FILE)[0]}
    assert found[node.ae] == node
    assert without(added(data, node, FILE), node.ae).rstrip(b"\n").endswith(data.rstrip(b"\n"))
