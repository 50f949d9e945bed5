"""Findings from facts that are made up, and facts about this machine that are not."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conquestctl.doctor.diagnosis import LITTLE_SPACE, NO_SPACE, diagnose, may_write
from conquestctl.doctor.examination import broken_packages, examine
from conquestctl.doctor.facts import Docker, EngineFacts, Facts, FleetFacts, Folder, Image, InstanceFacts, Place
from conquestctl.doctor.findings import Finding, Verdict, exit_status
from conquestctl.doctor.machine import hidden_routes
from conquestctl.engine.base import PublishedPort, State
from conquestctl.engine.endpoint import Endpoint
from conquestctl.errors import ConflictError, EngineError, ExitStatus, InvalidError, StorageError
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.mountinfo import Mount
from conquestctl.fleet.scan import Broken

ROOT = Path("/srv/fleet")
SOCKET = Endpoint("unix:///var/run/docker.sock", "")
SILENT = EngineError("no Docker engine answers", hint="Start it.")
DISK = Place(Mount("/", "ext4", "/dev/sda1"), 50 * LITTLE_SPACE)
PROCESSES = EngineFacts("auto", SOCKET, why_not=SILENT)
IMAGE = Image("conquestctl/dgate:1", present=True, base="debian:trixie-slim", base_present=True)
DOCKER = Docker("27.1", [IMAGE], {"conquest-1": [IPv4Network("10.213.0.0/22")]}, [])
CONTAINERS = EngineFacts("auto", SOCKET, DOCKER)


def make(name: str, port: int, ae_title: str = "", project: str = "") -> InstanceFacts:
    folder = ROOT / name
    values = {"RUN_AS": "1000:1000", "FLEET_SUBNET": "10.213.0.0/22"}
    instance = Instance(
        name,
        folder,
        ae_title or name.upper(),
        port,
        "127.0.0.1",
        IMAGE.name,
        project or f"p-{name}",
        "conquest-1",
        values,
    )
    mount = instance.mount
    folders = [Folder(path, 1000, 1000, 0o40755, ours=True) for path in (mount, mount / "data")]
    return InstanceFacts(instance, folders=folders, place=DISK)


def facts(*instances: InstanceFacts, engine: EngineFacts = PROCESSES, **of_fleet: object) -> Facts:
    fleet = replace(FleetFacts(ROOT, writable=True, place=DISK, instances=instances), **of_fleet)  # type: ignore[arg-type]
    return Facts((3, 11, 0), {}, engine, fleet, [], "10.213.0.0/16")


def found(given: Facts, check: str) -> list[Finding]:
    return [finding for finding in diagnose(given) if finding.check == check]


def only(given: Facts, check: str) -> Finding:
    (finding,) = found(given, check)
    return finding


def with_docker(**changes: object) -> EngineFacts:
    return replace(CONTAINERS, docker=replace(DOCKER, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", [PROCESSES, CONTAINERS])
@pytest.mark.parametrize("instances", [(), (make("ct1", 5678), make("ct2", 5679))])
def test_where_all_is_well_every_check_says_so_and_nothing_else(
    engine: EngineFacts, instances: tuple[InstanceFacts, ...]
) -> None:
    findings = diagnose(facts(*instances, engine=engine))
    assert [one for one in findings if one.verdict is not Verdict.OK] == []
    assert exit_status(findings) == ExitStatus.OK
    assert {"python", "packages", "engine", "instances", "rights", "file system", "space"} <= {
        f.check for f in findings
    }


def test_an_old_python() -> None:
    finding = only(replace(facts(), python=(3, 10, 4)), "python")
    assert (finding.verdict, finding.what) == (Verdict.PROBLEM, "Python 3.10.4 is too old")


def test_a_package_that_is_damaged() -> None:
    finding = only(replace(facts(), packages={"yaml": "No module named 'yaml'"}), "packages")
    assert finding.status == ExitStatus.FAILURE
    assert "yaml cannot be imported: No module named 'yaml'" in finding.what


@pytest.mark.parametrize(
    ("engine", "verdict", "words"),
    [
        (CONTAINERS, Verdict.OK, "auto takes the Docker engine 27.1 at unix:///var/run/docker.sock"),
        (PROCESSES, Verdict.OK, "auto takes local processes: no Docker engine answers"),
        (replace(PROCESSES, docker_expected=True), Verdict.WARNING, "auto takes local processes"),
        (replace(PROCESSES, choice="docker"), Verdict.PROBLEM, "no Docker engine answers"),
        (replace(CONTAINERS, choice="docker"), Verdict.OK, "as asked, the Docker engine"),
        (replace(CONTAINERS, choice="process"), Verdict.OK, "auto would take the Docker engine"),
        (replace(PROCESSES, choice="process"), Verdict.OK, "auto would take the same"),
    ],
)
def test_which_engine(engine: EngineFacts, verdict: Verdict, words: str) -> None:
    finding = only(facts(engine=engine), "engine")
    assert finding.verdict is verdict
    assert words in finding.what
    assert bool(finding.hint) == (verdict is not Verdict.OK)


def test_an_engine_on_another_machine_and_one_that_broke_off() -> None:
    far = replace(CONTAINERS, endpoint=Endpoint("tcp://far:2376", "DOCKER_HOST"))
    _, finding = found(facts(engine=far), "engine")
    assert (finding.verdict, str(ROOT) in finding.hint) == (Verdict.WARNING, True)
    _, finding = found(facts(make("ct1", 5678), unobserved=SILENT), "engine")
    assert finding.status == ExitStatus.ENGINE
    assert found(facts(make("ct1", 5678), unobserved=SILENT), "ports") == []
    _, finding = found(facts(engine=replace(PROCESSES, processes_told_apart=False)), "engine")
    assert finding.verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("image", "verdict", "words"),
    [
        (replace(IMAGE, stale=True), Verdict.WARNING, "other sources than these; its base debian:trixie-slim is there"),
        (replace(IMAGE, present=False), Verdict.WARNING, "is not built; its base"),
        (
            replace(IMAGE, present=False, base_present=False),
            Verdict.PROBLEM,
            "its base debian:trixie-slim is not there",
        ),
        (replace(IMAGE, stale=True, base_present=False), Verdict.PROBLEM, "is not there to build it on"),
        (Image("rzinkstok/conquest", present=True), Verdict.OK, "rzinkstok/conquest is there"),
        (Image("rzinkstok/conquest", present=False), Verdict.PROBLEM, "is not on this engine"),
    ],
)
def test_images(image: Image, verdict: Verdict, words: str) -> None:
    finding = only(facts(engine=with_docker(images=[image])), "image")
    assert finding.verdict is verdict
    assert words in finding.what
    assert finding.status == (ExitStatus.NOT_FOUND if verdict is Verdict.PROBLEM else ExitStatus.OK)


def test_processes_need_no_image_and_no_network() -> None:
    given = facts(make("ct1", 5678), engine=replace(CONTAINERS, choice="process"))
    assert found(given, "image") + found(given, "network") == []


def test_the_pool_of_an_empty_fleet() -> None:
    assert only(facts(), "network").what == "10.213.0.0/22 of the pool 10.213.0.0/16 is free for a new fleet"
    given = facts(engine=CONTAINERS)
    assert "10.213.4.0/22" in only(given, "network").what
    finding = only(replace(given, routes=[IPv4Network("10.0.0.0/8")]), "network")
    assert finding.status == ExitStatus.CONFLICT
    assert "CONQUESTCTL_POOL=172.29.0.0/16" in finding.hint
    assert only(replace(given, pool="ten"), "network").status == ExitStatus.INVALID


def test_the_network_of_a_fleet() -> None:
    one, vpn = make("ct1", 5678), IPv4Network("10.213.0.0/20")
    there = facts(one, engine=CONTAINERS)
    assert only(there, "network").what == "conquest-1 is there with 10.213.0.0/22"
    missing = facts(one, engine=with_docker(networks={}))
    assert only(missing, "network").what == "conquest-1 is not there yet, `up` makes it with 10.213.0.0/22"
    taken = facts(one, engine=with_docker(networks={"other": [vpn]}))
    assert only(taken, "network").what.endswith("10.213.16.0/22")
    full = facts(one, engine=with_docker(networks={"other": [IPv4Network("10.0.0.0/8")]}))
    assert only(full, "network").status == ExitStatus.CONFLICT
    finding = only(replace(there, routes=[IPv4Network("10.213.0.0/22"), vpn]), "network")
    assert finding.verdict is Verdict.WARNING
    assert finding.what.endswith("overlaps the route of this host to 10.213.0.0/20")


def test_the_route_to_the_bridge_itself_is_no_stranger() -> None:
    own, inside, beside = IPv4Network("10.213.0.0/22"), IPv4Network("10.213.1.0/24"), IPv4Network("10.213.4.0/22")
    assert hidden_routes([own], [own, inside, beside]) == [inside]


def test_broken_folders_and_clashes() -> None:
    error = InvalidError("/srv/fleet/mr1/.env:5: 'AETITLE MR1' is not KEY=value", instance="mr1")
    given = facts(broken=[Broken("mr1", ROOT / "mr1", error, {})])
    finding = only(given, "instances")
    assert (finding.what, finding.instance, finding.status) == (error.message, "mr1", ExitStatus.INVALID)
    same = [make("ct1", 5678, "CT", "p"), make("ct2", 5678, "CT", "p")]
    port, title, project = found(facts(*same), "instances")
    assert (port.verdict, title.verdict, project.verdict) == (Verdict.PROBLEM, Verdict.WARNING, Verdict.PROBLEM)
    assert port.what == "ct1 and ct2 have the same port, 5678"
    assert port.hint == "Give one another: conquestctl set ct2 PORT=..."
    assert project.hint.endswith("--force")


def test_a_fleet_that_cannot_be_read_has_that_one_problem() -> None:
    error = StorageError("cannot read the fleet in /srv/fleet: no right to do that")
    problems = [one for one in diagnose(facts(fault=error, writable=False)) if one.verdict is not Verdict.OK]
    assert [(one.check, one.status) for one in problems] == [("instances", ExitStatus.STORAGE)]


def test_ports() -> None:
    one = make("ct1", 5678)
    taken = ConflictError(
        "ct1 cannot use 127.0.0.1:5678: taken by process 9 (nginx)", hint="Stop that.", instance="ct1"
    )
    finding = only(facts(replace(one, listening=taken)), "ports")
    assert (finding.what, finding.instance, finding.status) == (taken.message, "ct1", ExitStatus.CONFLICT)
    ours = facts(replace(one, listening=taken, state=State.RUNNING), make("ct2", 5679))
    assert only(ours, "ports").what == "1 in use by their instances, 1 free"


def test_ports_of_containers() -> None:
    one = make("ct1", 5678)
    own = [PublishedPort("127.0.0.1", 5678, "container p-ct1")]
    assert only(facts(one, engine=with_docker(published=own)), "ports").verdict is Verdict.OK
    others = [PublishedPort("0.0.0.0", 5678, "container web")]
    finding = only(facts(one, engine=with_docker(published=others)), "ports")
    assert finding.what == "port 5678 of ct1 is taken by container web"
    assert "conquestctl set ct1 PORT=..." in finding.hint


def test_a_port_below_1024_is_a_problem_for_processes_only() -> None:
    one = replace(make("ct1", 104), listening=StorageError("ct1 may not use 127.0.0.1:104"))
    assert only(facts(one), "ports").status == ExitStatus.STORAGE
    assert only(facts(one, engine=CONTAINERS), "ports").verdict is Verdict.OK


def test_a_port_that_another_fleet_has_too() -> None:
    finding = only(facts(make("ct1", 5678), elsewhere={5678: "instance x in /other"}), "ports")
    assert (finding.verdict, finding.instance) == (Verdict.WARNING, "ct1")
    assert "belongs to instance x in /other as well" in finding.what


def test_rights() -> None:
    one = make("ct1", 5678)
    data = one.instance.mount / "data"
    foreign = replace(one, folders=[one.folders[0], Folder(data, 0, 0, 0o40755, ours=False)])
    finding = only(facts(foreign, engine=CONTAINERS), "rights")
    assert finding.what == f"1000:1000 (RUN_AS) may not write in {data}, which belongs to 0:0"
    assert finding.hint == f"sudo chown -R 1000:1000 {one.instance.mount}"
    assert only(facts(foreign), "rights").what.startswith("this user may not write in")
    finding = only(facts(replace(one, folders=[])), "rights")
    assert (finding.what, finding.status) == (f"{one.instance.mount} is missing", ExitStatus.STORAGE)
    assert only(facts(writable=False), "rights").status == ExitStatus.STORAGE
    assert only(facts(one, writable=False), "rights").verdict is Verdict.WARNING


@given(st.integers(0, 0o777), st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2)]))
def test_access_bits(mode: int, owner: tuple[int, int]) -> None:
    """One class counts, the first that fits (POSIX file access permissions)."""
    digit = f"{mode:03o}"[0 if owner[0] == 1 else 1 if owner[1] == 1 else 2]
    assert may_write(Folder(ROOT, *owner, mode, ours=False), "1:1") == (digit in "37")


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "9p", "vboxsf", "fuse.sshfs", "tmpfs"])
def test_file_systems_that_lose_data(kind: str) -> None:
    there = Place(Mount("/srv", kind, "nas:/x"), 50 * LITTLE_SPACE)
    instances = [replace(make(f"ct{number}", 5000 + number), place=there) for number in range(5)]
    finding = only(facts(*instances, make("mr1", 6000)), "file system")
    assert finding.verdict is Verdict.WARNING
    assert finding.what.startswith(f"ct0, ct1, ct2 and 2 more: /srv is {kind}, ")
    assert "--root" in finding.hint


@pytest.mark.parametrize(
    ("free", "verdict"),
    [
        (NO_SPACE - 1, Verdict.PROBLEM),
        (NO_SPACE, Verdict.WARNING),
        (LITTLE_SPACE - 1, Verdict.WARNING),
        (LITTLE_SPACE, Verdict.OK),
    ],
)
def test_space(free: int, verdict: Verdict) -> None:
    assert only(facts(place=replace(DISK, free=free)), "space").verdict is verdict
    assert only(facts(replace(make("ct1", 5678), place=replace(DISK, free=free))), "space").verdict is verdict


def test_problems_of_one_kind_have_its_status_and_several_have_1() -> None:
    conflict = Finding("ports", Verdict.PROBLEM, "", status=ExitStatus.CONFLICT)
    invalid = Finding("files", Verdict.PROBLEM, "", status=ExitStatus.INVALID)
    assert exit_status([Finding("engine", Verdict.WARNING, "")]) == ExitStatus.OK
    assert exit_status([conflict, conflict]) == ExitStatus.CONFLICT
    assert exit_status([conflict, invalid]) == ExitStatus.FAILURE


def test_packages_are_really_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "damaged_here.py").write_text("1 / 0\n", encoding="ascii")
    monkeypatch.syspath_prepend(tmp_path)
    broken = broken_packages(["json", "damaged_here", "nowhere_at_all"])
    assert broken == {"damaged_here": "division by zero", "nowhere_at_all": "No module named 'nowhere_at_all'"}
    assert broken_packages() == {}


def test_a_socket_that_is_left_but_silent_is_worth_a_warning(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    with socket.socket(socket.AF_UNIX) as once:
        once.bind(f"{tmp_path}/docker.sock")
    engine = examine(tmp_path / "none", "auto", environ).engine
    assert engine.why_not is not None
    assert "it is not running" in engine.why_not.message
    assert (engine.uses_docker, engine.docker_expected) == (False, True)


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path), "DOCKER_CONTEXT": "far"}
    given = examine(tmp_path / "none", "docker", environ)
    finding = only(given, "engine")
    assert (finding.status, "'far'" in finding.what) == (ExitStatus.ENGINE, True)
    assert (given.fleet.writable, given.fleet.place is not None) == (os.access(tmp_path, os.W_OK), True)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "fleet").touch()
    given = examine(tmp_path / "fleet", "process", {"XDG_STATE_HOME": str(tmp_path / "state")})
    assert only(given, "instances").status == ExitStatus.STORAGE
