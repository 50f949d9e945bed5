"""What the operating system does to a server: no space, no permission, no database. It fails the store and goes on."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.dgate.archive.support import CT1, House, dataset, make_house

from .client import BAD_QUERY, FAILED, SOP_UID, Client
from .conftest import StartSite, harmless
from .site import Site

SMALL = dataset({**CT1, SOP_UID: (b"UI", b"1.9.1")})
BIG = dataset({**CT1, SOP_UID: (b"UI", b"1.9.2"), 0x7FE00010: (b"OW", bytes(6_000_000))})


def stored(site: Site, data: bytes) -> int:
    with Client(site.port) as client:
        status = client.store(data, max_length=100_000)
        client.release()
    return status


@contextmanager
def failing(site: Site) -> Iterator[None]:
    """What happens inside fails and leaves no trace; the same process stores again afterwards."""
    with harmless(site):
        pid, files, images = site.pid, site.files(), site.images()
        yield
        assert site.temporaries() == []
        assert site.files() == files
        assert stored(site, SMALL) == 0
        assert stored(site, dataset(CT1)) == 0
        assert site.images() == images + 1
        assert len(site.files()) == len(files) + 1
        assert site.pid == pid
    assert site.process is not None
    assert site.process.poll() is None


# -- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB and a few files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-o", "size=4m,nr_inodes=40"]
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], check=False).returncode:
        pytest.skip("needs to be root and allowed to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing more goes in."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                continue
        except OSError:
            pass
    return filler


def test_a_full_disk(start_site: StartSite, small_disk: Path) -> None:
    site = start_site(data=small_disk)
    with failing(site):
        filler = fill(small_disk)
        for _ in range(3):
            assert stored(site, SMALL) == FAILED
        assert stored(site, BIG) == FAILED
        assert stored(site, dataset(CT1)) == FAILED
        filler.unlink()
    assert "*** Out of disk space" in site.log()


def test_a_disk_that_fills_in_the_middle_of_an_object(start_site: StartSite, small_disk: Path) -> None:
    site = start_site(data=small_disk)
    with failing(site):
        for _ in range(3):
            assert stored(site, BIG) == FAILED


def test_a_disk_without_room_for_another_file(start_site: StartSite, small_disk: Path) -> None:
    """There is space, but no inode for the patient's folder."""
    site = start_site(data=small_disk)
    with failing(site):
        fillers = []
        try:
            for number in range(100):
                fillers.append(small_disk / f"filler{number}")
                fillers[-1].touch()
        except OSError:
            fillers.pop()
        fillers.pop().unlink()
        other = dataset({**CT1, 0x00100020: (b"LO", b"OTHER"), SOP_UID: (b"UI", b"1.9.3")})
        assert stored(site, other) == FAILED
        for filler in fillers:
            filler.unlink()


def test_a_full_disk_under_the_database(start_site: StartSite, small_disk: Path) -> None:
    site = start_site(database=small_disk / "conquest.db3")
    with failing(site):
        filler = fill(small_disk)
        statuses = {stored(site, dataset({**CT1, SOP_UID: (b"UI", b"1.8.%d" % n)})) for n in range(3)}
        assert statuses == {FAILED}
        filler.unlink()
    assert "***SQLITEExec error: database or disk is full" in site.log()


def test_a_full_disk_under_everything(start_site: StartSite, small_disk: Path) -> None:
    """Objects until nothing goes in: each acknowledged one is there afterwards, and nothing else."""
    data = small_disk / "data"
    site = start_site(data=data, database=small_disk / "conquest.db3")
    with harmless(site), Client(site.port) as client:
        acknowledged = 0
        for number in range(60):
            pixels = (b"OW", bytes(200_000))
            status = client.store(dataset({**CT1, SOP_UID: (b"UI", b"1.8.%d" % number), 0x7FE00010: pixels}))
            assert status in (0, FAILED)
            acknowledged += status == 0
        assert 5 < acknowledged < 25
        assert site.images() == len(site.files()) == acknowledged + 1
        client.release()


@pytest.mark.parametrize("what", ["everything", "the spool", "the patient's folder"])
def test_a_device_that_becomes_read_only(start_site: StartSite, what: str) -> None:
    site = start_site()
    patient = site.data / "PAT_001_A"
    folders = {"everything": [site.data, site.data / ".spool", patient], "the spool": [site.data / ".spool"]}
    with failing(site):
        for folder in folders.get(what, [patient]):
            folder.chmod(0o555)
        for data in (SMALL, BIG):
            assert stored(site, data) == FAILED
        for folder in folders.get(what, [patient]):
            folder.chmod(0o755)


def test_a_quota_in_the_middle_of_an_object(start_site: StartSite) -> None:
    """The kernel's limit for one file stands for a quota: a write that gets through in part, then an error."""
    site = start_site()
    with failing(site):
        before = resource.prlimit(site.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(site.pid, resource.RLIMIT_FSIZE, (1_000_001, before[1]))
        for _ in range(3):
            assert stored(site, BIG) == FAILED
        resource.prlimit(site.pid, resource.RLIMIT_FSIZE, before)
    assert stored(site, BIG) == 0


def test_no_descriptors_left(start_site: StartSite) -> None:
    """Whatever fails for want of a descriptor, the server is the same afterwards."""
    site = start_site()
    with harmless(site):
        before = resource.prlimit(site.pid, resource.RLIMIT_NOFILE)
        with Client(site.port) as client:
            resource.prlimit(site.pid, resource.RLIMIT_NOFILE, (5, before[1]))
            assert client.store(SMALL) == FAILED
            assert client.find("STUDY", {0x0020000D: b""})[0] in (0, BAD_QUERY)
            resource.prlimit(site.pid, resource.RLIMIT_NOFILE, before)
            assert client.store(SMALL) == 0
            client.release()


# -- the database


def test_a_locked_database(start_site: StartSite) -> None:
    """Queries go on meanwhile."""
    site = start_site()
    with failing(site), closing(sqlite3.connect(site.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert stored(site, SMALL) == FAILED
        with Client(site.port) as client:
            assert len(client.find("IMAGE", {SOP_UID: b""})[1]) == 1
        other.execute("ROLLBACK")


def content(site: Site) -> bytes:
    with closing(sqlite3.connect(site.database)) as connection:
        return connection.serialize()


def replace(site: Site, data: bytes | None) -> None:
    """Put another file in the place of the database, or none."""
    for path in site.folder.glob("conquest.db3*"):
        path.unlink()
    if data is not None:
        site.database.write_bytes(data)


def a_folder_instead(site: Site) -> None:
    replace(site, None)
    site.database.mkdir()


GARBAGE = b"this was a database once\n" * 5000
LOSSES: dict[str, Callable[[Site], None]] = {
    "gone": lambda site: replace(site, None),
    "empty": lambda site: replace(site, b""),
    "garbage": lambda site: replace(site, GARBAGE),
    "half of it": lambda site: replace(site, content(site)[: len(content(site)) // 2]),
    "pages of it": lambda site: replace(site, content(site)[:4096] + GARBAGE),
    "a folder": a_folder_instead,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_database_that_is_lost_and_comes_back(start_site: StartSite, loss: str) -> None:
    site = start_site()
    good = content(site)
    with failing_until_back(site, good):
        LOSSES[loss](site)
        for _ in range(3):
            assert stored(site, SMALL) == FAILED
        with Client(site.port) as client:
            status, answers = client.find("IMAGE", {SOP_UID: b""})
            assert (status, answers) == (BAD_QUERY, [])


@contextmanager
def failing_until_back(site: Site, good: bytes) -> Iterator[None]:
    with harmless(site):
        files = site.files()
        yield
        assert site.files() == files
        assert site.temporaries() == []
        if site.database.is_dir():
            site.database.rmdir()
        replace(site, good)
        assert stored(site, SMALL) == 0
        assert site.images() == 2
        with Client(site.port) as client:
            assert len(client.find("IMAGE", {SOP_UID: b""})[1]) == 2


@pytest.mark.parametrize("damage", [b"", GARBAGE])
def test_a_database_that_is_overwritten_in_place(start_site: StartSite, damage: bytes) -> None:
    """What SQLite still knows may let it go on for a while; it never ends the server, and a good file mends all."""
    site = start_site()
    good = content(site)
    with failing_until_back(site, good):
        with closing(sqlite3.connect(site.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with site.database.open("r+b") as file:
            file.truncate(len(damage))
            file.write(damage)
        before = site.files()
        statuses = {stored(site, dataset({**CT1, 0x00200013: (b"IS", b"%d" % n)})) for n in range(3)}
        assert statuses <= {0, FAILED}
        assert len(site.files()) == len(before)


def test_a_server_that_starts_without_a_usable_database(tmp_path: Path) -> None:
    site = Site(tmp_path)
    good = content(site)
    replace(site, GARBAGE)
    try:
        site.start()
        assert stored(site, SMALL) == FAILED
        assert site.files() == site.temporaries() == []
        replace(site, good)
        assert stored(site, SMALL) == 0
    finally:
        site.kill()


def test_tables_that_are_gone(start_site: StartSite) -> None:
    site = start_site()
    with harmless(site):
        files = site.files()
        with closing(sqlite3.connect(site.database)) as connection, connection:
            connection.execute("DROP TABLE DICOMSeries")
        assert stored(site, SMALL) == FAILED
        assert site.files() == files
        with closing(sqlite3.connect(site.database)) as connection, connection:
            for table in ("Patients", "Studies", "Images"):
                connection.execute(f"DROP TABLE DICOM{table}")
        site.make_database()
        assert stored(site, SMALL) == 0


# -- faults that only a file system of another kind has, so the call itself is made to fail


def test_a_write_that_fails_when_the_file_is_closed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As over a network, with a quota. The descriptor is gone then: closing it twice could close somebody else's."""
    close = os.close
    closed: list[int] = []

    def fail_once(descriptor: int) -> None:
        close(descriptor)
        closed.append(descriptor)
        if len(closed) == 1:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "close", fail_once)
    assert house.store(CT1) == FAILED
    assert closed.count(closed[0]) == 1
    monkeypatch.undo()
    assert house.files() == house.leftovers() == []
    assert house.store(CT1) == 0


def test_a_note_in_the_journal_that_gets_through_in_part(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object whose note is not whole is not placed, or a crash would leave a file that nobody knows."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
    assert house.store(CT1) == FAILED
    monkeypatch.undo()
    assert house.files() == house.leftovers() == []
    assert house.store(CT1) == 0
    (spool,) = house.archive.stores.devices.spools
    assert spool.intentions() == []


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = make_house(tmp_path)
    yield made
    made.archive.close()
