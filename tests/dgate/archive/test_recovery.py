from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dgate.archive.archive import open_archive
from dgate.archive.placing import Placement
from dgate.archive.regenerate import regenerate
from dgate.archive.spool import Spool
from dgate.archive.writer import Writer
from tests.dgate.archive.support import (
    CT1, UID, House, Lines, ct1, dataset, kfactor, make_house, settings_for, store,
)  # fmt: skip

TABLES = ("DICOMPatients", "DICOMStudies", "DICOMSeries", "DICOMImages")
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
        patch.setattr(Writer, "_give_up", lambda self, placed: self._close())
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
    def die(self: Placement, known: object) -> None:
        place(self, known)
        raise DiedError

    place = Placement.place
    monkeypatch.setattr(Placement, "place", die)
    monkeypatch.setattr(Writer, "_give_up", lambda self, placed: self._close())
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
    incoming = house.archive.begin_store(__import__("tests.dgate.archive.support", fromlist=["request"]).request())
    data = dataset(CT1)
    incoming.write([memoryview(data)[:-10]])
    other = open_archive(house.settings, kfactor(), Lines())
    assert len(house.leftovers()) == 1
    incoming.write([memoryview(data)[-10:]])
    assert incoming.finish() == 0
    other.close()


def test_regenerate_gives_the_same_rows_as_storing(house: House) -> None:
    house.store(CT1)
    house.store(ct1(t00080018=b"1.2.1", t00080060=b"SR", t0020000e=b"1.2.2", t00100010=None))
    house.store(ct1(t00080018=b"1.2.3", t00100020=b"OTHER", t0020000d=b"1.2.4", t0020000e=b"1.2.5"))
    house.reopen(file_name_syntax="7")
    house.store(ct1(t00080018=b"1.2.6", t00100020=b"OTHER", t0020000d=b"1.2.4", t0020000e=b"1.2.5"))
    house.archive.close()

    def everything() -> list[list[tuple[object, ...]]]:
        columns = {name: "*" for name in TABLES}
        return [
            sorted(
                tuple(value for value in row if not (isinstance(value, int) and value > 1_000_000_000))
                for row in house.rows(f"SELECT {columns[name]} FROM {name}")
            )
            for name in TABLES
        ]

    before = everything()
    log = Lines()
    regenerate(house.settings, kfactor(), log, 0)
    after = everything()
    for rows in (before, after):  # both lists of modalities hold the same ones; their order is that of arrival
        rows[1] = [tuple(sorted(v.split(b"\\")) if v and b"SR" in v else v for v in row) for row in rows[1]]  # type: ignore[union-attr, misc, attr-defined]
        rows[0] = [row[:1] for row in rows[0]]  # the last name seen wins
        rows[1] = [tuple(v for v in row if v not in (b"Doe^John^Q", b"NO NAME")) for row in rows[1]]
    assert after == before
    assert f"Regen Device 'MAG0'" in log.lines
    assert sum(line.endswith("-SUCCESS") for line in log.lines) == 4
    house.archive = open_archive(house.settings, kfactor(), log)


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
    assert UID
    archive.close()
