from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dgate.archive import regenerate as module
from dgate.archive.alone import InUseError, alone
from dgate.archive.archive import open_archive
from dgate.archive.heads import Portion, read_heads
from dgate.archive.progress import Progress
from dgate.archive.regenerate import enter_folder, object_files, regenerate
from dgate.config.archiveoptions import options_from
from dgate.encoding.elements import EXPLICIT_BIG, IMPLICIT_LITTLE
from dgate.index import checkpoint
from dgate.index.index import DatabaseError, connect
from dgate.index.schema import initialise
from dgate.index.tables import make_tables
from tests.dgate.archive.support import CT1, TABLES, House, Lines, ct1, kfactor, make_house

ROOT = Path(__file__).parents[3]


def fill(house: House, count: int = 30) -> None:
    """Objects of several patients, in several syntaxes; some files that are none. Closes the archive."""
    for number in range(count):
        patient, uid = b"PAT%d" % (number % 7), b"%d" % (number % 7)
        elements = ct1(
            t00100020=patient, t0020000d=b"3." + uid, t0020000e=b"2." + uid, t00080018=b"1.%d" % number,
            t00200013=b"%d" % number, t00081030=b"D" * 70, t00100010=b"M\xfcller",
        )  # fmt: skip
        syntax = (None, IMPLICIT_LITTLE, EXPLICIT_BIG)[number % 3]
        if syntax == EXPLICIT_BIG:
            elements = {tag: (vr, value[::-1] if vr == b"US" else value) for tag, (vr, value) in elements.items()}
        assert (house.store(elements, syntax) if syntax else house.store(elements)) == 0
    house.archive.close()


def tables(house: House) -> list[list[tuple[Any, ...]]]:
    """All rows, without the time at which they were made."""
    found = []
    for table in make_tables(kfactor(), options_from(house.settings)).levels:
        rows = house.rows(f"SELECT * FROM {table.name}")  # noqa: S608 - a name from dicom.sql
        skip = len(table.columns)
        found.append(sorted(row[:skip] + row[skip + 1 :] for row in rows))
    return found


def run(house: House, *, workers: int = 0, mode: int = 0, **changes: Any) -> list[str]:
    """Regenerate; the log."""
    from dataclasses import replace

    log = Lines()
    settings = replace(house.settings, **changes)
    regenerate(settings, kfactor(), log, mode, workers=workers, progress=Progress(io.StringIO()))
    return log.lines


class Interrupting(Progress):
    """Somebody presses Ctrl-C after so many portions."""

    def __init__(self, after: int) -> None:
        super().__init__(io.StringIO())
        self._after = after

    def add(self, entered: int, failed: int) -> None:
        super().add(entered, failed)
        self._after -= 1
        if not self._after:
            raise KeyboardInterrupt


def interrupt(house: House, after: int, workers: int = 0) -> None:
    with pytest.raises(DatabaseError, match="goes on from here"):
        regenerate(house.settings, kfactor(), Lines(), 0, workers=workers, progress=Interrupting(after))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "YOUNG_SECONDS", 0.0)


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(module, "PORTION", 4)
    house = make_house(tmp_path)
    fill(house)
    return house


@pytest.mark.parametrize("workers", [0, 2, 5])
def test_rows_are_those_of_storing(filled: House, workers: int) -> None:
    before = tables(filled)
    lines = run(filled, workers=workers)
    assert tables(filled) == before
    entered = [line for line in lines if line.endswith("-SUCCESS")]
    assert entered == [f"[Regen] {filled.data}/{name} -SUCCESS" for name in filled.files()]
    with closing(connect(options_from(filled.settings))) as connection:
        assert not checkpoint.is_there(connection)


def test_raw_files_too(tmp_path: Path) -> None:
    house = make_house(tmp_path, file_name_syntax="6")
    fill(house)
    before = tables(house)
    run(house)
    assert tables(house) == before


def test_of_two_files_with_one_uid_the_later_one_wins(filled: House) -> None:
    original = filled.data / filled.files()[0]
    for name in ("zzz/a.dcm", "zzz/b.dcm", "AAA.dcm"):
        (filled.data / name).parent.mkdir(exist_ok=True)
        (filled.data / name).write_bytes(original.read_bytes())
    for workers in (0, 2):
        run(filled, workers=workers)
        assert filled.rows("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = '1.0'") == [(b"zzz/b.dcm",)]


def test_files_come_in_the_order_of_their_path_components(tmp_path: Path) -> None:
    names = ["a/x.dcm", "a-b/x.dcm", "a.dcm", "b", "a/y/z.dcm", "a/y.dcm", "a/z.dcm"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = list(object_files(os.fsencode(tmp_path) + b"/"))
    assert found == sorted(map(os.fsencode, names), key=lambda path: path.split(b"/"))


# -- going on


@pytest.mark.parametrize("after", [1, 3, 7])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_run_goes_on(filled: House, after: int, workers: int) -> None:
    before = tables(filled)
    age(filled)
    interrupt(filled, after, workers)
    lines = run(filled, workers=workers)
    assert f"A regeneration was interrupted: it goes on after {4 * after} files" in lines
    assert sum(line.endswith("-SUCCESS") for line in lines) == 30 - 4 * after
    assert "Dropping Existing tables (if-any)" not in lines
    assert tables(filled) == before


def test_an_incomplete_index_is_told_to_whoever_serves_it(filled: House) -> None:
    age(filled)
    interrupt(filled, 1)
    filled.archive = open_archive(filled.settings, kfactor(), filled.log)
    assert filled.store(CT1) == 0
    assert any("run dgate -r again" in line for line in filled.log.lines)
    filled.archive.close()


def age(house: House, seconds: float = 0.05) -> None:
    """Wait until no file is so young that it counts as changed."""
    newest = max((house.data / name).stat().st_ctime for name in house.files())
    deadline = time.monotonic() + 20
    while time.time() < newest + seconds:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def _add(house: House) -> None:
    (house.data / "AAA.dcm").write_bytes((house.data / house.files()[0]).read_bytes())


def _remove(house: House) -> None:
    (house.data / house.files()[0]).unlink()


def _touch(house: House) -> None:
    os.utime(house.data / house.files()[0])


def _replace(house: House) -> None:
    _remove(house)
    _add(house)


def _empty_tables(house: House) -> None:
    """As the original's `-i` does, which knows nothing of our table."""
    house.change(*(f"DELETE FROM {name}" for name in TABLES))  # noqa: S608 - names from above


@pytest.mark.parametrize("change", [_add, _remove, _touch, _replace, _empty_tables])
def test_what_changed_meanwhile_makes_it_start_over(filled: House, change: Any) -> None:
    age(filled)
    interrupt(filled, 3)
    change(filled)
    lines = run(filled)
    assert any("it starts over" in line for line in lines)
    assert sum(line.endswith("-SUCCESS") for line in lines) == len(filled.files())
    paths = {path.decode() for (path,) in filled.rows("SELECT ObjectFile FROM DICOMImages")}
    assert paths <= set(filled.files())
    assert len(paths) in (29, 30)


def test_other_settings_make_it_start_over(filled: House) -> None:
    age(filled)
    interrupt(filled, 3)
    assert any("it starts over" in line for line in run(filled, fix_philips=True))


def test_after_i_there_is_nothing_to_go_on_with(filled: House) -> None:
    age(filled)
    interrupt(filled, 3)
    initialise(filled.settings, kfactor(), Lines(), 0)
    lines = run(filled)
    assert sum(line.endswith("-SUCCESS") for line in lines) == 30


KILLED = """
import sys
from pathlib import Path
from tests.dgate.archive.support import Lines, kfactor, settings_for
from dgate.archive import regenerate
regenerate.PORTION = 2
class Told(Lines):
    def console(self, line):
        if line.endswith("-SUCCESS"):
            sys.stdout.write(line + "\\n")
            sys.stdout.flush()
regenerate.regenerate(settings_for(Path(sys.argv[1])), kfactor(), Told(), 0, workers=2)
"""


@pytest.mark.parametrize("lines", [1, 9, 20])
def test_kill_9_in_the_middle(tmp_path: Path, lines: int) -> None:
    house = make_house(tmp_path)
    fill(house)
    before = tables(house)
    age(house)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    assert child.stdout is not None
    for _ in range(lines):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=20)
    child.stdout.close()
    eventually_alone(house)
    run(house)
    assert tables(house) == before


def eventually_alone(house: House) -> None:
    """The readers that a killed process leaves end at once, and with them its lock."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with alone(options_from(house.settings), house.log):
                return
        except InUseError:
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)


# -- others


def test_a_running_server_is_left_alone(house: House) -> None:
    house.store(CT1)
    with pytest.raises(InUseError, match="MAG0 is in use"):
        run(house)
    assert house.rows("SELECT COUNT(*) FROM DICOMImages") == [(1,)]
    assert house.store(ct1(t00080018=b"1.2")) == 0


def test_a_server_that_starts_meanwhile_waits(filled: House) -> None:
    log = Lines()
    opened: list[Any] = []
    starting = threading.Thread(target=lambda: opened.append(open_archive(filled.settings, kfactor(), log)))
    with alone(options_from(filled.settings), filled.log):
        starting.start()
        deadline = time.monotonic() + 20
        while not log.lines:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        assert log.lines == ["Waiting for another process that has MAG0 for itself"]
        assert opened == []
    starting.join(20)
    opened[0].close()


def test_a_filled_worklist_is_kept_and_an_empty_one_made_anew(filled: House) -> None:
    filled.change("INSERT INTO DICOMWorkList (PatientID) VALUES ('A')", "INSERT INTO UIDMODS (OldUID) VALUES ('1')")
    lines = run(filled)
    assert "Worklist contains data" in lines
    assert "WorkList Database" not in lines
    assert filled.rows("SELECT PatientID FROM DICOMWorkList") == [(b"A",)]
    assert filled.rows("SELECT * FROM UIDMODS") == []


@pytest.mark.sqlite
def test_mode_1_has_no_indices_and_mode_2_only_makes_the_worklist_anew(filled: House) -> None:
    before = tables(filled)
    run(filled, mode=1)
    assert filled.rows("SELECT name FROM sqlite_master WHERE type = 'index'") == []
    assert tables(filled) == before
    filled.change("INSERT INTO DICOMWorkList (PatientID) VALUES ('A')", "INSERT INTO UIDMODS (OldUID) VALUES ('1')")
    run(filled, mode=2)
    assert filled.rows("SELECT * FROM DICOMWorkList") == []
    assert filled.rows("SELECT OldUID FROM UIDMODS") == [(b"1",)]
    assert tables(filled) == before


@pytest.mark.sqlite
def test_a_file_that_is_no_database_is_said_and_stays(filled: House) -> None:
    for path in filled.root.glob("conquest.db3*"):
        path.unlink()
    (filled.root / "conquest.db3").write_bytes(b"this is no database " * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        run(filled)
    assert (filled.root / "conquest.db3").read_bytes().startswith(b"this is no")
    (filled.root / "conquest.db3").unlink()
    assert sum(line.endswith("-SUCCESS") for line in run(filled)) == 30


@pytest.mark.sqlite
def test_rows_that_cannot_be_written_end_the_run(filled: House) -> None:
    lines: list[str] = []

    class Breaking(Progress):
        """The disk fills up after the first portion."""

        def add(self, entered: int, failed: int) -> None:
            super().add(entered, failed)
            with closing(sqlite3.connect(filled.root / "conquest.db3")) as connection, connection:
                connection.execute(
                    "CREATE TRIGGER full BEFORE INSERT ON DICOMImages BEGIN SELECT RAISE(ROLLBACK, 'full'); END"
                )

    age(filled)
    with pytest.raises(DatabaseError, match="cannot be written"):
        regenerate(filled.settings, kfactor(), Lines(lines), 0, workers=0, progress=Breaking(io.StringIO()))
    assert filled.rows("SELECT COUNT(*) FROM DICOMImages") == [(4,)]
    with closing(sqlite3.connect(filled.root / "conquest.db3")) as connection, connection:
        connection.execute("DROP TRIGGER full")
    assert any("goes on after 4 files" in line for line in run(filled))


def test_a_reader_that_dies_ends_the_run(filled: House) -> None:
    class Dying:
        """Takes its process with it."""

        def read(self, file: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL if file else 0)

    portions = iter([Portion(0, os.fsencode(filled.data) + b"/", [os.fsencode(name) for name in filled.files()])])
    with pytest.raises(OSError, match="has ended"):
        list(read_heads(Dying(), portions, 2))  # type: ignore[arg-type]


def test_no_reader_is_left(filled: House) -> None:
    before = children()
    interrupt(filled, 1, workers=3)
    assert children() <= before


def children() -> set[str]:
    """Of this process, database servers of the test run included."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {number for task in tasks for number in task.read_text().split()}


def test_what_a_crash_left_is_put_in_order_first(tmp_path: Path) -> None:
    house = make_house(tmp_path, file_name_syntax="9")
    house.store(CT1)
    (name,) = house.files()
    (spool,) = house.archive.stores.devices.spools
    aside = spool.set_aside(name.encode())
    spool.intend(b"1.2", name.encode(), aside)
    spool.remove(name.encode())
    house.archive.close()
    assert house.files() == []
    run(house)
    assert house.files() == [name]
    assert house.rows("SELECT ObjectFile FROM DICOMImages") == [(name.encode(),)]


def test_objects_that_only_a_mirror_holds_are_entered(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    house = make_house(tmp_path, mirror_devices=(f"{mirror}/",))
    fill(house, 3)
    first, second, third = house.files()
    (house.data / first).unlink()
    (mirror / third).unlink()
    run(house)
    rows = house.rows("SELECT ObjectFile, DeviceName FROM DICOMImages ORDER BY ObjectFile")
    assert rows == [(first.encode(), b"MIRROR0"), (second.encode(), b"MAG0"), (third.encode(), b"MAG0")]


def test_a_running_server_enters_a_folder(house: House) -> None:
    house.store(CT1)
    (name,) = house.files()
    content = (house.data / name).read_bytes()
    (house.data / "new/sub").mkdir(parents=True)
    (house.data / "new/sub/x.dcm").write_bytes(content)
    (house.data / "new/bad.dcm").write_bytes(b"no object")
    assert enter_folder(house.archive, b"MAG0", b"new/") == 1
    assert house.rows("SELECT ObjectFile FROM DICOMImages") == [(b"new/sub/x.dcm",)]
    assert f"***[Regen] {house.data}/new/bad.dcm -FAILED: Error on Load" in house.log.lines
    assert enter_folder(house.archive, b"MAG0") == 2
    with pytest.raises(LookupError):
        enter_folder(house.archive, b"MAG7")


# -- the program


@pytest.mark.sqlite
def test_the_program(tmp_path: Path) -> None:
    house = make_house(tmp_path)
    fill(house, 5)
    (tmp_path / "dicom.ini").write_text(
        f"[sscscp]\nMicroPACS = sscscp\nMyACRNema = ORACLE\nSQLite = 1\nSQLServer = {tmp_path}/conquest.db3\n"
        f"MAGDevice0 = {tmp_path}/data/\nkFactorFile = {ROOT}/templates/mount/config/dicom.sql\n"
    )

    def dgate(option: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dgate", f"-w{tmp_path}", option]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    done = dgate("-r")
    assert done.returncode == 0
    assert "Regen: 5 files entered, 0 failed" in done.stderr
    assert done.stderr.startswith("Dropping Existing tables (if-any)\nWorklist is empty\nWorkList Database\nPatient")
    house.archive = open_archive(house.settings, kfactor(), house.log)
    for option in ("-r", "-r1", "-i", "-i2"):
        refused = dgate(option)
        assert refused.returncode == 1
        assert "MAG0 is in use by another process" in refused.stderr
        assert "Traceback" not in refused.stderr
    house.archive.close()
    assert dgate("-i").returncode == 0
    assert house.rows("SELECT COUNT(*) FROM DICOMImages") == [(0,)]


# -- progress


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("out", "shown"), [(Terminal(), 11), (io.StringIO(), 3)])
def test_counts_are_shown_now_and_then(out: io.StringIO, shown: int) -> None:
    now = [0.0]
    progress = Progress(out, lambda: now[0])
    progress.skipped(7)
    for _ in range(100):
        now[0] += 0.1
        progress.add(9, 1)
    progress.end()
    last = "Regen: 900 files entered, 100 failed, 7 entered before, 100 per second"
    text = out.getvalue()
    assert text.endswith(last + "\n")
    assert text.count("Regen:") in (shown, shown - 1)
    assert text.count("\r") == (text.count("Regen:") if out.isatty() else 0)


@pytest.mark.sqlite
def test_a_first_run_does_not_take_itself_for_an_interrupted_one(tmp_path: Path) -> None:
    house = make_house(tmp_path)
    house.archive.close()
    Path(house.settings.database).unlink()
    assert not [line for line in run(house) if "interrupted" in line]
