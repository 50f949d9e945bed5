"""Full devices, databases that are locked or gone, folders that vanish, and many threads at once."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from dgate.archive import incoming as incoming_module
from dgate.archive.entry import Entry, KeepKnown, Location, Outcome
from dgate.archive.objectfile import InPlace
from dgate.index.index import DatabaseError
from tests.dgate.archive.support import CT1, House, ct1, dataset, make_house, request

FAILED = 0x0110
JPEG = "1.2.840.10008.1.2.4.70"


def body(path: Path) -> bytes:
    """The data set of a part-10 file."""
    content = path.read_bytes()
    assert content[:132] == bytes(128) + b"DICM"
    return content[132 + 12 + int.from_bytes(content[140:144], "little") :]


def test_full_device_gives_way_to_the_next(tmp_path: Path) -> None:
    house = make_house(tmp_path)
    second = tmp_path / "second"
    second.mkdir()
    house.reopen(mag_devices=(f"{tmp_path}/data/", f"{second}/"), mag_full_threshold=1 << 40)
    assert house.store(CT1) == FAILED
    assert house.leftovers() == []
    house.reopen(ignore_mag_threshold=True, mag_full_threshold=30)
    assert house.store(CT1) == 0
    assert house.rows("SELECT DeviceName FROM DICOMImages") == [(b"MAG0",)]
    house.archive.close()


def test_disk_full_in_the_middle_leaves_nothing_and_recovers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(incoming_module, "HEAD_LIMIT", 100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # the kernel's own refusal to write on
    try:
        big = {**CT1, 0x7FE00010: (b"OW", bytes(100_000))}
        incoming = house.archive.begin_store(request())
        data = dataset(big)
        for start in range(0, len(data), 1000):
            incoming.write([memoryview(data)[start : start + 1000]])
        assert house.leftovers() == []
        assert incoming.finish() == FAILED
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert house.files() == []
    assert house.store(CT1) == 0


@pytest.mark.sqlite
def test_database_locked_then_free(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from dgate.index.database import sqlite

    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    house.reopen()
    with closing(sqlite3.connect(house.root / "conquest.db3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert house.store(CT1) == FAILED
        other.execute("ROLLBACK")
    assert house.files() == []
    assert house.leftovers() == []
    assert house.store(CT1) == 0


@pytest.mark.sqlite
def test_database_gone_then_back(house: House) -> None:
    house.store(CT1)
    database = house.root / "conquest.db3"
    content = sqlite_copy(database)
    for path in house.root.glob("conquest.db3*"):
        path.unlink()
    assert house.store(ct1(t00080018=b"1.9")) == FAILED
    assert len(house.files()) == 1
    database.write_bytes(content)
    assert house.store(ct1(t00080018=b"1.9")) == 0
    assert len(house.rows("SELECT * FROM DICOMImages")) == 2


def sqlite_copy(database: Path) -> bytes:
    with closing(sqlite3.connect(database)) as connection:
        return connection.serialize()


@pytest.mark.sqlite
def test_failed_commit_brings_the_old_object_back(house: House) -> None:
    house.store(CT1)
    (file,) = house.files()
    before = hashlib.sha256((house.data / file).read_bytes()).digest()
    with closing(sqlite3.connect(house.root / "conquest.db3")) as other, other:
        other.execute("CREATE TRIGGER broken BEFORE UPDATE ON DICOMImages BEGIN SELECT RAISE(ABORT, 'no space'); END")
    assert house.store(ct1(t00200013=b"77")) == FAILED
    assert hashlib.sha256((house.data / file).read_bytes()).digest() == before
    assert house.files() == [file]
    assert house.leftovers() == []
    with closing(sqlite3.connect(house.root / "conquest.db3")) as other, other:
        other.execute("DROP TRIGGER broken")
    assert house.store(ct1(t00200013=b"77")) == 0


def test_folder_deleted_behind_our_back(house: House) -> None:
    import shutil

    house.store(CT1)
    shutil.rmtree(house.data / "PAT_001_A")
    assert house.store(CT1) == 0
    assert house.store(ct1(t00080018=b"1.9")) == 0
    assert len(house.files()) == 2


def test_many_threads_store_and_share_uids(house: House) -> None:
    failures: list[int] = []

    def work(worker: int) -> None:
        for number in range(25):
            uid = b"1.2.%d" % (number if worker % 2 else number + 1000 * worker)
            status = house.store(ct1(t00080018=uid, t00200013=b"%d" % worker))
            failures.extend([status] if status else [])

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    rows = house.rows("SELECT ObjectFile FROM DICOMImages")
    assert len(rows) == 25 * 2
    assert sorted(path.decode() for (path,) in rows) == house.files()
    assert house.leftovers() == []


def test_descriptors_are_given_back(house: House) -> None:
    house.store(CT1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(100):
        assert (
            house.store(
                ct1(
                    t00100020=b"P%d" % number,
                    t0020000d=b"1.%d" % number,
                    t0020000e=b"2.%d" % number,
                    t00080018=b"3.%d" % number,
                )
            )
            == 0
        )
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 32


def test_what_is_kept_for_an_object_that_is_taken_back_is_not_acknowledged(house: House) -> None:
    """Of two equal ones in a group the second is kept for the first one's sake; without that it is nowhere."""

    class Kept(InPlace):
        def place(self, known: Location | None) -> Location:
            if known is not None:
                raise KeepKnown
            return super().place(known)

    stores = house.archive.stores
    rows = stores.rows.make({tag: value for tag, (_, value) in CT1.items()})
    entries = [Entry(rows, Kept(Location(b"MAG0", b"x")), b"x") for _ in range(2)]

    def fail(*_: object) -> None:
        raise DatabaseError("full")

    third = Entry(rows, InPlace(Location(b"MAG0", b"x")), b"x", also=fail)
    assert not stores.writer.submit_all([*entries, third])
    assert [entry.outcome for entry in entries] == [Outcome.FAILED, Outcome.FAILED]
    assert house.rows("SELECT * FROM DICOMImages") == []
