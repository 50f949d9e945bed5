"""Section 5.1: another dicom.sql is another database, and other keys for queries."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

import pytest

from .conftest import StartNode
from .node import Node, program
from .objects import UID, ct1
from .scu import find, plain, store

NAMES: tuple[tuple[dict[str, object], str, str], ...] = (
    ({"TruncateFieldNames": 0}, "SELECT StudyDescription FROM DICOMStudies", "Brain, w/o: contrast"),
    ({"MaxFieldLength": 10}, "SELECT StudyDescr FROM DICOMStudies", "Brain, w/o"),
    ({"StudyTableName": "Studs", "ImageTableName": "Imgs"}, "SELECT StudyDescr FROM Studs", "Brain, w/o: contrast"),
)


@pytest.mark.parametrize(("settings", "sql", "expected"), NAMES, ids=[str(settings) for settings, _, _ in NAMES])
def test_2_2_names_and_lengths_of_the_ini(
    start_node: StartNode, settings: dict[str, object], sql: str, expected: str
) -> None:
    made = start_node(
        keys=settings, initialise=False, prepare=lambda node: program(node.folder, "-i").check_returncode()
    )
    given = ct1(t0020000D="1.2.3", t0020000E="1.2.3.4", t00080018="1.2.3.4.5")
    assert store(made.port, given) == [0]
    assert made.value(sql) == expected
    keys = {"QueryRetrieveLevel": "IMAGE", "PatientName": "Doe*", "StudyDescription": "", "SOPInstanceUID": ""}
    (answer,) = plain(find(made.port, "study", keys)[1])
    assert answer == {"PatientName": "Doe^John^Q", "StudyDescription": expected, "SOPInstanceUID": "1.2.3.4.5"}


DICOM_SQL = """\
/* A layout of its own # with a comment
   over two lines */
*Patient*
{
	{ 0x0010, 0x0020, "PatientID", 64, SQL_C_CHAR, DT_STR },
	{ 0x0010, 0x0010, "PatientName", 64, SQL_C_CHAR, DT_ISTR }
}
*Study*
{
	{ 0x0020, 0x000d, "StudyInstanceUID", 64, SQL_C_CHAR, DT_UI },
	{ 0x0008, 0x0020, "StudyDate", 8, SQL_C_DATE, DT_DATE },
	{ 0x0008, 0x0061, "StudyModality", 64, SQL_C_CHAR, DT_MSTR },
	{ 0x0010, 0x0020, "PatientID", 64, SQL_C_CHAR, DT_STR }
}
*Series*
{
	{ 0x0020, 0x000e, "SeriesInstanceUID", 64, SQL_C_CHAR, DT_UI },
	{ 0x0008, 0x0060, "Modality", 16, SQL_C_CHAR, DT_STR },
	{ 0x0020, 0x000d, "StudyInstanceUID", 64, SQL_C_CHAR, DT_UI }
}
*Image*
{
	{ 0x0008, 0x0018, "SOPInstanceUID", 64, SQL_C_CHAR, DT_UI },
	{ 0x0008, 0x0016, "SOPClassUID", 64, SQL_C_CHAR, DT_UI },
	{ 0x0008, 0x0032, "AcqTime", 16, SQL_C_CHAR, DT_TIME },
	{ 0x0028, 0x0010, "Rows", 5, SQL_C_CHAR, DT_UINT16 }, /* the name of 1.4.19 */
	{ 0x0028, 0x0011, "Colums", 5, SQL_C_CHAR, DT_UINT16 },
	{ 0x0008, 0x0068, "Status", 16, SQL_C_CHAR, DT_STR },
	{ 0x0020, 0x000e, "SeriesInstanceUID", 64, SQL_C_CHAR, DT_UI }
}
*WorkList*
{
	{ 0x0008, 0x0050, "AccessionNumber", 16, SQL_C_CHAR, DT_STR, "OBR.3" },
	{ 0x0040, 0x0100, "ScheduledProcedureStepSequence", 0, SQL_C_CHAR, DT_STARTSEQUENCE, "---" },
	{ 0x0040, 0x0002, "StartDate", 8, SQL_C_DATE, DT_DATE, "OBR.7.DATE" },
	{ 0x0040, 0x0100, "ScheduledProcedureStepSequence", 0, SQL_C_CHAR, DT_ENDSEQUENCE, "---" }
}
"""


@pytest.fixture(scope="module")
def node(start_node: StartNode) -> Node:
    def prepare(made: Node) -> None:
        (made.folder / "dicom.sql").write_text(DICOM_SQL)
        assert program(made.folder, "-i").returncode == 0

    made = start_node(initialise=False, prepare=prepare)
    given = ct1(t00280010=pack("<H", 512)) | {0x00080032: ("TM", b"101112"), 0x00080068: ("CS", b"READY")}
    assert store(made.port, given) == [0]
    return made


def test_5_1_the_tables_follow_the_file(node: Node) -> None:
    found = dict(node.rows("SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE TABLE DICOM%'"))
    common = "AccessTime  int, qTimeStamp   int, qFlags       int, qSpare       varchar(64)"
    assert found["DICOMPatients"] == (
        f"CREATE TABLE DICOMPatients (PatientID  varchar(64) PRIMARY KEY not null, PatientNam  varchar(64), {common})"
    )
    assert found["DICOMImages"] == (
        "CREATE TABLE DICOMImages (SOPInstanc  varchar(64) PRIMARY KEY not null, SOPClassUI  varchar(64), "
        "AcqTime  varchar(16), Rows  varchar(5), Colums  varchar(5), Status  varchar(16), SeriesInst  varchar(64), "
        f"{common}, ObjectFile  varchar(255), DeviceName  varchar(32))"
    )
    assert (
        found["DICOMWorkList"] == f"CREATE TABLE DICOMWorkList (AccessionN  varchar(16), StartDate char(8) , {common})"
    )


def test_5_1_the_values_too(node: Node) -> None:
    assert node.rows("SELECT Rows, Colums, Status, AcqTime FROM DICOMImages") == [("512", "8", "READY", "101112")]


QUERIES: tuple[tuple[Mapping[str, object], list[dict[str, str]]], ...] = (
    ({"QueryRetrieveLevel": "STUDY", "PatientName": "DOE^JOHN^Q"}, [{"PatientName": "Doe^John^Q"}]),
    ({"QueryRetrieveLevel": "STUDY", "PatientName": "doe"}, []),
    ({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": UID, "StudyID": ""}, [{"StudyInstanceUID": UID}]),
    ({"QueryRetrieveLevel": "IMAGE", "ContentQualification": "", "Rows": 512}, [{"Rows": "512"}]),
    ({"QueryRetrieveLevel": "IMAGE", "Rows": 511, "SOPInstanceUID": ""}, []),
    ({"QueryRetrieveLevel": "IMAGE", "AcquisitionTime": "10-11"}, [{"AcquisitionTime": "101112"}]),
    ({"QueryRetrieveLevel": "IMAGE", "PresentationIntentType": "READY"}, [{"PresentationIntentType": "READY"}]),
)


@pytest.mark.parametrize(("keys", "expected"), QUERIES, ids=[str(dict(keys))[30:90] for keys, _ in QUERIES])
def test_5_1_only_what_is_listed_can_be_asked_for(
    node: Node, keys: Mapping[str, object], expected: list[dict[str, str]]
) -> None:
    status, answers = find(node.port, "study", keys)
    assert (status, plain(answers)) == (0, expected)
