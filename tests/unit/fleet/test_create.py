from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest

from conquestctl.engine.base import PublishedPort
from conquestctl.errors import ConflictError, ConquestError, InvalidError, StorageError, UsageError
from conquestctl.fleet import create as module
from conquestctl.fleet.create import Surroundings, create
from conquestctl.fleet.database import of_options
from conquestctl.fleet.lock import fleet_lock
from conquestctl.fleet.request import Request, requests_for
from conquestctl.fleet.scan import Fleet
from conquestctl.fleet.storage import sync_trees
from tests.unit.fleet.support import around, host, make

REPOSITORY = Path(__file__).resolve().parents[3]


def contents(root: Path) -> set[str]:
    """What is in the fleet's folder, the lock aside."""
    return {path.name for path in root.iterdir()} - {".lock"}


def test_an_instance_is_whole(tmp_path: Path) -> None:
    (instance,) = make(tmp_path, "ct1")
    status = instance.folder.stat()
    fleet_id = instance.network.removeprefix("conquest-")
    assert (instance.ae_title, instance.bind, instance.host) == ("CT1", "127.0.0.1", "127.0.0.1")
    assert instance.settings["RUN_AS"] == f"{status.st_uid}:{status.st_gid}"
    assert len(fleet_id) == 6
    assert instance.project == f"conquest-{fleet_id}-ct1"
    assert ip_network(instance.settings["FLEET_SUBNET"]).prefixlen == 22
    for name in ("data", "dbase", "logs", "scripts", "config"):
        assert (instance.mount / name).is_dir()
    assert "{{ AETITLE }}" in (instance.mount / "config" / "dicom.ini.j2").read_text()
    rendered = json.loads((instance.folder / ".conquestctl" / "rendered.json").read_text())
    assert "docker-compose.yml" in rendered["sha256"]
    assert ".env" not in rendered["sha256"]


def test_siblings_share_the_network_and_a_moved_fleet_keeps_its_names(tmp_path: Path) -> None:
    (first,) = make(tmp_path, "ct1")
    (tmp_path / "fleet").rename(tmp_path / "moved")
    fleet = Fleet.open(tmp_path / "moved")
    (second,) = create(fleet, [Request("ct2")], around(tmp_path))
    assert (second.network, second.settings["FLEET_SUBNET"]) == (first.network, first.settings["FLEET_SUBNET"])
    (stranger,) = make(tmp_path, "ct3")
    assert stranger.network != first.network
    assert stranger.settings["FLEET_SUBNET"] != first.settings["FLEET_SUBNET"]
    assert len({first.port, second.port, stranger.port}) == 3


def test_ports_are_taken_by_instances_running_or_not_containers_and_listeners(tmp_path: Path) -> None:
    make(tmp_path, "ct1", PORT="5678")
    published = [PublishedPort("0.0.0.0", 5679, "container web")]
    surroundings = Surroundings(around(tmp_path).environ, published, host(bound=[5680]))
    fleet = Fleet.open(tmp_path / "fleet")
    (made,) = create(fleet, [Request("ct2")], surroundings)
    assert made.port == 5681
    for port, owner in ((5678, "instance ct1 in"), (5679, "container web"), (5680, "a process")):
        with pytest.raises(ConflictError, match=f"port {port} is taken by {owner}"):
            create(fleet, [Request("ct3", port=port)], surroundings)


def test_a_batch_is_numbered(tmp_path: Path) -> None:
    made = make(tmp_path, "ct", count=3, AETITLE="SCAN", PORT="7000")
    assert [(one.name, one.ae_title, one.port) for one in made] == [
        ("ct1", "SCAN1", 7000),
        ("ct2", "SCAN2", 7001),
        ("ct3", "SCAN3", 7002),
    ]


@pytest.mark.parametrize(
    ("names", "options", "kind", "words"),
    [
        (["ct1"], {}, ConflictError, "ct1 exists already"),
        (["new", "ct1"], {}, ConflictError, "ct1 exists already"),
        (["ct2", "ct2"], {}, ConflictError, "ct2 was named 2 times"),
        (["x"], {"AETITLE": "CT1"}, ConflictError, "AE title CT1 is taken by instance ct1"),
        (["x"], {"AETITLE": "a" * 17}, InvalidError, "17 characters"),
        (["x", "y"], {"AETITLE": "A"}, UsageError, "one AE title was given for several names"),
        (["x", "y"], {"PORT": "65535"}, InvalidError, "beyond 65535"),
        (["a-very-long-name-1", "a-very-long-name-2"], {}, ConflictError, "the beginning of the name"),
        (["x"], {"BIND": "here"}, InvalidError, "not an IP address"),
        (["x"], {"IMAGE": "a b"}, InvalidError, "IMAGE: 'a b'"),
        (["../x"], {}, InvalidError, "is a path"),
    ],
)
def test_what_is_refused_leaves_nothing(
    tmp_path: Path, names: list[str], options: dict[str, str], kind: type[ConquestError], words: str
) -> None:
    make(tmp_path, "ct1")
    with pytest.raises(kind, match=words):
        make(tmp_path, *names, count=None, **options)
    assert contents(tmp_path / "fleet") == {"ct1"}


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_an_odd_count_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"--count {count}"):
        requests_for(["ct"], count=count, values={}, extra={})


def test_extra_settings_and_options_are_one() -> None:
    (request,) = requests_for(["ct"], values={"PORT": None}, extra={"port": "104", "run-as": "1:2", "ae": "X"})
    assert (request.port, request.run_as, request.ae_title) == (104, "1:2", "X")
    with pytest.raises(UsageError, match="PORT was given twice"):
        requests_for(["ct"], values={"PORT": "1"}, extra={"port": "2"})
    with pytest.raises(InvalidError, match="no setting 'prot'") as caught:
        requests_for(["ct"], values={}, extra={"prot": "2"})
    assert "Did you mean PORT?" in caught.value.hint


def test_case_twins_and_foreign_folders_are_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "fleet" / "CT1").mkdir(parents=True)
    (tmp_path / "fleet" / "mine").mkdir()
    with pytest.raises(ConflictError, match="capital letters only"):
        make(tmp_path, "ct1")
    with pytest.raises(ConflictError, match="mine exists already"):
        make(tmp_path, "mine")


def test_ctrl_c_takes_all_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module._place

    def interrupted(folder: Path, place: Path) -> None:
        if place.name == "ct3":
            raise KeyboardInterrupt
        real(folder, place)

    monkeypatch.setattr(module, "_place", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, "ct", count=4)
    assert contents(tmp_path / "fleet") == set()


def test_a_folder_that_appears_meanwhile_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sync_trees
    theirs = tmp_path / "fleet" / "ct2"

    def slow(folders: Sequence[Path]) -> None:
        real(folders)
        theirs.mkdir()

    monkeypatch.setattr("conquestctl.fleet.create.sync_trees", slow)
    with pytest.raises(ConflictError, match="made by somebody else"):
        make(tmp_path, "ct", count=3)
    assert contents(tmp_path / "fleet") == {"ct2"}


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a file system nobody can write to")
def test_a_folder_we_may_not_write_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot make the fleet's folder"):
        create(Fleet.open(Path("/sys/fleet")), [Request("ct1")], around(tmp_path))


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))  # dgate.dic does not fit
from pathlib import Path
from tests.unit.fleet.support import make
from conquestctl.errors import StorageError
try:
    make(Path(sys.argv[1]), "ct1", "ct2")
except StorageError as error:
    print(error.message)
"""
    result = run(script, tmp_path)
    assert result.stdout.startswith("cannot create ct1, ct2 in ")
    assert "nothing was made: File too large" in result.stdout
    assert contents(tmp_path / "fleet") == set()


def run(script: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)


KILLED = """
import signal, sys
from pathlib import Path
from conquestctl.fleet import create
from tests.unit.fleet.support import make
real, calls = getattr(create, sys.argv[2]), []
def stopping(*arguments):
    calls.append(1)
    if len(calls) == int(sys.argv[3]):
        print("here", flush=True)
        signal.pause()
    return real(*arguments)
setattr(create, sys.argv[2], stopping)
make(Path(sys.argv[1]), "ct", count=3)
"""


@pytest.mark.parametrize(("step", "call", "whole"), [("_give", 2, 0), ("sync_trees", 1, 0), ("_place", 2, 1)])
def test_a_killed_create_leaves_whole_instances_only_and_the_next_one_sweeps(
    tmp_path: Path, step: str, call: int, whole: int
) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), step, str(call)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        os.kill(process.pid, signal.SIGKILL)
    root = tmp_path / "fleet"
    fleet = Fleet.open(root)
    assert len(fleet.instances()) == whole
    assert not fleet.broken()
    assert any(".new-" in name for name in contents(root))
    make(tmp_path, "mr1")
    assert contents(root) == {"mr1", *(f"ct{number}" for number in range(1, whole + 1))}


AT_ONCE = """
import sys
from pathlib import Path
from conquestctl.fleet.create import create
from conquestctl.fleet.request import requests_for
from conquestctl.fleet.scan import Fleet
from tests.unit.fleet.support import around
print("ready", flush=True)
sys.stdin.readline()
root = Path(sys.argv[1])
create(Fleet.open(root / sys.argv[2]), requests_for([sys.argv[3]], count=8, values={}, extra={}), around(root))
"""


@pytest.mark.parametrize("fleets", [("one", "one"), ("one", "two")])
def test_two_processes_at_once_never_share_a_port(tmp_path: Path, fleets: tuple[str, str]) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, str(tmp_path), fleet, name],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for fleet, name in zip(fleets, ("ct", "mr"), strict=True)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    instances = [one for fleet in set(fleets) for one in Fleet.open(tmp_path / fleet).instances()]
    assert len({instance.port for instance in instances}) == 16
    networks = {(instance.network, instance.settings["FLEET_SUBNET"]) for instance in instances}
    assert len({subnet for _, subnet in networks}) == len(networks) == len(set(fleets))


def test_waiting_for_the_lock_is_said_and_has_an_end(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        fleet_lock(tmp_path),
        pytest.raises(ConflictError, match=f"process {os.getpid()}\\) keeps the fleet in {tmp_path} locked"),
        fleet_lock(tmp_path, say=said.append, timeout=0.05),
    ):
        pass
    assert len(said) == 1
    assert said[0].startswith("waiting: another conquestctl")
    with fleet_lock(tmp_path, say=said.append):
        assert len(said) == 1


def test_a_broken_sibling_still_holds_its_port_and_title(tmp_path: Path) -> None:
    (sick,) = make(tmp_path, "ct1")
    env = sick.folder / ".env"
    env.write_text(env.read_text().replace("BIND=127.0.0.1", "BIND=nowhere"))
    (well,) = make(tmp_path, "ct2")
    assert well.port != sick.port
    assert well.network == sick.network
    with pytest.raises(ConflictError, match="AE title CT1 is taken"):
        make(tmp_path, "ct3", AETITLE="CT1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders for somebody else")
def test_root_makes_instances_for_the_owner_of_the_fleet(tmp_path: Path) -> None:
    (tmp_path / "fleet").mkdir()
    os.chown(tmp_path / "fleet", 1234, 2345)
    (instance,) = make(tmp_path, "ct1")
    assert instance.settings["RUN_AS"] == "1234:2345"
    paths = [instance.folder, *instance.folder.rglob("*")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in paths} == {(1234, 2345)}


def test_subnets_are_chosen_around_what_this_host_has_a_route_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends of the pool are a VPN's: the fleet's comes from the beginning, a database's from the end."""
    vpn = [ip_network("10.213.0.0/20"), ip_network("10.213.255.0/24")]
    monkeypatch.setattr("conquestctl.fleet.subnet.host_routes", lambda: vpn)
    requests = requests_for(["ct1"], values={}, extra={}, database=of_options("postgres", None))
    (ct1,) = create(Fleet.open(tmp_path / "fleet"), requests, around(tmp_path))
    assert ct1.settings["FLEET_SUBNET"] == "10.213.16.0/22"
    assert ct1.settings["DATABASE_SUBNET"] == "10.213.254.248/29"


def test_a_pool_that_routes_cover_is_said_with_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conquestctl.fleet.subnet.host_routes", lambda: [ip_network("10.0.0.0/8")])
    with pytest.raises(ConflictError, match="routes or other networks cover it") as caught:
        make(tmp_path, "ct1")
    assert "export CONQUESTCTL_POOL=172.29.0.0/16" in caught.value.hint
    assert not list((tmp_path / "fleet").glob("ct1"))
