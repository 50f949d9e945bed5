from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgate.config.inifile import IniFile
from dgate.config.live import LiveConfig
from dgate.config.settings import load_settings
from dgate.config.soplist import EVERYTHING

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
INI = "[sscscp]\nMyACRNema = {ae}\nTCPPort = 104\nSQLite = 1\nSQLServer = ./c.db3\nMAGDevice0 = ./data\n{more}\n"


class Instance:
    """Three files, a clock that we move, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 100.0
        self.lines: list[str] = []
        self.ini("OLD")
        self.write("acrnema.map", "A h 1\n")
        self.write("dgatesop.lst", f"CT {CT} sop\n")
        self.path = str(folder / "dicom.ini")
        self.config = self.made()

    def made(self, **given: object) -> LiveConfig:
        ini = IniFile.parse((self.folder / "dicom.ini").read_bytes())
        found, _ = load_settings(ini, str(self.folder), **given)  # type: ignore[arg-type]
        return LiveConfig(found, self.lines.append, lambda: self.now)

    def ini(self, ae: str, more: str = "") -> None:
        self.write("dicom.ini", INI.format(ae=ae, more=more))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def later(self) -> LiveConfig:
        self.now += 1.0
        return self.config


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


def test_a_change_counts_from_the_next_look_on(instance: Instance) -> None:
    assert instance.config.settings.ae_title == "OLD"
    instance.ini("NEW", "IncomingCompression = j2")
    instance.write("acrnema.map", "A h 1\nB h 2\n")
    instance.write("dgatesop.lst", f"MR {MR} sop\n")
    assert instance.config.settings.ae_title == "OLD"
    found = instance.later()
    assert (found.settings.ae_title, found.settings.incoming_compression) == ("NEW", "j2")
    assert found.amap.find("B") is not None
    assert found.sop_list.accepts_abstract_syntax(MR)
    assert not found.sop_list.accepts_abstract_syntax(CT)
    assert instance.lines == []


def test_the_second_change_within_the_same_tick_of_the_clock_is_seen(instance: Instance) -> None:
    times: list[int] = []
    for ae in ("NEW1", "NEW2"):  # of the same length, and with the same time stamp
        instance.ini(ae)
        if times:
            os.utime(instance.path, ns=(times[0], times[0]))
        times.append(Path(instance.path).stat().st_mtime_ns)
        assert instance.later().settings.ae_title == ae


def test_files_are_looked_at_once_per_second_but_the_list_for_each_association(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    real: Callable[..., os.stat_result] = os.stat

    def stat(path: str, *rest: object, **more: object) -> os.stat_result:
        looks.append(str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "stat", stat)
    for _ in range(50):
        assert instance.config.settings
        assert instance.config.amap
    assert looks == []
    assert instance.config.sop_list
    assert [Path(path).name for path in looks] == ["dgatesop.lst"]
    looks.clear()
    instance.later()
    for _ in range(50):
        assert instance.config.settings
    assert [Path(path).name for path in looks] == ["dicom.ini", "acrnema.map", "dgatesop.lst"]


@pytest.mark.parametrize("text", ["", "[sscscp]\nMyACRNema = X\n", "\0\xff"])
def test_a_broken_dicom_ini_changes_nothing_and_costs_one_line(instance: Instance, text: str) -> None:
    instance.write("dicom.ini", text)
    for _ in range(3):
        assert instance.later().settings.ae_title == "OLD"
    (line,) = instance.lines
    assert line.startswith(f"***{instance.path} not used, the configuration stays as it was: {instance.path}")
    (fault,) = instance.config.reload()
    assert fault.fatal
    instance.ini("NEW")
    assert instance.later().settings.ae_title == "NEW"


def test_a_missing_dicom_ini_changes_nothing_and_costs_one_line(instance: Instance) -> None:
    (instance.folder / "dicom.ini").unlink()
    for _ in range(3):
        assert instance.later().settings.ae_title == "OLD"
    assert instance.lines == [
        f"***{instance.path} not used, the configuration stays as it was: No such file or directory"
    ]
    instance.ini("OLD")
    assert instance.later().settings.ae_title == "OLD"
    assert len(instance.lines) == 1


def test_a_missing_map_keeps_the_old_one(instance: Instance) -> None:
    path = instance.folder / "acrnema.map"
    path.unlink()
    for _ in range(3):
        assert instance.later().amap.find("A") is not None
    assert instance.lines == [f"***Error loading acr-nema map file:{path}"]


def test_a_missing_list_accepts_everything_as_in_the_original(instance: Instance) -> None:
    path = instance.folder / "dgatesop.lst"
    path.unlink()
    for _ in range(3):
        assert instance.later().sop_list is EVERYTHING
    assert instance.lines == [f"Warning: {path}: not found; every SOP class and transfer syntax is accepted"]


def test_what_was_open_since_the_start_waits_for_the_next(instance: Instance) -> None:
    instance.ini("NEW", "TruncateFieldNames = 0\nUserLog = other.log\nFileNameSyntax = 8")
    found = instance.later().settings
    assert (found.ae_title, found.file_name_syntax) == ("NEW", "8")
    assert (found.truncate_field_names, Path(found.user_log).name) == (10, "PacsUser.log")
    assert instance.lines == [
        f"Warning: {instance.path}: UserLog, TruncateFieldNames: changed, but only used from the next start on"
    ]


def test_options_go_before_a_changed_file_too(instance: Instance) -> None:
    instance.config = instance.made(port=5678, ae_title="CT1", debug_level=4)
    instance.ini("NEW", "DebugLevel = 1")
    found = instance.later().settings
    assert (found.port, found.ae_title, found.debug_level) == (5678, "CT1", 4)


def test_a_new_warning_is_said_once_and_an_old_one_not_again(instance: Instance) -> None:
    instance.ini("NEW", "QueueSize = many")
    assert instance.later().settings.queue_size == 128
    assert instance.lines == [f"Warning: {instance.path}:7: QueueSize: 'many' is not a number; 128 is used"]
    instance.ini("NEWER", "QueueSize = many")
    assert instance.later().settings.ae_title == "NEWER"
    assert len(instance.lines) == 1


def test_reload_reads_everything_and_returns_the_faults(instance: Instance) -> None:
    instance.ini("NEW")
    instance.write("acrnema.map", "A h 1\nBAD h 99999\nSHORT\n")
    faults = [str(fault) for fault in instance.config.reload()]
    path = instance.folder / "acrnema.map"
    assert faults == [
        f"{path}:2: BAD: the port '99999' is not a number from 1 to 65535; the entry can not be sent to",
        f"{path}:3: SHORT: expected AE title, host and port; the entry can not be sent to",
    ]
    assert instance.config.settings.ae_title == "NEW"
    assert instance.lines == [f"Warning: {fault}" for fault in faults]


def test_a_map_put_in_by_command_stays_until_the_file_changes(instance: Instance) -> None:
    from dgate.config.amap import AcrNemaMap

    instance.config.use_amap(AcrNemaMap.parse(b"C h 3\n"))
    assert instance.later().amap.find("C") is not None
    assert instance.config.reload() == ()
    assert instance.config.amap.find("C") is None


def test_many_threads_see_old_or_new_values_never_less(instance: Instance) -> None:
    seen: list[set[str]] = []

    def watch() -> None:
        titles = set()
        for _ in range(2000):
            titles.add(instance.config.settings.ae_title)
            assert instance.config.amap.find("A") is not None
        seen.append(titles)

    def change() -> None:
        for number in range(100):
            instance.ini(f"AE{number}")
            instance.later()

    workers = [threading.Thread(target=work) for work in (watch, watch, watch, change)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(seen) == 3
    assert instance.later().settings.ae_title == "AE99"


@given(data=st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_file_whatever_it_holds_raises(instance: Instance, data: bytes) -> None:
    for name in ("dicom.ini", "acrnema.map", "dgatesop.lst"):
        (instance.folder / name).write_bytes(data)
    found = instance.later()
    assert found.settings.mag_devices == ("./data/",)
    assert isinstance(found.reload(), tuple)
