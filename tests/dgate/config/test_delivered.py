"""Files in the shape of those that come with Conquest load as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgate.config.amap import AcrNemaMap
from dgate.config.dictionary import Dictionary
from dgate.config.inifile import IniFile
from dgate.config.kfactor import parse_dicom_sql
from dgate.config.settings import Settings, load_settings
from dgate.config.soplist import SopList

DELIVERED = Path(__file__).parent / "delivered"


def load(name: str) -> Settings:
    found, faults = load_settings(IniFile.parse((DELIVERED / name).read_bytes()), "conf", file_name=name)
    assert [str(fault) for fault in faults] == []
    return found


def test_dicom_ini_of_linux() -> None:
    found = load("linux.ini")
    assert (found.ae_title, found.port, found.driver, found.database) == (
        *("CONQUESTSRV1", 5678),
        *("sqlite", "./data/dbase/conquest.db3"),
    )
    assert (found.username, found.max_field_length, found.mag_threshold, found.mag_full_threshold) == ("", 254, 0, 30)
    assert found.mag_devices == ("./data/",)
    assert (found.fail_hold_off, found.forward_association_level, found.export_converters) == (60, "STUDY", 1)
    assert found.ini.get("ImportConverter0") == "forward compressed as j2 to OTHER"
    assert found.ini.section("lua")["background"] == "return"
    assert found.without_effect == (
        *("Edition", "BrowseThroughDBF", "LongQueryDBF", "IgnoreOutOfMemoryErrors", "DMarkTableName"),
        *("RegisteredMOPDeviceTable", "UIDToMOPIDTable", "UIDToCDRIDTable", "MailHost", "MailPort", "MailCollectTime"),
    )


def test_dicom_ini_with_another_section_and_driver_and_the_line_ends_of_windows() -> None:
    found = load("windows.ini")
    assert (found.ae_title, found.driver, found.database, found.sql_host) == (
        *("CONQUESTSRV1", "postgres"),
        *("conquestpacs_s", "db:5432"),
    )
    assert found.mag_devices == ("/data/a/", "/data/b/")
    assert found.mirror_devices == ("/mirror/",)
    assert "WEBReadOnly" in found.without_effect


def test_acrnema_map() -> None:
    found = AcrNemaMap.parse((DELIVERED / "acrnema.map").read_bytes())
    assert [node.ae for node in found.nodes] == ["CONQUESTSRV1", "V*", "W*", "S*"]
    assert found.faults("acrnema.map") == ()
    node = found.find("Vhost")
    assert node is not None
    assert (node.ae, node.host, node.port_number) == ("Vhost", "host", 1234)


@pytest.mark.parametrize(
    ("name", "columns"),
    [("dicom-1.5.0.sql", ["QRows", "QColumns"]), ("dicom-1.4.19.sql", ["Rows", "Colums"])],
)
def test_dicom_sql_of_both_versions(name: str, columns: list[str]) -> None:
    found = parse_dicom_sql((DELIVERED / name).read_text(), name)
    assert found.faults == ()
    assert [column.name for column in found.image[1:3]] == columns
    assert [column.sequence for column in found.worklist] == [None, None, (0x40, 0x100), (0x40, 0x100), None]
    assert found.worklist[2].hl7 == "OBR.7.DATE"


def test_dgatesop_lst_accepts_no_rle_and_no_deflated() -> None:
    found = SopList.parse((DELIVERED / "dgatesop.lst").read_bytes())
    assert found.accepts_abstract_syntax("1.2.840.10008.5.1.4.1.1.2")
    assert found.accepts_transfer_syntax("1.2.840.10008.1.2.4.57")
    assert not found.accepts_transfer_syntax("1.2.840.10008.1.2.5")
    assert not found.accepts_transfer_syntax("1.2.840.10008.1.2.1.99")
    assert found.accepts_calling_ae("ANYBODY")
    assert found.accepts_application_context("1.2.840.10008.3.1.1.1")


def test_dgate_dic() -> None:
    found = Dictionary.parse((DELIVERED / "dgate.dic").read_bytes())
    attribute = found.keyword("patientname")
    assert attribute is not None
    assert (attribute.group, attribute.element, attribute.vr) == (0x10, 0x10, "PN")
    assert found.by_tag[0x8, 0x10].retired
