from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.faults import Fault
from dgate.config.inifile import IniFile
from dgate.config.settings import Settings, load_settings

MINIMUM = ("SQLite = 1", "SQLServer = ./dbase/c.db3", "MAGDevice0 = ./data")


def load(*lines: str, minimum: tuple[str, ...] = MINIMUM) -> tuple[Settings, tuple[Fault, ...]]:
    return load_settings(IniFile.parse("\n".join(["[sscscp]", *minimum, *lines]).encode()), "conf")


def test_the_documented_defaults() -> None:
    found, faults = load()
    assert faults == ()
    assert (found.ae_title, found.port, found.tcpip_timeout, found.file_name_syntax) == ("none", 104, 300, "4")
    assert (found.truncate_field_names, found.mag_full_threshold, found.mag_threshold) == (10, 30, 0)
    assert (found.storage_failed_error_code, found.worklist_returns_iso_ir) == (272, 100)
    assert (found.patient_table, found.worklist_table) == ("DICOMPatients", "DICOMWorkList")
    assert found.use_builtin_jpeg is True
    assert found.enable_computed_fields is False


def test_a_name_without_slash_is_beside_dicom_ini_any_other_is_used_as_it_is() -> None:
    found, _ = load("TroubleLog = ./logs/t.log", "ACRNemaMap = /etc/a.map", "Dictionary = my.dic", "kFactorFile =")
    assert (found.trouble_log, found.user_log) == ("./logs/t.log", "conf/PacsUser.log")
    assert (found.acrnema_map, found.dictionary, found.kfactor_file) == ("/etc/a.map", "conf/my.dic", "conf/dicom.sql")


def test_the_options_go_before_the_file() -> None:
    ini = IniFile.parse("\n".join(["[sscscp]", *MINIMUM, "TCPPort = 104", "MyACRNema = A"]).encode())
    found, faults = load_settings(ini, "conf", port=0, ae_title="B")
    assert (found.port, found.ae_title, faults) == (0, "B", ())


@pytest.mark.parametrize(
    ("lines", "megabytes"),
    [
        (["MAGDeviceFullThreshHold = 50"], 50),
        (["MAGDeviceFullThreshold = 60"], 60),
        (["MAGDeviceFullThreshold = 60", "MAGDeviceFullThreshHold = 50"], 50),
    ],
)
def test_both_spellings_of_the_threshold_count_the_old_one_first(lines: list[str], megabytes: int) -> None:
    assert load(*lines)[0].mag_full_threshold == megabytes


@pytest.mark.parametrize("text", ["many", "", "1.5", "0x10", "٣", "-", "99999999999"])
def test_a_bad_number_is_reported_and_the_default_taken(text: str) -> None:
    found, faults = load(f"TCPIPTimeOut = {text}")
    assert found.tcpip_timeout == 300
    assert [(fault.key, fault.line, fault.fatal) for fault in faults] == [("TCPIPTimeOut", 5, False)]
    assert str(faults[0]) == f"conf/dicom.ini:5: TCPIPTimeOut: {text!r} is not a number; 300 is used"


def test_devices_end_in_a_slash_and_obey_the_path_rule() -> None:
    minimum = ("SQLite = 1", "SQLServer = c.db3", "MAGDevices = 2", "MAGDevice0 = ./data/", "MAGDevice1 = more")
    found, faults = load("MIRRORDevices = 1", "MIRRORDevice0 = /mirror", minimum=minimum)
    assert faults == ()
    assert (found.mag_devices, found.mirror_devices) == (("./data/", "conf/more/"), ("/mirror/",))
    assert found.database == "conf/c.db3"


@pytest.mark.parametrize(
    ("minimum", "key"),
    [
        (("SQLite = 1", "SQLServer = x"), "MAGDevice0"),
        (("SQLite = 1", "SQLServer = x", "MAGDevice0 = NULL"), "MAGDevice0"),
        (("SQLite = 1", "SQLServer = x", "MAGDevice0 ="), "MAGDevice0"),
        (("SQLite = 1", "SQLServer = x", "MAGDevice0 = a", "MAGDevices = 0"), "MAGDevices"),
        (("SQLite = 1", "SQLServer = x", "MAGDevice0 = a", "MAGDevices = 2000000000"), "MAGDevice1"),
        (("SQLite = 1", "MAGDevice0 = a"), "SQLServer"),
        (("SQLServer = x", "MAGDevice0 = a"), "SQLite"),
        ((*MINIMUM, "TCPPort = 65536"), "TCPPort"),
    ],
)
def test_what_no_server_can_run_with_is_fatal(minimum: tuple[str, ...], key: str) -> None:
    _, faults = load(minimum=minimum)
    assert [(fault.key, fault.fatal) for fault in faults] == [(key, True)]


def test_a_gap_in_the_mirrors_is_harmless() -> None:
    found, faults = load("MIRRORDevices = 2", "MIRRORDevice1 = /b")
    assert found.mirror_devices == ()
    assert [(fault.key, fault.fatal) for fault in faults] == [("MIRRORDevice0", False)]


def test_of_two_drivers_the_first_counts() -> None:
    found, faults = load("PostGres = 1")
    assert found.driver == "sqlite"
    assert [fault.key for fault in faults] == ["PostGres"]


def test_a_database_name_is_no_path() -> None:
    found, _ = load(minimum=("PostGres = 1", "SQLServer = conquest", "MAGDevice0 = a"))
    assert (found.driver, found.database) == ("postgres", "conquest")


def test_a_long_ae_title_is_cut_and_reported() -> None:
    found, faults = load("MyACRNema = ABCDEFGHIJKLMNOPQ")
    assert found.ae_title == "ABCDEFGHIJKLMNOP"
    assert [fault.key for fault in faults] == ["MyACRNema"]


def test_a_cut_value_is_reported() -> None:
    _, faults = load("LRUSort = " + "x" * 1001)
    assert [(fault.key, fault.fatal) for fault in faults] == [("LRUSort", False)]


def test_allow_truncate_is_a_list() -> None:
    assert load("AllowTruncate = ImagePat, StudyDescr,,")[0].allow_truncate == ("ImagePat", "StudyDescr")


@given(st.binary(max_size=300))
@settings(max_examples=150)
def test_any_file_gives_settings(data: bytes) -> None:
    found, faults = load_settings(IniFile.parse(b"[sscscp]\n" + data), "conf")
    assert found.base_dir == "conf"
    assert all(fault.file == "conf/dicom.ini" for fault in faults)
