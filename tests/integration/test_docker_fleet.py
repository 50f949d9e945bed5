"""Fleets as an operator runs them: the real command line, the real image, the real server, a real Docker engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence

import pytest
from pydicom.data import get_testdata_file

from conquestctl.engine.base import State
from conquestctl.errors import ExitStatus
from conquestctl.fleet.instance import Instance
from tests.cli.running import Ran
from tests.integration.dockerside import wait_for
from tests.integration.operators import OWNER, Operator

pytestmark = pytest.mark.docker

SEVERAL = ("ct1", "ct2", "ct3", "mr1", "mr2", "pacs")
STUCK = '    entrypoint: ["sleep", "600"]\n'


def actions(ran: Ran) -> dict[str, str]:
    return {line["name"]: line["action"] for line in ran.document["instances"]}


def change_compose(instance: Instance, added: str) -> None:
    text = instance.compose_file.read_text(encoding="utf-8")
    instance.compose_file.write_text(text.replace("    init: true\n", f"    init: true\n{added}"), encoding="utf-8")
    assert added in instance.compose_file.read_text(encoding="utf-8")


def test_a_fleet_comes_up_takes_images_and_goes_down(operator: Operator) -> None:
    operator.types_well("create", *SEVERAL)
    assert set(actions(operator.types_well("up", "--all", "--json")).values()) == {"create"}
    assert set(actions(operator.types_well("up", "--all", "--json")).values()) == {"none"}
    echoes = operator.types_well("echo", "--all", "--json").document
    assert echoes["ok"] is True
    assert len(echoes["results"]) == len(SEVERAL)

    operator.types_well("send", "ct1", str(get_testdata_file("CT_small.dcm")))
    ct1 = operator.status("ct1")
    assert (ct1["state"], ct1["images"], ct1["echo"]["ok"]) == ("running", 1, True)
    assert operator.status("ct2")["images"] == 0
    data = operator.instances()["ct1"].mount / "data"
    stored = [path for path in data.rglob("*") if path.is_file()]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in stored} == {OWNER}

    assert set(actions(operator.types_well("down", "--all", "--json")).values()) == {"stop"}
    assert set(operator.states().values()) == {State.ABSENT}
    assert not list((operator.folder / "instances").glob("*/mount/logs/run.json")), "each had the time for a clean end"
    assert set(actions(operator.types_well("down", "--all", "--json")).values()) == {"none"}
    operator.types_well("up", "ct1")
    assert operator.status("ct1")["images"] == 1


def test_a_change_recreates_only_what_changed(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2")
    operator.types_well("up", "--all")
    port = max(one.port for one in operator.instances().values()) + 1
    operator.types_well("set", "ct2", f"PORT={port}", "AETITLE=OTHER")
    assert actions(operator.types_well("up", "--all", "--json")) == {"ct1": "none", "ct2": "recreate"}
    ct2 = operator.status("ct2")
    assert (ct2["ae_title"], ct2["address"], ct2["echo"]["ok"]) == ("OTHER", f"127.0.0.1:{port}", True)
    assert actions(operator.types_well("restart", "ct1", "--json")) == {"ct1": "restart"}


def test_two_at_once_make_each_container_once(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2", "ct3")
    runs = [operator.starts("up", "--all", "--json") for _ in range(2)]
    said = [(run.communicate(timeout=120), run.returncode) for run in runs]
    assert [status for _, status in said] == [0, 0], said
    done = [{one["action"] for one in json.loads(out)["instances"]} for (out, _), _ in said]
    assert sorted(done, key=sorted) == [{"create"}, {"none"}]
    assert set(operator.states().values()) == {State.RUNNING}


def test_up_and_down_at_once_end_in_one_of_both(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2")
    operator.types_well("up", "--all")
    runs = [operator.starts(word, "--all") for word in ("restart", "down")]
    said = [(run.communicate(timeout=120), run.returncode) for run in runs]
    assert [status for _, status in said] == [0, 0], said
    assert len(set(operator.states().values())) == 1
    assert set(operator.states().values()) <= {State.RUNNING, State.ABSENT}


def test_killed_and_removed_behind_our_back(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2", "ct3")
    operator.types_well("up", "--all")
    fleet = operator.instances()
    operator.engine.client.kill(fleet["ct1"].project)
    operator.engine.client.remove_container(fleet["ct2"].project, force=True)
    operator.engine.client.pause(fleet["ct3"].project)
    wait_for(lambda: operator.states()["ct1"] is State.EXITED, "the end of ct1")
    assert operator.states() == {"ct1": State.EXITED, "ct2": State.ABSENT, "ct3": State.PAUSED}
    assert (operator.status("ct1")["state"], operator.status("ct1")["exit_code"]) == ("exited", 137)
    ran = operator.types_well("up", "--all", "--json")
    assert actions(ran) == {"ct1": "start", "ct2": "create", "ct3": "recreate"}


def test_left_in_state_created(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2", "ct3")
    left = list(operator.instances().values())
    operator.engine.prepare(left)
    for one in left:
        operator.engine.create(one)
    assert operator.status("ct1")["state"] == "created"
    operator.types_well("set", "ct2", "AETITLE=OTHER")
    assert actions(operator.types_well("up", "ct1", "ct2", "--json")) == {"ct1": "start", "ct2": "recreate"}
    ran = operator.types_well("down", "ct3")
    assert "removed what was left (made earlier, never started)" in ran.out
    assert operator.states() == {"ct1": State.RUNNING, "ct2": State.RUNNING, "ct3": State.ABSENT}


def test_a_port_taken_between_create_and_up(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2")
    ct1 = operator.instances()["ct1"]
    with socket.create_server(("127.0.0.1", ct1.port)):
        ran = operator.types("up", "--all")
    assert ran.status == ExitStatus.PARTIAL
    assert f"port {ct1.port} on 127.0.0.1 is taken by" in ran.err
    assert f"process {os.getpid()}" in ran.err
    assert f"conquestctl set ct1 PORT={ct1.port + 1}" in ran.err
    assert operator.states() == {"ct1": State.ABSENT, "ct2": State.RUNNING}
    assert actions(operator.types_well("up", "--all", "--json")) == {"ct1": "create", "ct2": "none"}


def test_an_image_that_is_not_there(operator: Operator) -> None:
    operator.types_well("create", "ct1", "--image", "h-engine/none:1")
    ran = operator.types("up", "ct1")
    assert ran.status == ExitStatus.NOT_FOUND
    assert "image h-engine/none:1 is not on this engine" in ran.err
    assert "conquestctl image load FILE" in ran.err
    assert operator.states() == {"ct1": State.ABSENT}


def test_one_that_cannot_start_shows_what_it_said(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2")
    (operator.instances()["ct1"].mount / "config" / "dicom.ini.j2").unlink()
    ran = operator.types("up", "--all")
    assert ran.status == ExitStatus.PARTIAL
    assert "last lines of ct1:" in ran.err
    assert "dicom.ini.j2 is missing" in ran.err
    assert operator.states()["ct2"] is State.RUNNING


def test_a_broken_compose_file_names_the_line(operator: Operator) -> None:
    operator.types_well("create", "ct1", "ct2")
    change_compose(operator.instances()["ct1"], "    no_such_key: 1\n")
    ran = operator.types("up", "--all")
    assert ran.status == ExitStatus.PARTIAL
    assert "no_such_key" in ran.err
    assert "docker-compose.yml" in ran.err
    assert operator.states()["ct2"] is State.RUNNING


def interrupt(run: subprocess.Popen[str]) -> tuple[int, str]:
    run.send_signal(signal.SIGINT)
    err = run.communicate(timeout=60)[1]
    return run.returncode, err


@pytest.mark.parametrize("stuck", [("mr1",), SEVERAL])
def test_ctrl_c_in_the_middle_of_up(operator: Operator, stuck: Sequence[str]) -> None:
    operator.types_well("create", *SEVERAL)
    whole = {name: one.compose_file.read_bytes() for name, one in operator.instances().items()}
    for name in stuck:
        change_compose(operator.instances()[name], STUCK)
    run = operator.starts("up", "--all")
    wait_for(lambda: operator.states()[stuck[0]] is State.RUNNING, f"the container of {stuck[0]}")
    status, err = interrupt(run)
    assert status == ExitStatus.INTERRUPTED, err
    assert "Traceback" not in err
    assert "interrupted; running: " in err
    running = err.partition("interrupted; running: ")[2].partition(";")[0].split(", ")
    states = operator.states()
    assert running == [name for name in SEVERAL if states[name] is State.RUNNING]
    assert set(states.values()) <= {State.RUNNING, State.ABSENT}, "nothing half-made"

    for name, content in whole.items():
        operator.instances()[name].compose_file.write_bytes(content)
    operator.types_well("up", "--all")
    assert set(operator.states().values()) == {State.RUNNING}


def test_logs_and_exec(operator: Operator, capfd: pytest.CaptureFixture[str]) -> None:
    operator.types_well("create", "ct1")
    operator.types_well("up", "ct1")
    assert "CT1" in operator.types_well("logs", "ct1").out + capfd.readouterr().out
    assert operator.types("exec", "ct1", "--", "sh", "-c", "echo $AETITLE; exit 7").status == 7
    assert capfd.readouterr().out == "CT1\n"
