"""The queue: dead destinations, restarts, giving up, and the operator's commands."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.dcmtk import find, path
from tests.dgate.hostile.client import FAILED, Client
from tests.dgate.net.conftest import wait_for
from tests.ports import free_port

from .conftest import StartServer
from .support import an_object, command, exported, paths, queue_is_empty, receiving, states, store, uid


def test_kill_9_in_the_middle_and_a_destination_that_comes_up_later(start: StartServer) -> None:
    port = free_port()
    site = start("ExportConverters = 1\nExportConverter0 = forward to DEAD\n", f"DEAD 127.0.0.1 {port} un")
    store(site, *(an_object(number) for number in range(6)))
    wait_for(lambda: site.log().count("Queue: holding processing of file") == 6, context=site.log)
    store(site, an_object(6), an_object(7))
    site.kill()
    assert len(states(site)) == 8
    with receiving(port) as recv:
        site.start()
        recv.wait_for(8, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert sorted(recv.numbers) == list(range(8))


def test_the_lines_of_a_failure_and_of_the_next_try(start: StartServer) -> None:
    port = free_port()
    site = start(
        "RetryDelay = 1\nExportConverters = 1\nExportConverter0 = nop before; forward to DEAD; nop after\n",
        f"DEAD 127.0.0.1 {port} un",
    )
    store(site, an_object(1))
    wait_for(lambda: "Queue: holding" in site.log(), context=site.log)
    store(site, an_object(2))
    wait_for(lambda: site.log().count("Queue: holding") == 2, context=site.log)
    where = paths(site)
    with receiving(port) as recv:
        recv.wait_for(2, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    lines = exported(site)
    assert lines[:4] == [
        "Exportconverter0.0: nop before",
        f"ExportConverter0.1: forward {where[uid(1)]} to DEAD",
        "*** ExportConverter0.1: Forward failed to connect to host DEAD",
        f"Queue: holding processing of file {where[uid(1)]}",
    ]
    assert f"Queue: holding processing of file {where[uid(2)]}" in lines
    last = lines.index(f"Queue: retrying processing of file {where[uid(2)]}")
    again = lines.index(f"Queue: retrying processing of file {where[uid(1)]}")
    assert lines[again + 1] == "Exportconverter0.0: nop before"
    assert lines[last:] == [
        f"Queue: retrying processing of file {where[uid(2)]}",  # what it had executed by then is not executed again
        f"ExportConverter0.1: forward {where[uid(2)]} to DEAD",
        "Exportconverter0.2: nop after",
    ]


def test_a_dead_destination_holds_up_nobody_else(start: StartServer) -> None:
    line = 'ifequal "%i","DEAD"; forward to DEAD; ifequal "%i","LIVE"; forward to LIVE'
    with receiving() as live:
        site = start(
            f"ExportConverters = 1\nExportConverter0 = {line}\n",
            f"LIVE 127.0.0.1 {live.port} un", f"DEAD 127.0.0.1 {free_port()} un",
        )  # fmt: skip
        study = {"t0020000d": b"1.2.9", "t0020000e": b"1.2.9.1"}
        store(site, an_object(1, t00100020=b"DEAD"))
        wait_for(lambda: "Queue: holding" in site.log(), context=site.log)
        store(site, an_object(2, t00100020=b"LIVE", **study), an_object(3, t00100020=b"LIVE", **study))
        live.wait_for(2, context=site.log)
        wait_for(lambda: states(site) == [b"held"], context=site.log)  # who goes before the answer gets it once more
    assert live.numbers == [2, 3]


def test_what_was_forwarded_is_not_sent_again_with_the_rest_of_its_line(start: StartServer) -> None:
    port = free_port()
    with receiving() as live:
        site = start(
            "RetryDelay = 1\nExportConverters = 1\nExportConverter0 = forward to LIVE; forward to DEAD\n",
            f"LIVE 127.0.0.1 {live.port} un", f"DEAD 127.0.0.1 {port} un",
        )  # fmt: skip
        store(site, an_object(1))
        wait_for(lambda: site.log().count("Queue: retrying") >= 2, context=site.log)
        with receiving(port) as late:
            late.wait_for(1, context=site.log)
            wait_for(lambda: queue_is_empty(site), context=site.log)
    assert live.numbers == [1]


def test_giving_up_and_another_chance(start: StartServer) -> None:
    port = free_port()
    site = start(
        "RetryDelay = 1\nFailHoldOff = 0\nMaximumExportRetries = 2\nExportConverters = 1\n"
        "ExportConverter0 = forward to DEAD\n",
        f"DEAD 127.0.0.1 {port} un",
    )
    store(site, an_object(1))
    wait_for(lambda: "giving up" in site.log(), 20, site.log)
    assert "*** Queue: 3 retries exceeds set maximum of 2 - giving up" in site.log().splitlines()
    wait_for(lambda: states(site) == [b"dead"], context=site.log)
    listed = command(site, "queue_list:").strip().split("|")
    assert listed[:4] == ["1", "dead", "to:DEAD", "3"]
    assert listed[5] == paths(site)[uid(1)]
    (job,) = json.loads(command(site, "queue_list:json"))
    assert job["state"] == "dead"
    assert json.loads(command(site, "status_json:"))["queues"]["forwarding dead"] == 1
    assert "Queue forwarding dead: 1" in command(site, "display_status:")
    with receiving(port) as recv:
        assert command(site, "queue_retry:1") == "1\n"
        recv.wait_for(1, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert command(site, "queue_retry:1").startswith("***queue_retry: there is no such job")


def test_a_refused_object_is_given_up_unless_the_settings_say_otherwise(start: StartServer) -> None:
    with receiving(status=lambda count: 0xA700 if count == 1 else 0) as recv:
        site = start("ExportConverters = 1\nExportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1), an_object(2))
        recv.wait_for(2, context=site.log)
        wait_for(lambda: states(site) == [b"dead"], context=site.log)
        assert "*** ExportConverter0.0: Forward failed to send DICOM image to RECV" in site.log().splitlines()
        assert command(site, "queue_retry:all") == "1\n"
        recv.wait_for(3, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert recv.numbers == [1, 2, 1]


def test_a_class_that_nobody_takes_is_not_tried_again(start: StartServer) -> None:
    with receiving(0, "1.2.840.10008.5.1.4.1.1.4") as recv:
        site = start("ExportConverters = 1\nExportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1))
        wait_for(lambda: "does not accept type of forwarded image" in site.log(), context=site.log)
        wait_for(lambda: states(site) == [b"dead"], context=site.log)
        assert command(site, "queue_drop:all") == "1\n"
    assert states(site) == []


def test_rows_and_job_are_one_transaction(start: StartServer) -> None:
    """An object that the index refuses has no job."""
    site = start("ExportConverters = 1\nExportConverter0 = forward to DEAD\n", f"DEAD 127.0.0.1 {free_port()} un")
    store(site, an_object(1))
    with Client(site.port) as client:
        assert client.store(an_object(2, t00100020=b"ANOTHER")) == FAILED
        client.release()
    assert len(states(site)) == 1


def test_new_tables_leave_the_queue(start: StartServer) -> None:
    site = start("ExportConverters = 1\nExportConverter0 = forward to DEAD\n", f"DEAD 127.0.0.1 {free_port()} un")
    store(site, an_object(1))
    wait_for(lambda: states(site) == [b"held"], context=site.log)
    assert site.stop() == 0
    for option in ("-i", "-r"):
        done = subprocess.run(
            [sys.executable, "-m", "dgate", option, f"-w{site.folder}"], check=False, capture_output=True,
            cwd=Path(__file__).parents[3],
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert states(site) == [b"held"]


def test_sigterm_with_a_dead_destination(start: StartServer) -> None:
    site = start("ExportConverters = 1\nExportConverter0 = forward to DEAD\n", f"DEAD 127.0.0.1 {free_port()} un")
    store(site, an_object(1), an_object(2))
    assert site.stop() == 0
    assert len(states(site)) == 2


def test_sigterm_in_the_middle_loses_nothing(start: StartServer) -> None:
    """The object in hand is finished, the others wait for the next start."""
    reached, go_on = threading.Event(), threading.Event()

    def slow(count: int) -> int:
        if count == 3:
            reached.set()
            assert go_on.wait(20)
        return 0

    with receiving(status=slow) as recv:
        site = start("ExportConverters = 1\nExportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, *(an_object(number) for number in range(10)))
        assert reached.wait(20)
        assert site.process is not None
        site.process.send_signal(signal.SIGTERM)
        go_on.set()
        assert site.process.wait(30) == 0
        assert recv.numbers == list(range(len(recv.numbers)))
        assert states(site) == [b"waiting"] * (10 - len(recv.numbers))
        site.start()
        recv.wait_for(10, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert recv.numbers == list(range(10))


@pytest.mark.peer
@pytest.mark.skipif(find("storescp") is None, reason="dcmtk is not installed")
def test_dcmtk_as_the_destination(start: StartServer, tmp_path: Path) -> None:
    port = free_port()
    site = start(
        "RetryDelay = 1\nExportConverters = 1\nExportConverter0 = forward compressed as ul to STORESCP\n",
        f"STORESCP 127.0.0.1 {port} un",
    )
    store(site, *(an_object(number) for number in range(5)))
    wait_for(lambda: site.log().count("Queue: holding") == 5, context=site.log)
    out = tmp_path / "received"
    out.mkdir()
    words = [path("storescp"), "-aet", "STORESCP", "-od", str(out), str(port)]
    receiver = subprocess.Popen(words)
    try:
        wait_for(lambda: len(list(out.iterdir())) == 5, 20, site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    finally:
        receiver.terminate()
        receiver.wait()
    stored = an_object(3)
    assert sum(file.read_bytes().endswith(stored[-64:]) for file in out.iterdir()) == 5


def test_destinations_that_objects_name(start: StartServer) -> None:
    """However many unknown names come with objects: one lane has them all, until the map knows them."""
    site = start("RetryDelay = 1\nExportConverters = 1\nExportConverter0 = forward to %V0008,1010\n")
    store(site, *(an_object(number, t00081010=b"NAME%03d" % number) for number in range(50)))
    wait_for(lambda: states(site) == [b"held"] * 50, 20, site.log)
    assert site.rows("SELECT DISTINCT Lane FROM ForwardQueue") == [(b"to:?",)]
    with receiving() as recv:
        site.know(f"NAME* 127.0.0.1 {recv.port} un")
        recv.wait_for(50, 30, site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)


def test_a_database_made_anew_while_the_server_runs(start: StartServer) -> None:
    with receiving() as recv:
        site = start("ExportConverters = 1\nExportConverter0 = forward to RECV\n", f"RECV 127.0.0.1 {recv.port} un")
        store(site, an_object(1))
        recv.wait_for(1, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
        for file in site.folder.glob("conquest.db3*"):
            file.unlink()
        site.make_database()
        store(site, an_object(2))
        recv.wait_for(2, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert recv.numbers == [1, 2]
