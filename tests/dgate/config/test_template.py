"""The template of an instance's configuration folder: what is delivered is what we say it is."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pydicom
import pytest

from dgate.config.amap import AcrNemaMap
from dgate.config.dictionary import Dictionary
from dgate.config.inifile import IniFile
from dgate.config.kfactor import TABLES, parse_dicom_sql
from dgate.config.rendering import render_dicom_ini
from dgate.config.settings import load_settings
from dgate.config.soplist import SopList

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "templates" / "mount" / "config"

COLUMNS = {
    "patient": "PatientID 64 PatientNam 64 PatientBir 8 PatientSex 16",
    "study": "StudyInsta 64 StudyDate 8 StudyTime 16 StudyID 16 StudyDescr 64 AccessionN 16 ReferPhysi 64 "
    "PatientsAg 16 PatientsWe 16 StudyModal 64 PatientNam 64 PatientBir 8 PatientSex 16 PatientID 64",
    "series": "SeriesInst 64 SeriesNumb 12 SeriesDate 8 SeriesTime 16 SeriesDesc 64 Modality 16 PatientPos 16 "
    "ContrastBo 64 Manufactur 64 ModelName 64 BodyPartEx 64 ProtocolNa 64 StationNam 16 Institutio 64 FrameOfRef 64 "
    "SeriesPat 64 StudyInsta 64",
    "image": "SOPInstanc 64 SOPClassUI 64 ImageNumbe 12 ImageDate 8 ImageTime 16 EchoNumber 64 NumberOfFr 12 AcqDate 8 "
    "AcqTime 16 ReceivingC 16 AcqNumber 12 SliceLocat 16 SamplesPer 5 PhotoMetri 16 QRows 5 QColumns 5 BitsStored 5 "
    "ImageType 128 ImageID 16 ImagePat 64 SeriesInst 64",
    "worklist": "AccessionN 16 PatientID 64 PatientNam 64 PatientBir 8 PatientSex 16 MedicalAle 64 ContrastAl 64 "
    "StudyInsta 64 ReqPhysici 64 ReqProcDes 64 Modality 16 ReqContras 64 ScheduledA 16 StartDate 8 StartTime 16 "
    "PerfPhysic 64 SchedPSDes 64 SchedPSID 16 SchedStati 16 SchedPSLoc 16 PreMedicat 64 SchedPSCom 64 ReqProcID 16 "
    "ReqProcPri 16",
}
DATES = {"PatientBir", "StudyDate", "SeriesDate", "ImageDate", "AcqDate", "StartDate"}


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_config", ROOT / "tools" / "generate_config.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["dicom.sql", "dgatesop.lst", "dgate.dic"])
def test_the_generated_files_are_what_the_tool_writes(name: str) -> None:
    made_with = re.search(r"pydicom ([0-9.]+[0-9])", (CONFIG / "dgate.dic").read_text())
    assert made_with is not None
    if made_with[1] != pydicom.__version__:
        pytest.skip(f"made with pydicom {made_with[1]}, here is {pydicom.__version__}")
    assert (CONFIG / name).read_bytes() == generator().generated()[name]


@pytest.mark.parametrize("table", TABLES)
def test_dicom_sql_gives_the_tables_of_a_conquest_server(table: str) -> None:
    kfactor = parse_dicom_sql((CONFIG / "dicom.sql").read_text())
    assert kfactor.faults == ()
    columns = getattr(kfactor, table)
    assert " ".join(f"{column.name[:10]} {column.length}" for column in columns) == COLUMNS[table]
    assert {column.name[:10] for column in columns if column.sql_type == "SQL_C_DATE"} == DATES & {
        c.name[:10] for c in columns
    }


def test_the_last_column_links_to_the_first_of_the_table_above() -> None:
    kfactor = parse_dicom_sql((CONFIG / "dicom.sql").read_text())
    for lower, upper in (
        (kfactor.study, kfactor.patient),
        (kfactor.series, kfactor.study),
        (kfactor.image, kfactor.series),
    ):
        assert (lower[-1].name, lower[-1].tag) == (upper[0].name, upper[0].tag)


def test_column_tags_are_known_to_the_dictionary_with_a_fitting_type() -> None:
    kfactor = parse_dicom_sql((CONFIG / "dicom.sql").read_text())
    dictionary = Dictionary.parse((CONFIG / "dgate.dic").read_bytes())
    vrs = {"DATE": {"DA"}, "TIME": {"TM"}, "UI": {"UI"}, "UINT16": {"US"}, "MSTR": {"CS"}}
    for column in (column for table in TABLES for column in getattr(kfactor, table)):
        attribute = dictionary.tag(*column.tag)
        assert attribute is not None
        assert attribute.vr in vrs.get(column.dt, {"LO", "SH", "PN", "CS", "IS", "DS", "AS", "AE", "LT"})


def test_dgatesop_lst_accepts_storage_query_print_and_thirteen_transfer_syntaxes() -> None:
    listed = SopList.parse((CONFIG / "dgatesop.lst").read_bytes())
    assert listed.transfer is not None
    assert len(listed.transfer) == 13
    for uid in ("1.1", "5.1.4.1.1.2", "5.1.4.1.2.1.1", "5.1.4.1.2.3.3", "5.1.4.31", "5.1.1.9"):
        assert listed.accepts_abstract_syntax(f"1.2.840.10008.{uid}")
    for uid in ("1.20.1", "3.1.2.3.3", "5.1.4.34.6.1", "5.1.4.33"):
        assert not listed.accepts_abstract_syntax(f"1.2.840.10008.{uid}")
    for rle_or_deflated in ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99"):
        assert not listed.accepts_transfer_syntax(rle_or_deflated)
    assert listed.accepts_calling_ae("ANYBODY")


def test_dgatesop_lst_names_every_class_once_and_knows_at_least_as_many_as_conquest() -> None:
    data = (CONFIG / "dgatesop.lst").read_bytes()
    listed = SopList.parse(data)
    assert listed.abstract is not None
    assert len(listed.abstract) >= 150
    assert len(listed.abstract) == sum(line.split()[-1:] == [b"sop"] for line in data.splitlines())


def test_dicom_ini_renders_and_loads_without_a_fault() -> None:
    rendered = render_dicom_ini(
        (CONFIG / "dicom.ini.j2").read_bytes(), (CONFIG / "converters.txt").read_bytes(), "CT1", 5678
    )
    settings, faults = load_settings(IniFile.parse(rendered), "mount/config")
    assert faults == ()
    assert (settings.ae_title, settings.port, settings.database) == ("CT1", 5678, "./mount/dbase/conquest.db3")
    assert (settings.mag_devices, settings.enable_computed_fields) == (("./mount/data/",), True)
    assert (settings.trouble_log, settings.user_log) == ("./mount/logs/PacsTrouble.log", "./mount/logs/PacsUser.log")


def test_dicom_ini_has_no_duplicate_key_and_ends_in_the_servers_section() -> None:
    template = (CONFIG / "dicom.ini.j2").read_text()
    keys = [line.split("=")[0].strip().lower() for line in template.splitlines() if "=" in line and line[0] not in "; "]
    assert len(keys) == len(set(keys))
    assert IniFile.parse(template.encode()).last_section == "sscscp"


def test_acrnema_map_holds_comments_on_lines_of_their_own_only() -> None:
    data = (CONFIG / "acrnema.map").read_bytes()
    assert AcrNemaMap.parse(data).nodes == ()
    assert all(line == b"" or line.startswith(b"#") for line in data.splitlines())


def test_the_dictionary_is_complete_and_not_too_large() -> None:
    data = (CONFIG / "dgate.dic").read_bytes()
    assert len(data) < 700_000
    dictionary = Dictionary.parse(data)
    assert len(dictionary.by_tag) > 5000
    name = dictionary.keyword("PatientName")
    assert name is not None
    assert (name.group, name.element, name.vr, name.name) == (0x10, 0x10, "PN", "Patient's Name")
