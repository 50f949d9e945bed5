"""`kill -9` while objects come in and go out: what was acknowledged reaches its destination."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from tests.dgate.hostile.client import Client
from tests.dgate.hostile.conftest import assert_no_fault_of_ours
from tests.dgate.hostile.site import Site
from tests.dgate.net.conftest import wait_for

from .conftest import StartServer
from .support import an_object, make_site, queue_is_empty, receiving, states, store, uid

LIVES, OBJECTS = 4, 25


def store_until_it_dies(site: Site, numbers: range, acknowledged: set[int]) -> None:
    try:
        with Client(site.port) as client:
            for number in numbers:
                assert client.store(an_object(number)) == 0
                acknowledged.add(number)
    except (OSError, AssertionError):
        return


@pytest.mark.parametrize("line", ["forward to RECV", "nop %o; forward to RECV; nop sent"])
def test_kill_9_at_random_moments(start: StartServer, line: str) -> None:
    seed = int(os.environ.get("DGATE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"DGATE_TEST_SEED={seed}")
    chance, acknowledged = random.Random(seed), set[int]()  # noqa: S311 - test data
    with receiving() as recv:
        site = start(f"ExportConverters = 1\nExportConverter0 = {line}\n", f"RECV 127.0.0.1 {recv.port} un")
        for life in range(LIVES):
            numbers = range(life * OBJECTS, (life + 1) * OBJECTS)
            sender = threading.Thread(target=store_until_it_dies, args=(site, numbers, acknowledged))
            sender.start()
            enough = len(acknowledged) + chance.randrange(OBJECTS)
            wait_for(lambda: len(acknowledged) >= enough or not sender.is_alive(), context=site.log)  # noqa: B023
            site.kill()
            sender.join()
            site.start()
        wait_for(lambda: acknowledged <= set(recv.numbers), 30, site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
        stored = {int(key.rpartition(b".")[2]) for (key,) in site.rows("SELECT SOPInstanc FROM DICOMImages")}
    assert acknowledged <= stored
    assert set(recv.numbers) == stored


def test_a_destination_that_hangs_holds_up_nobody_else(start: StartServer) -> None:
    go_on = threading.Event()

    def hanging(_count: int) -> int:
        assert go_on.wait(30)
        return 0

    with receiving(status=hanging) as slow, receiving() as live:
        site = start(
            "ExportConverters = 2\nExportConverter0 = forward to SLOW\nExportConverter1 = forward to LIVE\n",
            f"SLOW 127.0.0.1 {slow.port} un", f"LIVE 127.0.0.1 {live.port} un",
        )  # fmt: skip
        store(site, an_object(1), an_object(2), an_object(3))
        live.wait_for(3, context=site.log)
        slow.wait_for(1, context=site.log)
        wait_for(lambda: len(states(site)) == 3, context=site.log)
        go_on.set()
        slow.wait_for(3, context=site.log)
        wait_for(lambda: queue_is_empty(site), context=site.log)
    assert live.numbers == slow.numbers == [1, 2, 3]


def test_a_ring_of_three_ends(tmp_path: Path) -> None:
    """A sends to B, B to C, C to A: each has what came, and it does not go round for ever."""
    titles = ("A", "B", "C")
    sites = [make_site(tmp_path / title, "ExportConverters = 1\n") for title in titles]
    for at, (site, title) in enumerate(zip(sites, titles, strict=True)):
        following = titles[(at + 1) % 3]
        lines = [f"{other} 127.0.0.1 {each.port} un" for other, each in zip(titles, sites, strict=True)]
        (site.folder / "acrnema.map").write_text("\n".join(lines) + "\n")
        ini = site.folder / "dicom.ini"
        text = ini.read_text().replace("MyACRNema = ORACLE", f"MyACRNema = {title}")
        ini.write_text(f"{text}ExportConverter0 = forward to {following}\n")
    try:
        for site in sites:
            site.start()
        store(sites[0], an_object(1))
        wait_for(lambda: all(uid(1) in _keys(site) for site in sites), 20, lambda: "".join(s.log() for s in sites))
        wait_for(lambda: "came back" in sites[0].log(), 20, sites[0].log)
        wait_for(lambda: all(queue_is_empty(site) for site in sites), 20, sites[0].log)
        counts = [site.log().count("Server Command   := 0001") for site in sites]
        assert max(counts) <= 3, counts  # on its first way round it becomes implicit little endian: another object
    finally:
        for site in sites:
            site.kill()
    for site in sites:
        assert_no_fault_of_ours(site)


def _keys(site: Site) -> list[bytes]:
    return [key for (key,) in site.rows("SELECT SOPInstanc FROM DICOMImages")]
