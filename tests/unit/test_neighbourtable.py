"""The kernel's table of neighbours: who takes how much of it, and how slowly to ask so that it never fills."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conquestctl.cli.mesh import full_table
from conquestctl.doctor.diagnosis import diagnose
from conquestctl.fleet.addresses import Reader
from conquestctl.fleet.nodes import Neighbourhood
from conquestctl.neighbourtable import places, shortage
from tests.fakes import make_instance
from tests.unit.test_doctor import CONTAINERS, facts, make


@pytest.mark.parametrize(
    ("containers", "asking", "room", "said"),
    [
        (60, 60, 1024, "60 containers that all talk with one another take 3540 places"),
        (60, 10, 1024, "10 containers that talk with 60 each take 1090 places"),
        (60, 5, 1024, ""),
        (12, 12, 1024, ""),
        (60, 60, 16384, ""),
        (0, 0, 1024, ""),
    ],
)
def test_what_is_said_of_how_many(containers: int, asking: int, room: int, said: str) -> None:
    found = shortage(containers, asking, room)
    assert found.startswith(said) if said else not found


def test_the_kernel_is_asked(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("4096\n")
    assert places(tmp_path / "limit") == 4096
    assert places(tmp_path / "none") is None
    (tmp_path / "limit").write_text("many\n")
    assert places(tmp_path / "limit") is None


def test_the_mesh_says_it_before_it_asks(tmp_path: Path) -> None:
    instances = [make_instance(tmp_path, f"ct{number}") for number in range(60)]
    readers = {one.name: Reader.CONTAINER for one in instances}
    fleet = Neighbourhood(instances, [], readers, lambda _host: False)
    said = full_table(fleet, instances)
    assert said.startswith("60 containers that all talk")
    assert said.endswith(
        "More room: sysctl -w net.ipv4.neigh.default.gc_thresh3=16384 net.ipv4.neigh.default.gc_thresh2=8192"
    )
    assert not full_table(fleet, instances[:1])
    assert not full_table(Neighbourhood(instances, [], dict.fromkeys(readers, Reader.PROCESS), fleet.is_own), instances)


def test_doctor_says_it_with_what_to_type() -> None:
    fleet = [make(f"ct{number}", 6000 + number) for number in range(40)]
    (found,) = (
        one for one in diagnose(replace(facts(*fleet, engine=CONTAINERS), neighbour_places=1024)) if "table" in one.what
    )
    assert found.what.startswith("40 containers that all talk with one another take 1560 places")
    assert "sysctl -w net.ipv4.neigh.default.gc_thresh3=16384" in found.hint
    for other in (None, 16384):
        made = replace(facts(*fleet, engine=CONTAINERS), neighbour_places=other)
        assert not [one for one in diagnose(made) if "table of neighbours" in one.what]
