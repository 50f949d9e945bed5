from __future__ import annotations

from pathlib import Path

import pytest

from conquestctl.errors import ConquestError, InvalidError, NotFoundError, StorageError, UsageError
from conquestctl.fleet.clashes import clashes
from conquestctl.fleet.scan import Fleet
from tests.unit.fleet.support import make


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    make(tmp_path, "ct10", "ct2", "mr1", "sick")
    env = tmp_path / "fleet" / "sick" / ".env"
    env.write_text(env.read_text().replace("AETITLE=SICK", "AETITLE='open"))
    return Fleet.open(tmp_path / "fleet")


def names(instances: list[object]) -> list[str]:
    return [instance.name for instance in instances]  # type: ignore[attr-defined]


def test_a_broken_instance_hides_nobody(fleet: Fleet) -> None:
    assert names([*fleet.instances()]) == ["ct2", "ct10", "mr1"]
    (sick,) = fleet.broken()
    assert sick.error.message == f"{fleet.root}/sick/.env:5: the quote ' is not closed on this line"
    assert sick.error.instance == "sick"


def test_selection(fleet: Fleet) -> None:
    assert names([*fleet.select(["mr1", "ct*", "ct2"])]) == ["mr1", "ct2", "ct10"]
    assert names([*fleet.select([], all_=True)]) == ["ct2", "ct10", "mr1"]
    assert names([*fleet.broken_among([], all_=True)]) == ["sick"]
    assert names([*fleet.broken_among(["ct*"])]) == []


@pytest.mark.parametrize(
    ("chosen", "every", "kind", "words"),
    [
        (["ct3"], False, NotFoundError, "Did you mean ct2?"),
        (["CT2"], False, NotFoundError, "Did you mean ct2?"),
        (["us*"], False, NotFoundError, "matches 'us*'"),
        (["zzzzz"], False, NotFoundError, "There are: ct2, ct10, mr1, sick"),
        (["sick"], False, InvalidError, "not closed"),
        (["s*"], False, InvalidError, "not closed"),
        ([], False, UsageError, "no instance was named"),
        (["ct2"], True, UsageError, "both names and --all"),
    ],
)
def test_what_cannot_be_selected(
    fleet: Fleet, chosen: list[str], every: bool, kind: type[ConquestError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        fleet.select(chosen, all_=every)
    assert words in f"{caught.value.message}\n{caught.value.hint}"


def test_an_empty_fleet_says_how_to_begin(tmp_path: Path) -> None:
    fleet = Fleet.open(tmp_path / "none")
    assert fleet.entries == ()
    for chosen, every in ((["ct1"], False), ([], True)):
        with pytest.raises(NotFoundError) as caught:
            fleet.select(chosen, all_=every)
        assert "conquestctl create ct1" in caught.value.hint


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(StorageError, match="cannot read the fleet"):
        Fleet.open(tmp_path / "f")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("PORT", "abc", ":8: PORT: port 'abc' is not a number"),
        ("AETITLE", "x" * 17, ":5: AETITLE: AE title"),
        ("BIND", "localhost", ":12: BIND: 'localhost' is not an IP address"),
        ("IMAGE", "", ":15: IMAGE: '' is not the name of an image"),
        ("RUN_AS", "root", ":18: RUN_AS: 'root' is not uid:gid"),
        ("FLEET_SUBNET", "x", ":24: FLEET_SUBNET: not a subnet"),
        ("COMPOSE_PROJECT_NAME", "A B", ":22: COMPOSE_PROJECT_NAME: 'A B' is not a project name"),
        ("PORT", None, ".env: there is no line PORT=…"),
    ],
)
def test_a_bad_value_names_file_and_line(tmp_path: Path, key: str, value: str | None, words: str) -> None:
    (instance,) = make(tmp_path, "ct1")
    env = instance.folder / ".env"
    lines = [
        (f"{key}={value}" if value is not None else "#") if line.startswith(f"{key}=") else line
        for line in env.read_text().splitlines()
    ]
    env.write_text("\n".join(lines) + "\n")
    (broken,) = Fleet.open(tmp_path / "fleet").broken()
    assert words in broken.error.message


def test_folders_that_are_no_instances_are_left_alone_and_half_ones_reported(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    root = instance.folder.parent
    (root / "notes").mkdir()
    (root / "file.txt").write_text("")
    (root / ".hidden").mkdir()
    (root / ".hidden" / ".env").write_text("")
    (root / "half").mkdir()
    (root / "half" / "docker-compose.yml").write_text("")
    instance.folder.rename(root / "CT9")
    fleet = Fleet.open(root)
    assert names([*fleet.broken()]) == ["CT9", "half"]
    assert "half/.env is missing" in fleet.broken()[1].error.message


def test_a_copied_folder_clashes(tmp_path: Path) -> None:
    make(tmp_path, "ct1", "ct2")
    root = tmp_path / "fleet"
    (root / "ct2" / ".env").write_text((root / "ct1" / ".env").read_text())
    found = clashes(Fleet.open(root).instances())
    assert [(clash.what.split(" (")[0], clash.instances) for clash in found] == [
        ("port", ("ct1", "ct2")),
        ("AE title", ("ct1", "ct2")),
        ("COMPOSE_PROJECT_NAME", ("ct1", "ct2")),
    ]
    assert found[1].message == "ct1 and ct2 have the same AE title, CT1"
