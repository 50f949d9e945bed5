"""`kill -9` at random moments while several associations store: what was acknowledged is there afterwards."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.dgate.archive.support import ct1, dataset
from tests.dgate.net.conftest import wait_for

from .client import OBJECT_FILE, SOP_UID, Client
from .conftest import assert_no_fault_of_ours
from .site import Site

STORES, WORKERS = 1000, 4
SYNTAXES = ("4", "8", "9", "11", "12")


@dataclass
class Sent:
    """What the clients know of each object: what was acknowledged, and what was on its way when the server died."""

    acknowledged: dict[bytes, bytes] = field(default_factory=dict)
    under_way: dict[bytes, bytes] = field(default_factory=dict)
    count: int = 0
    failures: list[int] = field(default_factory=list)


def store_until_it_dies(site: Site, worker: int, sent: Sent, chance: random.Random) -> None:
    """New objects, and now and then another version of a known one."""
    mine = [uid for uid in sent.acknowledged if uid.startswith(b"1.%d." % worker)]
    try:
        with Client(site.port) as client:
            while True:
                uid = chance.choice(mine) if mine and chance.random() < 0.2 else b"1.%d.%d" % (worker, len(mine) + 1)
                data = version_of(uid, chance)
                sent.under_way[uid] = data
                status = client.store(data, max_length=chance.choice((100, 4096, 100_000)))
                sent.failures += [status] if status else []
                sent.acknowledged[uid] = sent.under_way.pop(uid)
                sent.count += 1
                mine += [] if uid in mine else [uid]
    except (OSError, AssertionError):
        return  # the server has died


def version_of(uid: bytes, chance: random.Random) -> bytes:
    pixels = chance.randbytes(2 * chance.choice((50, 5_000, 100_000)))
    return dataset(ct1(t00080018=uid, t00200013=b"%d" % chance.randrange(10_000), t7fe00010=pixels))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Not started yet; ended in any case."""
    prepared = Site(tmp_path, ini="FileNameSyntax = 10\n")
    yield prepared
    prepared.kill()


def test_kill_9_during_a_thousand_stores(site: Site) -> None:
    seed = int(os.environ.get("DGATE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"DGATE_TEST_SEED={seed}")
    chance, sent = random.Random(seed), Sent()  # noqa: S311 - test data
    rounds = 0
    while sent.count < STORES or rounds < len(SYNTAXES):
        name_files(site, SYNTAXES[rounds % len(SYNTAXES)])
        site.start()
        check(site, sent)
        one_life(site, sent, chance)
        rounds += 1
    site.start()
    check(site, sent)
    assert site.stop() == 0
    assert sent.failures == []
    assert_no_fault_of_ours(site)


def name_files(site: Site, syntax: str) -> None:
    ini = site.folder / "dicom.ini"
    lines = [line for line in ini.read_text().splitlines() if not line.startswith("FileNameSyntax")]
    ini.write_text("\n".join([*lines, f"FileNameSyntax = {syntax}\n"]))


def one_life(site: Site, sent: Sent, chance: random.Random) -> None:
    """Store with several associations until the server is killed after so many answers."""
    end = sent.count + chance.randint(STORES // 8, STORES // 3)
    threads = [
        threading.Thread(target=store_until_it_dies, args=(site, worker, sent, random.Random(chance.random())))  # noqa: S311 - test data
        for worker in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: sent.count >= end or not any(thread.is_alive() for thread in threads), 60, site.log)
    site.kill()
    for thread in threads:
        thread.join()


def check(site: Site, sent: Sent) -> None:
    """After a restart: everything acknowledged is found and whole; files and rows go together; nothing else is left."""
    with Client(site.port) as client:
        status, answers = client.find("IMAGE", {SOP_UID: b"", OBJECT_FILE: b""})
        client.release()
    assert status == 0
    where = {answer[SOP_UID]: answer[OBJECT_FILE].decode() for answer in answers}
    assert sorted(where.values()) == site.files()
    assert site.temporaries() == []
    assert sent.acknowledged.keys() <= where.keys()
    assert where.keys() <= sent.acknowledged.keys() | sent.under_way.keys()
    for uid, path in where.items():
        content = (site.data / path).read_bytes()
        wanted = [version[uid] for version in (sent.acknowledged, sent.under_way) if uid in version]
        assert any(content.endswith(data) for data in wanted), uid
        sent.acknowledged[uid] = next(data for data in wanted if content.endswith(data))
    sent.under_way.clear()


@pytest.mark.parametrize("kind", ["O", "P"])
def test_a_uid_cannot_write_the_journal(site: Site, kind: str) -> None:
    """What is noted for a restart holds UIDs of strangers: as text, not as lines of their own.

    A UID with line ends in it could name a file that is to go, and the next start removed it.
    """
    site.start()
    aside = "" if kind == "O" else "../Images/1.2.dcm"
    path = "Images/1.2.dcm" if kind == "O" else "x"
    with Client(site.port) as client:
        for uid in (b"1.2", b"1.3", f"\n{kind}\tt\t1.3\t{aside}\t{path}\n".encode()):
            assert client.store(dataset(ct1(t00080018=uid))) == 0
    files = site.files()
    assert "Images/1.2.dcm" in files
    site.kill()
    site.start()
    assert site.files() == files
    assert site.stop() == 0
