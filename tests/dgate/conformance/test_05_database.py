"""Section 5: the tables, the values in them, repeats and conflicts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import StartNode
from .node import Node, program
from .objects import EVBE, EVLE, IVLE, SERIES, SOP, UID, Elements, another, ct1, uid_of
from .scu import store

SCHEMA = """\
CREATE TABLE DICOMWorkList (AccessionN  varchar(16), PatientID  varchar(64), PatientNam  varchar(64), \
PatientBir char(8) , PatientSex  varchar(16), MedicalAle  varchar(64), ContrastAl  varchar(64), \
StudyInsta  varchar(64), ReqPhysici  varchar(64), ReqProcDes  varchar(64), Modality  varchar(16), \
ReqContras  varchar(64), ScheduledA  varchar(16), StartDate char(8) , StartTime  varchar(16), \
PerfPhysic  varchar(64), SchedPSDes  varchar(64), SchedPSID  varchar(16), SchedStati  varchar(16), \
SchedPSLoc  varchar(16), PreMedicat  varchar(64), SchedPSCom  varchar(64), ReqProcID  varchar(16), \
ReqProcPri  varchar(16), AccessTime  int, qTimeStamp   int, qFlags       int, qSpare       varchar(64))
CREATE TABLE DICOMPatients (PatientID  varchar(64) PRIMARY KEY not null, PatientNam  varchar(64), \
PatientBir char(8) , PatientSex  varchar(16), AccessTime  int, qTimeStamp   int, qFlags       int, \
qSpare       varchar(64))
CREATE TABLE DICOMStudies (StudyInsta  varchar(64) PRIMARY KEY not null, StudyDate char(8) , \
StudyTime  varchar(16), StudyID  varchar(16), StudyDescr  varchar(64), AccessionN  varchar(16), \
ReferPhysi  varchar(64), PatientsAg  varchar(16), PatientsWe  varchar(16), StudyModal  varchar(64), \
PatientNam  varchar(64), PatientBir char(8) , PatientSex  varchar(16), PatientID  varchar(64), \
AccessTime  int, qTimeStamp   int, qFlags       int, qSpare       varchar(64))
CREATE INDEX study_lnk ON DICOMStudies (PatientID)
CREATE INDEX idx_patientid ON DICOMStudies (PatientSex)
CREATE INDEX idx_patientid_studyinsta ON DICOMStudies (PatientID, StudyInsta)
CREATE TABLE DICOMSeries (SeriesInst  varchar(64) PRIMARY KEY not null, SeriesNumb  varchar(12), \
SeriesDate char(8) , SeriesTime  varchar(16), SeriesDesc  varchar(64), Modality  varchar(16), \
PatientPos  varchar(16), ContrastBo  varchar(64), Manufactur  varchar(64), ModelName  varchar(64), \
BodyPartEx  varchar(64), ProtocolNa  varchar(64), StationNam  varchar(16), Institutio  varchar(64), \
FrameOfRef  varchar(64), SeriesPat  varchar(64), StudyInsta  varchar(64), AccessTime  int, \
qTimeStamp   int, qFlags       int, qSpare       varchar(64))
CREATE INDEX series_lnk ON DICOMSeries (StudyInsta)
CREATE INDEX series_pat ON DICOMSeries (SeriesPat)
CREATE INDEX idx_studyinsta_seriesinst ON DICOMSeries (StudyInsta, SeriesInst)
CREATE TABLE DICOMImages (SOPInstanc  varchar(64) PRIMARY KEY not null, SOPClassUI  varchar(64), \
ImageNumbe  varchar(12), ImageDate char(8) , ImageTime  varchar(16), EchoNumber  varchar(64), \
NumberOfFr  varchar(12), AcqDate char(8) , AcqTime  varchar(16), ReceivingC  varchar(16), \
AcqNumber  varchar(12), SliceLocat  varchar(16), SamplesPer  varchar(5), PhotoMetri  varchar(16), \
QRows  varchar(5), QColumns  varchar(5), BitsStored  varchar(5), ImageType  varchar(128), \
ImageID  varchar(16), ImagePat  varchar(64), SeriesInst  varchar(64), AccessTime  int, \
qTimeStamp   int, qFlags       int, qSpare       varchar(64), ObjectFile  varchar(255), DeviceName  varchar(32))
CREATE INDEX images_lnk ON DICOMImages (SeriesInst)
CREATE INDEX images_pat ON DICOMImages (ImagePat)
CREATE INDEX idx_seriesinst_sopinstanc ON DICOMImages (SeriesInst, SOPInstanc)
CREATE TABLE UIDMODS (MODTime int, OldUID varchar(64), MODType varchar(32), NewUID varchar(64), \
Stage varchar(32), Annotation varchar(64))
CREATE INDEX mods_old ON UIDMODS (OldUID)
CREATE INDEX mods_stage ON UIDMODS (Stage)
CREATE INDEX mods_joint ON UIDMODS (OldUID,Stage)
CREATE INDEX mods_back ON UIDMODS (NewUID,Stage)"""
"""The reference's own text; that of the worklist made of its list of columns."""


def schema(node: Node) -> list[str]:
    return [str(sql) for (sql,) in node.rows("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")]


def test_5_2_tables_as_text(node: Node) -> None:
    found = [sql for sql in schema(node) if "DGATE" not in sql.upper()]
    assert found == SCHEMA.splitlines()


@pytest.mark.parametrize("option", ["-i1", "-r1"])
def test_5_2_mode_1_has_neither_keys_nor_indices(tmp_path: Path, option: str) -> None:
    node = Node(tmp_path / "bare")
    assert program(node.folder, option).returncode == 0
    bare = [line.replace(" PRIMARY KEY not null", "") for line in SCHEMA.splitlines() if "INDEX" not in line]
    assert schema(node) == bare


def test_2_2_names_are_cut_where_the_ini_says(tmp_path: Path) -> None:
    node = Node(tmp_path / "names", keys={"TruncateFieldNames": 0, "MaxFieldLength": 32})
    assert program(node.folder, "-i").returncode == 0
    patients = next(sql for sql in schema(node) if sql.startswith("CREATE TABLE DICOMPatients"))
    assert patients.startswith(
        "CREATE TABLE DICOMPatients (PatientID  varchar(32) PRIMARY KEY not null, PatientName  varchar(32), "
        "PatientBirthDate char(8) , PatientSex  varchar(16), AccessTime  int"
    )


class Value(NamedTuple):
    tag: str
    given: bytes
    column: str
    expected: str | None
    syntax: str = EVLE


VALUES = (
    Value("00081030", b"", "DICOMStudies.StudyDescr", None),
    Value("00081030", b"Brain, w/o: contrast", "DICOMStudies.StudyDescr", "Brain, w/o: contrast"),
    Value("00081030", b"  leading", "DICOMStudies.StudyDescr", "  leading"),
    Value("00081030", b"trailing   ", "DICOMStudies.StudyDescr", "trailing"),
    Value("00081030", b"    ", "DICOMStudies.StudyDescr", None),
    Value("00081030", b'it\'s "quoted"', "DICOMStudies.StudyDescr", 'it\'s "quoted"'),
    Value("00080080", b"Universit\xe4t", "DICOMSeries.Institutio", "Universit\xe4t"),
    Value("00100010", b"doe^JOHN^^Dr^", "DICOMPatients.PatientNam", "doe^JOHN^^Dr^"),
    Value("00100010", b"M\xfcller^J\xf6rg", "DICOMStudies.PatientNam", "M\xfcller^J\xf6rg"),
    Value("00080008", b"ORIGINAL\\PRIMARY\\AXIAL", "DICOMImages.ImageType", "ORIGINAL\\PRIMARY\\AXIAL"),
    Value("00080020", b"2020.03.03", "DICOMStudies.StudyDate", "202003"),
    Value("00080020", b"20200303", "DICOMStudies.StudyDate", "20200303"),
    Value("00080020", b"202003", "DICOMStudies.StudyDate", "202003"),
    Value("00080030", b"08", "DICOMStudies.StudyTime", "08"),
    Value("00080030", b"101112.123456", "DICOMStudies.StudyTime", "101112.123456"),
    Value("00280010", b"\x00\x02", "DICOMImages.QRows", "512"),
    Value("00280010", b"\xff\xff", "DICOMImages.QRows", "65535"),
    Value("00280010", b"\x00\x02", "DICOMImages.QRows", "512", IVLE),
    Value("00280010", b"\x00\x02", "DICOMImages.QRows", "512", EVBE),
    Value("00200013", b" 5 ", "DICOMImages.ImageNumbe", " 5"),
    Value("00200011", b"007", "DICOMSeries.SeriesNumb", "007"),
    Value("00080060", b"CT", "DICOMStudies.StudyModal", "CT"),
    Value("00080060", b"CT", "DICOMSeries.Modality", "CT"),
    Value("00100020", b"Q'1", "DICOMSeries.SeriesPat", "Q'1"),
    Value("00100020", b"Q 2", "DICOMImages.ImagePat", "Q 2"),
    Value("00081030", b"x" * 70, "DICOMStudies.StudyDescr", "x" * 64),
    Value("00200010", b"123456789012345 7", "DICOMStudies.StudyID", "123456789012345"),
)
_KEYS = {"DICOMPatients": ("PatientID", 0x00100020), "DICOMStudies": ("StudyInsta", 0x0020000D),
         "DICOMSeries": ("SeriesInst", 0x0020000E), "DICOMImages": ("SOPInstanc", 0x00080018)}  # fmt: skip


@pytest.mark.parametrize(
    ("number", "case"), list(enumerate(VALUES)), ids=[f"{case.column}-{case.given[:12]!r}" for case in VALUES]
)
def test_5_3_values(node: Node, number: int, case: Value) -> None:
    given = another(100 + number, **{"t" + case.tag: case.given})
    assert store(node.port, given, syntax=case.syntax) == [0]
    table, column = case.column.split(".")
    key, tag = _KEYS[table]
    wanted = given[tag][1].decode()
    assert node.value(f"SELECT {column} FROM {table} WHERE {key} = ?", wanted) == case.expected  # noqa: S608


def test_5_3_what_is_absent_is_null_and_what_is_never_written_too(node: Node) -> None:
    given = another(200, t00100040=None, t00080020="")
    assert store(node.port, given) == [0]
    common = "qTimeStamp, qFlags, qSpare"
    studies = f"SELECT StudyDate, PatientSex, AccessionN, {common} FROM DICOMStudies WHERE PatientID = 'P200'"  # noqa: S608
    images = f"SELECT EchoNumber, {common} FROM DICOMImages WHERE ImagePat = 'P200'"  # noqa: S608
    assert node.rows(studies) == [(None,) * 6]
    assert node.rows(images) == [(None,) * 4]


def test_5_3_access_time_path_and_device(node: Node) -> None:
    before = int(time.time()) // 32 * 32
    assert store(node.port, another(201)) == [0]
    uid, after = uid_of(another(201)), time.time()
    ((slot, path, device),) = node.rows(
        "SELECT AccessTime, ObjectFile, DeviceName FROM DICOMImages WHERE SOPInstanc = ?", uid
    )
    assert before <= slot <= after
    assert slot % 32 == 0
    assert path in node.files()
    assert str(path).startswith("P201/")
    assert device == "MAG0"
    upper = {
        node.value("SELECT AccessTime FROM DICOMPatients WHERE PatientID = 'P201'"),
        node.value("SELECT AccessTime FROM DICOMStudies WHERE PatientID = 'P201'"),
        node.value("SELECT AccessTime FROM DICOMSeries WHERE SeriesPat = 'P201'"),
    }
    assert all(before <= int(str(value)) <= after for value in upper)


def test_5_3_a_value_that_does_not_fit_is_told_of_with_its_pad(node: Node) -> None:
    before = node.mark()
    given = another(202, t00100020="P" * 65)
    assert store(node.port, given) == [0]
    path = node.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", uid_of(given))
    line = node.line("***Truncated ImagePat", before)
    assert line == f"***Truncated ImagePat from 66 to 64 chars in file: {path}"


def test_2_2_a_truncation_that_is_allowed_is_told_of_without_stars(start_node: StartNode) -> None:
    node = start_node(keys={"AllowTruncate": "StudyDescr,ImagePat"})
    assert store(node.port, another(1, t00081030="d" * 66, t00080080="i" * 66)) == [0]
    assert node.line("Truncated StudyDescr").startswith("Truncated StudyDescr from 66 to 64 chars in file: P1/")
    assert node.line("***Truncated Institutio")
    assert not any("StudyDescr" in line for line in node.trouble())


# -- 5.4, in the order of its table; each on an instance of its own, as there


@pytest.fixture
def fresh(node: Node) -> Node:
    """The module's server with an empty index."""
    node.forget()
    return node


class Conflict(NamedTuple):
    name: str
    second: Elements
    status: int
    log: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()


_STUDY = f"PatientID = 'PAT 001.A' StudyInsta = '{UID}'"
_IMAGE = f"PatientID = 'PAT 001.A' SOPInstanc = '{SOP}' AND ImagePat = 'PAT 001.A'"
_PATIENT = "PatientID = 'PAT 001.A'"
_OTHER = f"PatientID = 'OTHERPAT' StudyInsta = '{UID}', Old='PAT 001.A', Refused='OTHERPAT'"
_OTHER_STUDY = f"{_PATIENT} SeriesInst = '{SERIES}', Old='{UID}', Refused='{UID}9'"

CONFLICTS = (
    Conflict("the same again", ct1(), 0, ("Rewritten file: {}",)),
    Conflict(
        "other content",
        ct1(t00200013="77"),
        0,
        ("Rewritten file: {}",),
        (f"Inconsistent ImageNumbe in DICOMImages: {_IMAGE}, Old='42', New='77'",),
    ),
    Conflict(
        "another name",
        ct1(t00100010="Roe^Jane"),
        0,
        ("Rewritten file: {}",),
        (
            f"Inconsistent PatientNam in DICOMPatients: {_PATIENT}, Old='Doe^John^Q', New='Roe^Jane'",
            f"Inconsistent PatientNam in DICOMStudies: {_STUDY}, Old='Doe^John^Q', New='Roe^Jane'",
        ),
    ),
    Conflict(
        "another birth date",
        ct1(t00100030="19800202"),
        0,
        (f"***Inconsistent PatientBir in DICOMStudies: {_STUDY}, Old='19701231', New='19800202'",),
    ),
    Conflict(
        "another patient",
        ct1(t00100020="OTHERPAT", t0020000E=SERIES + "9", t00080018=SOP + "9"),
        0x0110,
        (
            f"***Refused to enter inconsistent link PatientID into DICOMStudies: {_OTHER}",
            "***Error saving to SQL: OTHERPAT/",
        ),
        ("***Error saving to SQL: OTHERPAT/",),
    ),
    Conflict(
        "another study",
        ct1(t0020000D=UID + "9", t00080018=SOP + "9"),
        0x0110,
        (
            f"***Refused to enter inconsistent link StudyInsta into DICOMSeries: {_OTHER_STUDY}",
            "***Error saving to SQL: PAT_001_A/",
        ),
    ),
    Conflict(
        "another series",
        ct1(t0020000E=SERIES + "9"),
        0x0110,
        (
            "***Refused to enter inconsistent link SeriesInst into DICOMImages: ",
            "***Error saving to SQL: PAT_001_A/",
        ),
    ),
    Conflict(
        "a new modality",
        ct1(t00080060="SR", t0020000E=SERIES + "8", t00080018=SOP + "8"),
        0,
        ("Written file: ",),
        (f"Inconsistent StudyModal in DICOMStudies: {_STUDY}, Old='CT', New='SR\\CT'",),
    ),
    Conflict(
        "all new but the object",
        ct1(t00100020="NEW", t0020000D=UID + "7", t0020000E=SERIES + "7"),
        0x0110,  # the original acknowledges it and keeps only the first: one of the rows of section 15 not to copy
        ("***Error saving to SQL: NEW/",),
    ),
)


@pytest.mark.parametrize("case", CONFLICTS, ids=[case.name for case in CONFLICTS])
def test_5_4_repeats_and_conflicts(fresh: Node, case: Conflict) -> None:
    assert store(fresh.port, ct1()) == [0]
    first = str(fresh.value("SELECT ObjectFile FROM DICOMImages"))
    mark, troubles = fresh.mark(), len(fresh.trouble())
    files, rows = fresh.files(), fresh.rows("SELECT * FROM DICOMImages")
    assert store(fresh.port, case.second) == [case.status]
    for start in case.log:
        fresh.line(start.format(fresh.data / first), mark)
    new = fresh.trouble()[troubles:]
    for start in case.trouble:
        assert any(line.startswith(start) for line in new), new
    if case.status:
        assert (fresh.files(), fresh.rows("SELECT * FROM DICOMImages")) == (files, rows)
        assert fresh.rows("SELECT PatientID FROM DICOMPatients") == [("PAT 001.A",)]


class Row(NamedTuple):
    name: str
    second: dict[str, bytes | str | None]
    patient: Sequence[str]
    study: Sequence[str]


ROWS = (
    Row("new values", {"t00100010": "R", "t00100030": "19800202", "t00100040": "F"}, *[("R", "19800202", "F")] * 2),
    Row(
        "empty never replaces",
        {"t00100010": "", "t00100030": "", "t00100040": ""},
        *[("Doe^John^Q", "19701231", "M")] * 2,
    ),
    Row("absent never replaces", {"t00100030": None, "t00100040": None}, *[("Doe^John^Q", "19701231", "M")] * 2),
    Row(
        "a vague birth date",
        {"t00100030": "19800101"},
        ("Doe^John^Q", "19701231", "M"),
        ("Doe^John^Q", "19800101", "M"),
    ),
    Row("sex O", {"t00100040": "O"}, ("Doe^John^Q", "19701231", "M"), ("Doe^John^Q", "19701231", "O")),
)


@pytest.mark.parametrize("case", ROWS, ids=[case.name for case in ROWS])
def test_5_4_what_a_known_patient_becomes(fresh: Node, case: Row) -> None:
    assert store(fresh.port, ct1(), ct1(**case.second)) == [0, 0]
    columns = "PatientNam, PatientBir, PatientSex"
    assert fresh.rows(f"SELECT {columns} FROM DICOMPatients") == [tuple(case.patient)]  # noqa: S608
    assert fresh.rows(f"SELECT {columns} FROM DICOMStudies") == [tuple(case.study)]  # noqa: S608


def test_5_3_modalities_go_in_front(fresh: Node) -> None:
    modalities = ("CT", "RTSTRUCT", "SR", "CT", "RTSTRUCT")
    objects = [
        ct1(t00080060=name, t0020000E=f"{SERIES}.{at}", t00080018=f"{SOP}.{at}") for at, name in enumerate(modalities)
    ]
    assert store(fresh.port, *objects) == [0] * 5
    assert fresh.value("SELECT StudyModal FROM DICOMStudies") == "SR\\RTSTRUCT\\CT"
