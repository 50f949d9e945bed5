from __future__ import annotations

from pathlib import Path

import pytest

from conquestctl.engine.base import PublishedPort
from conquestctl.errors import ConflictError, ConquestError, InvalidError, NotFoundError
from conquestctl.fleet.create import Surroundings
from conquestctl.fleet.edit import Change, set_values
from conquestctl.fleet.scan import Fleet
from conquestctl.fleet.settings import parse_assignments
from tests.unit.fleet.support import around, host, make


def change(tmp_path: Path, name: str, values: dict[str, str], *, force: bool = False) -> Change:
    return set_values(Fleet.open(tmp_path / "fleet"), name, values, around(tmp_path), force=force)


def test_short_names_change_the_file_and_nothing_else_in_it(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    env = instance.folder / ".env"
    env.chmod(0o640)
    before = env.read_text()
    done = change(tmp_path, "ct1", {"port": "5699", "ae-title": "CT ONE", "bind": "127.0.0.1"})
    assert done.old == {"PORT": str(instance.port), "AETITLE": "CT1"}
    assert done.new == {"PORT": "5699", "AETITLE": "CT ONE"}
    assert done.restart_needed
    expected = before.replace(f"PORT={instance.port}", "PORT=5699").replace("AETITLE=CT1", 'AETITLE="CT ONE"')
    assert env.read_text() == expected
    assert env.stat().st_mode & 0o777 == 0o640
    assert (done.instance.port, done.instance.ae_title) == (5699, "CT ONE")


def test_the_same_value_changes_nothing(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    before = (instance.folder / ".env").stat().st_mtime_ns
    done = change(tmp_path, "ct1", {"PORT": str(instance.port)})
    assert not done.new
    assert not done.restart_needed
    assert (instance.folder / ".env").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ({"prot": "1"}, InvalidError, "Did you mean PORT?"),
        ({"port": "x"}, InvalidError, "PORT: port 'x' is not a number"),
        ({"port": "5678", "PORT": "5679"}, InvalidError, "PORT is given twice"),
        ({"ae": "CT2"}, ConflictError, "AE title CT2 is taken by instance ct2"),
        ({"port": "7002"}, ConflictError, "port 7002 is taken by instance ct2"),
        ({"fleet_network": "x"}, InvalidError, "With --force it is"),
        ({"image": "$X"}, InvalidError, "is not the name of an image"),
    ],
)
def test_what_is_refused_changes_nothing(
    tmp_path: Path, values: dict[str, str], kind: type[ConquestError], words: str
) -> None:
    make(tmp_path, "ct", count=2, PORT="7001")
    env = tmp_path / "fleet" / "ct1" / ".env"
    before = env.read_bytes()
    with pytest.raises(kind) as caught:
        change(tmp_path, "ct1", values)
    assert words in f"{caught.value.message}\n{caught.value.hint}"
    assert env.read_bytes() == before


def test_own_keys_need_force_once(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    with pytest.raises(InvalidError, match="no setting 'WARD'"):
        change(tmp_path, "ct1", {"WARD": "3b"})
    assert not change(tmp_path, "ct1", {"WARD": "3b"}, force=True).restart_needed
    assert change(tmp_path, "ct1", {"ward": "4 a"}).new == {"WARD": "4 a"}
    instance.compose_file.write_text(instance.compose_file.read_text() + "# ${WARD}\n")
    assert change(tmp_path, "ct1", {"ward": "5"}).restart_needed


def test_a_broken_instance_is_repaired(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    env = instance.folder / ".env"
    env.write_text(env.read_text().replace("AETITLE=CT1", "AETITLE=" + "x" * 17))
    with pytest.raises(InvalidError, match=r"\.env:5: AETITLE"):
        change(tmp_path, "ct1", {"port": "5699"})
    assert change(tmp_path, "ct1", {"ae": "CT1"}).instance.ae_title == "CT1"


def test_our_own_container_is_not_in_the_way(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1", PORT="7000")
    fleet = Fleet.open(tmp_path / "fleet")
    ours = PublishedPort("127.0.0.1", 7005, f"container {instance.project}")
    surroundings = Surroundings(around(tmp_path).environ, [ours], host())
    assert set_values(fleet, "ct1", {"port": "7005"}, surroundings).instance.port == 7005
    theirs = Surroundings(around(tmp_path).environ, [PublishedPort("127.0.0.1", 7006, "container web")], host())
    with pytest.raises(ConflictError, match="taken by container web"):
        set_values(fleet, "ct1", {"port": "7006"}, theirs)


def test_an_unknown_instance(tmp_path: Path) -> None:
    make(tmp_path, "ct1")
    with pytest.raises(NotFoundError) as caught:
        change(tmp_path, "ct11", {"port": "1"})
    assert caught.value.hint == "Did you mean ct1?"


def test_assignments() -> None:
    assert parse_assignments(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    for words in (["port"], ["=5"], ["a=1", "a=2"]):
        with pytest.raises(InvalidError):
            parse_assignments(words)
