from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dgate.archive import spool as spool_module
from dgate.archive.archive import open_archive
from dgate.archive.placing import Placement
from dgate.archive.regenerate import regenerate
from dgate.archive.spool import Spool
from dgate.archive.writer import Location, Writer
from tests.dgate.archive.support import (
    CT1,
    House,
    Lines,
    ct1,
    dataset,
    kfactor,
    make_house,
    request,
    settings_for,
    store,
)  # fmt: skip

STORING_CHILD = """
import sys
from pathlib import Path
from tests.dgate.archive.support import Lines, ct1, kfactor, settings_for, dataset, store
from dgate.archive.archive import open_archive
root = Path(sys.argv[1])
archive = open_archive(settings_for(root, file_name_syntax=sys.argv[2]), kfactor(), Lines())
import threading
def work(worker):
    for number in range(100000):
        uid = b"1.2.%d.%d" % (worker, number % 40)
        data = dataset(ct1(t00080018=uid, t00200013=b"%d" % number))
        if store(archive, data, sizes=(700,)) == 0:
            sys.stdout.write("%s %d\\n" % (uid.decode(), number))
            sys.stdout.flush()
for worker in range(3):
    threading.Thread(target=work, args=(worker,)).start()
"""


@pytest.mark.parametrize(("naming", "acknowledged_before_kill"), [("4", 1), ("4", 60), ("9", 150), ("3", 100)])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, naming: str, acknowledged_before_kill: int) -> None:
    make_house(tmp_path).archive.close()
    child = subprocess.Popen(
        [sys.executable, "-c", STORING_CHILD, str(tmp_path), naming],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(acknowledged_before_kill)]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.read().splitlines(keepends=True)
    child.wait(timeout=10)
    child.stdout.close()
    acknowledged = dict(line.split() for line in lines if line.endswith("\n"))
    log = Lines()
    house = House(tmp_path, settings_for(tmp_path), log, open_archive(settings_for(tmp_path), kfactor(), log))
    rows = {
        uid.decode(): (path.decode(), number)
        for uid, path, number in house.rows("SELECT SOPInstanc, ObjectFile, ImageNumbe FROM DICOMImages")
    }
    assert sorted(path for path, _ in rows.values()) == house.files()
    assert house.leftovers() == []
    for uid, number in acknowledged.items():
        path, stored = rows[uid]
        assert int(stored) >= int(number)  # a later, unacknowledged rewrite may have made it
        syntax = "1.2.840.10008.1.2" if naming == "3" else "1.2.840.10008.1.2.1"
        expected = dataset(ct1(t00080018=uid.encode(), t00200013=stored), syntax)
        assert (house.data / path).read_bytes().endswith(expected)
    house.archive.close()


class DiedError(BaseException):
    """Stands for the end of the process at a chosen point."""


def crash(house: House, monkeypatch: pytest.MonkeyPatch, target: type, method: str) -> None:
    """Let a store of another version of the object stop dead at a method, as a killed process would."""

    def die(*_: object, **__: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(target, method, die)
        patch.setattr(Writer, "_give_up", lambda self, _: self._close())
        with pytest.raises(DiedError):
            house.store(ct1(t00200013=b"77"))
    house.archive._stores.writer.close()
    for spool in house.archive._stores.devices.spools:
        os.close(spool._fd)  # gives the lock back, as the death of a process does
        spool._fd = os.open("/dev/null", os.O_RDONLY)
    house.archive = open_archive(house.settings, kfactor(), house.log)


@pytest.mark.parametrize(
    ("target", "method", "expected"),
    [(Spool, "put", [b"42"]), (Placement, "settle", [b"77"]), (Spool, "intend", [b"42"])],
)
def test_death_around_a_rewrite_leaves_a_complete_pair(
    house: House, monkeypatch: pytest.MonkeyPatch, target: type, method: str, expected: list[bytes]
) -> None:
    house.store(CT1)
    crash(house, monkeypatch, target, method)
    assert [number for (number,) in house.rows("SELECT ImageNumbe FROM DICOMImages")] == expected
    (file,) = house.files()
    assert (house.data / file).read_bytes().endswith(dataset(ct1(t00200013=expected[0])))
    assert house.leftovers() == []


def test_death_between_placing_and_commit_is_completed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(self: Placement, known: Location | None) -> None:
        place(self, known)
        raise DiedError

    place = Placement.place
    monkeypatch.setattr(Placement, "place", die)
    monkeypatch.setattr(Writer, "_give_up", lambda self, _: self._close())
    with pytest.raises(DiedError):
        house.store(CT1)
    monkeypatch.undo()
    assert len(house.files()) == 1
    assert house.rows("SELECT * FROM DICOMImages") == []
    for spool in house.archive._stores.devices.spools:
        os.close(spool._fd)
        spool._fd = os.open("/dev/null", os.O_RDONLY)
    house.archive = open_archive(house.settings, kfactor(), house.log)
    assert house.rows("SELECT ObjectFile FROM DICOMImages") == [(house.files()[0].encode(),)]


def test_a_second_process_sweeps_nothing_while_the_first_receives(house: House) -> None:
    incoming = house.archive.begin_store(request())
    data = dataset(CT1)
    incoming.write([memoryview(data)[:-10]])
    other = open_archive(house.settings, kfactor(), Lines())
    assert len(house.leftovers()) == 1
    incoming.write([memoryview(data)[-10:]])
    assert incoming.finish() == 0
    other.close()


def test_a_second_process_leaves_the_journal_of_the_first(house: House) -> None:
    (spool,) = house.archive.stores.devices.spools
    token = spool.intend(b"1.2", b"PAT/1.dcm")
    open_archive(house.settings, kfactor(), Lines()).close()
    assert [intention.path for intention in spool.intentions()] == [b"PAT/1.dcm"]
    spool.settle(token)
    assert spool.intentions() == []


def test_a_long_journal_is_emptied_by_who_is_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "JOURNAL_LIMIT", 10)
    (spool,) = house.archive.stores.devices.spools
    journal = house.data / ".spool/placed.log"
    other = open_archive(house.settings, kfactor(), Lines())
    spool.settle(spool.intend(b"1.2", b"PAT/1.dcm"))
    assert journal.stat().st_size > 10
    other.close()
    spool.settle(spool.intend(b"1.2", b"PAT/1.dcm"))
    assert journal.stat().st_size == 0


DELETING_CHILD = """
import sys
from pathlib import Path
from tests.dgate.archive.support import Lines, kfactor, settings_for
from dgate.archive.archive import open_archive
from dgate.archive.delete import delete
from dgate.index.tables import Level
archive = open_archive(settings_for(Path(sys.argv[1])), kfactor(), Lines())
for number in range(120):
    delete(archive, Level.IMAGE, {"sop_uid": b"1.%d" % number})
    sys.stdout.write("%d\\n" % number)
    sys.stdout.flush()
"""


@pytest.mark.parametrize("deleted_before_kill", [1, 17, 60])
def test_kill_9_while_deleting(tmp_path: Path, deleted_before_kill: int) -> None:
    house = make_house(tmp_path, file_name_syntax="8")
    for number in range(120):
        house.store(ct1(t00080018=b"1.%d" % number, t0020000e=b"2.%d" % (number // 3)))
    house.archive.close()
    child = subprocess.Popen(
        [sys.executable, "-c", DELETING_CHILD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(deleted_before_kill)]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.read().splitlines(keepends=True)
    child.wait(timeout=10)
    child.stdout.close()
    house.archive = open_archive(house.settings, kfactor(), house.log)
    rows = house.rows("SELECT SOPInstanc, ObjectFile FROM DICOMImages")
    assert sorted(path.decode() for _, path in rows) == house.files()
    gone = {b"1.%d" % int(line) for line in lines if line.endswith("\n")}
    assert not gone & {uid for uid, _ in rows}
    assert len(rows) in (120 - len(gone), 119 - len(gone))
    house.archive.close()


def test_regenerate_takes_and_skips_files_as_the_original(house: House) -> None:
    house.store(CT1)
    source = house.data / house.files()[0]
    for name in ("A.IMG", "noextension", "sub/dir/B.Dcm", "skipped.txt", "incoming/c.dcm", "sub/BIN/d.dcm", "e.tmp"):
        target = house.data / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    (house.data / "broken.dcm").write_bytes(b"no object")
    (house.data / "loop").symlink_to(house.data)
    source.unlink()
    house.archive.close()
    log = Lines()
    regenerate(house.settings, kfactor(), log, 0)
    entered = {line.split()[1].removeprefix(f"{house.data}/") for line in log.lines if line.endswith("-SUCCESS")}
    assert entered == {"A.IMG", "noextension", "sub/dir/B.Dcm"}
    assert f"***[Regen] {house.data}/broken.dcm -FAILED: Error on Load" in log.lines
    assert len(house.rows("SELECT * FROM DICOMImages")) == 1
    house.archive = open_archive(house.settings, kfactor(), log)


def test_device_that_cannot_be_used(tmp_path: Path) -> None:
    settings, log = settings_for(tmp_path, mag_devices=(f"{tmp_path}/absent/",)), Lines()
    archive = open_archive(settings, kfactor(), log)
    assert "*** Not enough rights to write in MAG0" in log.lines
    assert store(archive, dataset(CT1)) == 0x0110
    archive.close()
