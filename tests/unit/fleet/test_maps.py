"""Maps on disk: they follow whatever changes, and what is in the way of one does not keep the others from it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from conquestctl.errors import ConflictError, InvalidError, NotFoundError
from conquestctl.fleet.addresses import Reader
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.maps import (
    IN_INSTANCE,
    Edit,
    Followed,
    add_node,
    follow,
    import_nodes,
    read_nodes,
    remove_node,
)
from conquestctl.fleet.nodes import FleetNode
from dgate.config.amap import AcrNemaMap
from tests.unit.fleet.support import make

PACS = FleetNode("PACS", "192.168.1.20", 104)


def as_processes(instances: Sequence[Instance]) -> Mapping[str, Reader]:
    return dict.fromkeys((one.name for one in instances), Reader.PROCESS)


def as_containers(instances: Sequence[Instance]) -> Mapping[str, Reader]:
    return dict.fromkeys((one.name for one in instances), Reader.CONTAINER)


def brought_up_to_date(tmp_path: Path, *, containers: bool = False, edit: Edit | None = None) -> Followed:
    readers = as_containers if containers else as_processes
    return follow(tmp_path / "fleet", readers, is_own=lambda _host: False, edit=edit)


def known(instance: Instance) -> dict[str, str]:
    amap = AcrNemaMap.parse((instance.folder / IN_INSTANCE).read_bytes())
    return {node.ae: f"{node.host}:{node.port}" for node in amap.nodes}


def test_each_knows_everybody_and_a_second_time_nothing_is_written(tmp_path: Path) -> None:
    ct1, ct2 = make(tmp_path, "ct1", "ct2")
    assert brought_up_to_date(tmp_path).changed == ("ct1", "ct2")
    assert known(ct1) == {"CT1": "127.0.0.1:5678", "CT2": "127.0.0.1:5679"}
    before = (ct1.folder / IN_INSTANCE).stat().st_mtime_ns
    assert brought_up_to_date(tmp_path) == Followed()
    assert (ct1.folder / IN_INSTANCE).stat().st_mtime_ns == before
    assert brought_up_to_date(tmp_path, containers=True).changed == ("ct1", "ct2")
    assert known(ct2) == {"CT1": "ct1:5678", "CT2": "127.0.0.1:5679"}


def test_nodes_come_and_go(tmp_path: Path) -> None:
    ct1, ct2 = make(tmp_path, "ct1", "ct2")
    brought_up_to_date(tmp_path)
    only = FleetNode("VIEWER", "10.0.0.1", 105, "j2", ("ct2",))
    assert brought_up_to_date(tmp_path, edit=add_node(PACS, [ct1, ct2])).changed == ("ct1", "ct2")
    assert brought_up_to_date(tmp_path, edit=add_node(only, [ct1, ct2])).changed == ("ct2",)
    assert known(ct1) == {"CT1": "127.0.0.1:5678", "CT2": "127.0.0.1:5679", "PACS": "192.168.1.20:104"}
    assert known(ct2)["VIEWER"] == "10.0.0.1:105"
    assert brought_up_to_date(tmp_path, edit=remove_node("PACS")).changed == ("ct1", "ct2")
    assert [node.ae for node in read_nodes(tmp_path / "fleet")[0]] == ["VIEWER"]
    with pytest.raises(NotFoundError, match="no node 'PACS'") as caught:
        brought_up_to_date(tmp_path, edit=remove_node("PACS"))
    assert caught.value.hint == "There are: VIEWER."


def test_a_fleet_of_nodes_before_there_is_an_instance(tmp_path: Path) -> None:
    assert follow(tmp_path / "nowhere", as_processes) == Followed()
    assert brought_up_to_date(tmp_path, edit=add_node(PACS, [])) == Followed()
    (ct1,) = make(tmp_path, "ct1")
    brought_up_to_date(tmp_path)
    assert "PACS" in known(ct1)


def test_an_instance_keeps_its_ae_title(tmp_path: Path) -> None:
    (ct1,) = make(tmp_path, "ct1")
    with pytest.raises(ConflictError, match="AE title CT1 is taken by instance ct1"):
        brought_up_to_date(tmp_path, edit=add_node(FleetNode("CT1", "h", 104), [ct1]))
    assert not (tmp_path / "fleet" / "acrnema.map").exists()
    refused: list[str] = []
    nodes = [FleetNode("CT1", "h", 104, line=3), PACS, FleetNode("PACS", "other", 1, line=5)]
    brought_up_to_date(tmp_path, edit=import_nodes(nodes, [ct1], refused))
    assert [sentence.partition(":")[0] for sentence in refused] == ["line 3", "line 5"]
    assert [node.host for node in read_nodes(tmp_path / "fleet")[0]] == ["192.168.1.20"]


def test_what_the_user_wrote_is_reported_and_stays(tmp_path: Path) -> None:
    ct1, _ = make(tmp_path, "ct1", "ct2")
    path = ct1.folder / IN_INSTANCE
    path.write_bytes(b"CT2 elsewhere 7\nHOST localhost 104\n")
    followed = brought_up_to_date(tmp_path, containers=True)
    assert followed.remarks == (
        f"{path}:4 goes before the fleet's CT2: elsewhere:7 and not ct2:5679",
        f"{path}:5: HOST: localhost is the container itself; this machine is host.docker.internal",
    )
    assert path.read_bytes().endswith(b"CT2 elsewhere 7\nHOST localhost 104\n")
    assert len(brought_up_to_date(tmp_path).remarks) == 1, "a process may well mean itself"


def test_lines_of_the_fleets_map_that_cannot_be_used_are_said_and_stay(tmp_path: Path) -> None:
    (ct1,) = make(tmp_path, "ct1")
    file = tmp_path / "fleet" / "acrnema.map"
    file.write_bytes(b"SHORT h\nPACS h 104 un MORE h 105\nGOOD h 106\n")
    said = brought_up_to_date(tmp_path, edit=add_node(PACS, [])).remarks
    assert [sentence.partition(": ")[0] for sentence in said] == [f"{file}:1", f"{file}:2"]
    assert set(known(ct1)) == {"CT1", "GOOD", "PACS"}
    assert file.read_bytes().startswith(b"SHORT h\nPACS h 104 un MORE h 105\nGOOD h 106\n")


def test_one_that_cannot_be_written_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    ct1, ct2, ct3, ct4 = make(tmp_path, "ct1", "ct2", "ct3", "ct4")
    outside = tmp_path / "precious"
    outside.write_bytes(b"mine")
    (ct1.folder / IN_INSTANCE).unlink()
    (ct1.folder / IN_INSTANCE).symlink_to(outside)
    (ct2.folder / IN_INSTANCE).unlink()
    os.mkfifo(ct2.folder / IN_INSTANCE)
    for path in (ct3.mount / "config").iterdir():
        path.unlink()
    (ct3.mount / "config").rmdir()
    followed = brought_up_to_date(tmp_path)
    assert {name: type(error) for name, error in followed.failed.items()} == {"ct1": InvalidError, "ct2": InvalidError}
    assert followed.changed == ("ct4",)
    assert len(known(ct4)) == 4
    assert outside.read_bytes() == b"mine", "a server could have put that link there"


def test_a_folder_that_is_a_link_is_where_the_map_is(tmp_path: Path) -> None:
    (ct1,) = make(tmp_path, "ct1")
    ct1.mount.rename(tmp_path / "large disk")
    ct1.mount.symlink_to(tmp_path / "large disk")
    assert brought_up_to_date(tmp_path).changed == ("ct1",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    (ct1,) = make(tmp_path, "ct1")
    config = ct1.mount / "config"
    for place in (tmp_path / "fleet", config):
        os.chown(place, 1234, 1234)
    (config / "acrnema.map").unlink()
    brought_up_to_date(tmp_path, edit=add_node(PACS, []))
    made = [config / "acrnema.map", tmp_path / "fleet" / "acrnema.map"]
    assert {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in made} == {(1234, 0o644)}
