"""What the server does by the clock: packing logs, making room at night, scripts."""

from __future__ import annotations

import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.housekeeping import Housekeeping, passed, zip_moment
from dgate.log import FileLog
from dgate.logpacking import pack_logs, zip_name
from tests.dgate.archive.support import House, Lines, ct1, make_house, settings_for
from tests.dgate.net.conftest import wait_for
from tests.dgate.test_main import INI, REPOSITORY, dgate
from tests.ports import free_port

NOON = datetime(2026, 11, 24, 12)  # noqa: DTZ001 - local time


@pytest.mark.parametrize(
    ("text", "moment"),
    [("02:", time(2)), ("23:59:", time(23, 59)), ("05:30", time(5, 30))]
    + [(text, None) for text in ("", "24:", "02:60:", "2:", "now", "02:00:00:", "02")],
)
def test_zip_time(text: str, moment: time | None) -> None:
    assert zip_moment(text) == moment


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.times(), st.integers(1, 86_400))  # noqa: DTZ001
def test_a_moment_comes_once_a_day_however_often_one_looks(start: datetime, moment: time, step: int) -> None:
    looks = [start + timedelta(seconds=min(second, 86_400)) for second in range(0, 86_400 + step, max(step, 600))]
    assert sum(passed(*pair, moment) for pair in pairwise(looks)) == 1
    assert not passed(start, start - timedelta(hours=1), moment)


# -- packing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    for name in ("serverstatus.log", "PacsUser.log", "dicom.ini", "dicom.sql", "acrnema.map", "dgatesop.lst", "x.txt"):
        (tmp_path / name).write_text(f"what {name} says\n")
    return tmp_path


def pack(folder: Path, now: datetime = NOON) -> Lines:
    log = Lines()
    pack_logs(str(folder), now, log, lambda _seconds: False)
    return log


def test_logs_and_configuration_are_packed_and_logs_deleted(folder: Path) -> None:
    (folder / "link.log").symlink_to("/etc/passwd")
    log = pack(folder)
    target = folder / "logs" / "logs_20261124.zip"
    assert log.lines == [f"Packed 2 logs: {target}"]
    with zipfile.ZipFile(target) as found:
        names = {"serverstatus.log", "PacsUser.log", "dicom.ini", "dicom.sql", "acrnema.map", "dgatesop.lst"}
        assert set(found.namelist()) == names
        assert all(found.read(name).decode() == f"what {name} says\n" for name in names)
    assert not (folder / "serverstatus.log").exists()
    assert (folder / "dicom.ini").exists()
    assert (folder / "link.log").is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in (folder / "logs").iterdir()] == ["logs_20261124.zip"]


def test_a_second_zip_file_of_a_day_takes_no_place(folder: Path) -> None:
    pack(folder)
    (folder / "serverstatus.log").write_text("more\n")
    pack(folder)
    assert sorted(path.name for path in (folder / "logs").iterdir()) == ["logs_20261124.zip", "logs_20261124_1.zip"]


def test_before_eight_it_is_yesterday() -> None:
    assert zip_name(NOON.replace(hour=7, minute=59)) == "logs_20261123.zip"
    assert zip_name(NOON.replace(hour=8)) == "logs_20261124.zip"


@pytest.mark.parametrize("missing", ["logs", "serverstatus.log"])
def test_without_folder_or_status_log_nothing_happens(folder: Path, missing: str) -> None:
    (folder / missing).rename(folder / "away")
    before = sorted(folder.rglob("*"))
    assert pack(folder).lines == []
    assert sorted(folder.rglob("*")) == before


def test_what_an_interruption_left_is_packed_the_next_time(folder: Path) -> None:
    pack_logs(str(folder), NOON, Lines(), lambda _seconds: True)
    assert not list((folder / "logs").glob("*.zip"))
    (folder / "serverstatus.log").write_text("later\n")
    pack(folder)
    with zipfile.ZipFile(folder / "logs" / "logs_20261124.zip") as found:
        assert found.read("serverstatus.log") == b"what serverstatus.log says\n"
        assert found.read("serverstatus_1.log") == b"later\n"


def test_a_fault_loses_nothing(folder: Path) -> None:
    (folder / "logs" / ".packing").write_text("in the way")
    assert pack(folder).lines[0].startswith("***Logs cannot be packed: ")
    assert (folder / "serverstatus.log").read_text() == "what serverstatus.log says\n"


def test_no_line_is_lost(folder: Path) -> None:
    """A log that is open while it is moved goes on under its own name, once its writer has looked."""
    log = FileLog(verbose=False, trouble_path=f"{folder}/PacsTrouble.log", user_path=f"{folder}/PacsUser.log")
    log.add_file(f"{folder}/serverstatus.log", debug=False, stamped=False)
    written: list[str] = []

    def say_more(_seconds: float) -> bool:
        def in_the_new_file() -> bool:
            written.append(f"line {len(written)}")
            log.console(written[-1])
            return (folder / "serverstatus.log").exists()

        wait_for(in_the_new_file)
        return False

    log.console("first")
    pack_logs(str(folder), NOON, log, say_more)
    log.close()
    with zipfile.ZipFile(folder / "logs" / "logs_20261124.zip") as found:
        packed = found.read("serverstatus.log").decode().splitlines()
    new = (folder / "serverstatus.log").read_text().splitlines()
    assert packed[1:] + new[:1] == ["first", *written]


# -- by the clock


@dataclass
class Clock:
    """An archive's housekeeping without its thread, and the scripts that it ran."""

    house: House
    keeping: Housekeeping
    ran: list[str] = field(default_factory=list)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    house = make_house(tmp_path, nightly_clean_threshold=1 << 40)
    ran: list[str] = []
    keeping = Housekeeping(house.archive, house.log, lambda: house.settings, ran.append)
    yield Clock(house, keeping, ran)
    house.archive.close()


def test_nightly_and_background(clock: Clock) -> None:
    for hour, minute in ((2, 58), (2, 59), (3, 0), (3, 1)):
        clock.keeping.look(NOON.replace(hour=hour, minute=minute))
    assert clock.ran == ["background", "background", "nightly", "background", "background"]


def test_old_patients_go_at_one(clock: Clock) -> None:
    for patient in (b"OLD", b"NEW"):
        uid = b"1.2." + patient.hex().encode()
        ids = {"t0020000D": uid, "t0020000E": uid + b".1", "t00080018": uid + b".1.1"}
        assert clock.house.store(ct1(t00100020=patient, **ids)) == 0
    for table in ("DICOMPatients", "DICOMImages"):
        column = "PatientID" if table == "DICOMPatients" else "ImagePat"
        clock.house.change(f"UPDATE {table} SET AccessTime = 0 WHERE {column} = 'OLD'")  # noqa: S608 - names from above
    clock.keeping.look(NOON.replace(hour=0, minute=59))
    assert len(clock.house.files()) == 2
    clock.keeping.look(NOON.replace(hour=1, minute=0))
    assert clock.house.rows("SELECT PatientID FROM DICOMPatients") == [(b"NEW",)]
    assert "***MAG0 is below NightlyCleanThreshHold, and no old patient is on it" in clock.house.log.lines


def test_zip_time_comes(tmp_path: Path, folder: Path) -> None:
    settings = settings_for(tmp_path, base_dir=str(folder), zip_time="12:")
    house = make_house(tmp_path)
    keeping = Housekeeping(house.archive, house.log, lambda: settings, lambda _name: None)
    keeping.look(NOON - timedelta(seconds=1))
    assert (folder / "serverstatus.log").exists()
    keeping.look(NOON)
    assert (folder / "logs" / "logs_20261124.zip").exists()
    house.archive.close()


# -- the server


@pytest.mark.parametrize(("option", "keeps"), [("-^serverstatus.log", True), ("-#all.log", True), ("-v", False)])
def test_a_log_file_with_time_stamps_starts_it(tmp_path: Path, option: str, *, keeps: bool) -> None:
    (tmp_path / "data").mkdir()
    script = f"[lua]\nbackground = local f = io.open('{tmp_path}/ran', 'a') f:write('x') f:close()\n"
    (tmp_path / "dicom.ini").write_text(INI.format(port=free_port(), folder=tmp_path) + script)
    (tmp_path / "acrnema.map").touch()
    for name in ("dicom.sql", "dgatesop.lst"):
        (tmp_path / name).write_bytes((REPOSITORY / "templates/mount/config" / name).read_bytes())
    command = [sys.executable, "-m", "dgate", f"-w{tmp_path}", "-q127.0.0.1", option]
    output = tmp_path / option[2:] if len(option) > 2 else tmp_path / "stdout"
    with (tmp_path / "stdout").open("wb") as out, subprocess.Popen(command, cwd=REPOSITORY, stdout=out) as process:
        wait_for(lambda: output.exists() and "Database type" in output.read_text(), 20)
        assert ("Started zip and cleanup thread" in output.read_text()) is keeps
        if not keeps:
            sent = dgate(f"-w{tmp_path}", "--log_on:on.log")
            assert sent.stderr == ""
            wait_for(lambda: "Started zip and cleanup thread" in output.read_text())
        wait_for((tmp_path / "ran").exists)
        process.terminate()
        assert process.wait(20) == 0
