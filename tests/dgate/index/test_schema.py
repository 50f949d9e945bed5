from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from dgate.index.index import DatabaseError
from dgate.index.schema import BARE, WORKLIST_ONLY, ensure_database, initialise
from tests.dgate.archive.support import Lines, kfactor, settings_for
from tests.unprivileged import as_nobody

COMMON = "AccessTime  int, qTimeStamp   int, qFlags       int, qSpare       varchar(64)"
REFERENCE = f"""
CREATE TABLE DICOMPatients (PatientID  varchar(64) PRIMARY KEY not null, PatientNam  varchar(64), PatientBir char(8) , PatientSex  varchar(16), {COMMON})
CREATE TABLE DICOMStudies (StudyInsta  varchar(64) PRIMARY KEY not null, StudyDate char(8) , StudyTime  varchar(16), StudyID  varchar(16), StudyDescr  varchar(64), AccessionN  varchar(16), ReferPhysi  varchar(64), PatientsAg  varchar(16), PatientsWe  varchar(16), StudyModal  varchar(64), PatientNam  varchar(64), PatientBir char(8) , PatientSex  varchar(16), PatientID  varchar(64), {COMMON})
CREATE INDEX study_lnk ON DICOMStudies (PatientID)
CREATE INDEX idx_patientid ON DICOMStudies (PatientSex)
CREATE INDEX idx_patientid_studyinsta ON DICOMStudies (PatientID, StudyInsta)
CREATE TABLE DICOMSeries (SeriesInst  varchar(64) PRIMARY KEY not null, SeriesNumb  varchar(12), SeriesDate char(8) , SeriesTime  varchar(16), SeriesDesc  varchar(64), Modality  varchar(16), PatientPos  varchar(16), ContrastBo  varchar(64), Manufactur  varchar(64), ModelName  varchar(64), BodyPartEx  varchar(64), ProtocolNa  varchar(64), StationNam  varchar(16), Institutio  varchar(64), FrameOfRef  varchar(64), SeriesPat  varchar(64), StudyInsta  varchar(64), {COMMON})
CREATE INDEX series_lnk ON DICOMSeries (StudyInsta)
CREATE INDEX series_pat ON DICOMSeries (SeriesPat)
CREATE INDEX idx_studyinsta_seriesinst ON DICOMSeries (StudyInsta, SeriesInst)
CREATE TABLE DICOMImages (SOPInstanc  varchar(64) PRIMARY KEY not null, SOPClassUI  varchar(64), ImageNumbe  varchar(12), ImageDate char(8) , ImageTime  varchar(16), EchoNumber  varchar(64), NumberOfFr  varchar(12), AcqDate char(8) , AcqTime  varchar(16), ReceivingC  varchar(16), AcqNumber  varchar(12), SliceLocat  varchar(16), SamplesPer  varchar(5), PhotoMetri  varchar(16), QRows  varchar(5), QColumns  varchar(5), BitsStored  varchar(5), ImageType  varchar(128), ImageID  varchar(16), ImagePat  varchar(64), SeriesInst  varchar(64), {COMMON}, ObjectFile  varchar(255), DeviceName  varchar(32))
CREATE INDEX images_lnk ON DICOMImages (SeriesInst)
CREATE INDEX images_pat ON DICOMImages (ImagePat)
CREATE INDEX idx_seriesinst_sopinstanc ON DICOMImages (SeriesInst, SOPInstanc)
CREATE TABLE UIDMODS (MODTime int, OldUID varchar(64), MODType varchar(32), NewUID varchar(64), Stage varchar(32), Annotation varchar(64))
CREATE INDEX mods_old ON UIDMODS (OldUID)
CREATE INDEX mods_stage ON UIDMODS (Stage)
CREATE INDEX mods_joint ON UIDMODS (OldUID,Stage)
CREATE INDEX mods_back ON UIDMODS (NewUID,Stage)
""".strip().splitlines()  # noqa: E501 - the reference's lines
WORKLIST = (
    "CREATE TABLE DICOMWorkList (AccessionN  varchar(16), PatientID  varchar(64), PatientNam  varchar(64), "
    "PatientBir char(8) , PatientSex  varchar(16), MedicalAle  varchar(64), ContrastAl  varchar(64), "
    "StudyInsta  varchar(64), ReqPhysici  varchar(64), ReqProcDes  varchar(64), Modality  varchar(16), "
    "ReqContras  varchar(64), ScheduledA  varchar(16), StartDate char(8) , StartTime  varchar(16), "
    "PerfPhysic  varchar(64), SchedPSDes  varchar(64), SchedPSID  varchar(16), SchedStati  varchar(16), "
    "SchedPSLoc  varchar(16), PreMedicat  varchar(64), SchedPSCom  varchar(64), ReqProcID  varchar(16), "
    f"ReqProcPri  varchar(16), {COMMON})"
)


def schema(root: Path) -> list[str]:
    with closing(sqlite3.connect(root / "conquest.db3")) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    return [text for (text,) in rows]


def test_the_exact_statements_of_the_reference(tmp_path: Path) -> None:
    initialise(settings_for(tmp_path), kfactor(), Lines(), 0)
    assert schema(tmp_path) == [WORKLIST, *REFERENCE]


def test_mode_1_has_no_keys_and_no_indices(tmp_path: Path) -> None:
    initialise(settings_for(tmp_path), kfactor(), Lines(), BARE)
    tables = [line.replace(" PRIMARY KEY not null", "") for line in REFERENCE if line.startswith("CREATE TABLE")]
    assert schema(tmp_path) == [WORKLIST, *tables]


def test_again_drops_rows_but_keeps_a_filled_worklist(tmp_path: Path) -> None:
    settings, log = settings_for(tmp_path), Lines()
    initialise(settings, kfactor(), log, 0)
    assert "Worklist is empty" in log.lines
    with closing(sqlite3.connect(tmp_path / "conquest.db3")) as connection, connection:
        connection.execute("INSERT INTO DICOMPatients (PatientID) VALUES ('A')")
        connection.execute("INSERT INTO DICOMWorkList (PatientID) VALUES ('A')")
    initialise(settings, kfactor(), log, 0)
    with closing(sqlite3.connect(tmp_path / "conquest.db3")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM DICOMPatients").fetchone() == (0,)
        assert connection.execute("SELECT PatientID FROM DICOMWorkList").fetchall() == [("A",)]
    assert "Worklist contains data" in log.lines
    initialise(settings, kfactor(), log, WORKLIST_ONLY)
    with closing(sqlite3.connect(tmp_path / "conquest.db3")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM DICOMWorkList").fetchone() == (0,)


def test_ensure_makes_tables_once_and_leaves_a_good_database(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    ensure_database(settings, kfactor())
    assert schema(tmp_path) == [WORKLIST, *REFERENCE]
    with closing(sqlite3.connect(tmp_path / "conquest.db3")) as connection, connection:
        connection.execute("INSERT INTO DICOMPatients (PatientID) VALUES ('A')")
    ensure_database(settings, kfactor())
    with closing(sqlite3.connect(tmp_path / "conquest.db3")) as connection:
        assert connection.execute("SELECT PatientID FROM DICOMPatients").fetchall() == [("A",)]


def test_ensure_says_what_is_wrong(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    database = tmp_path / "conquest.db3"
    database.write_bytes(b"this is no database, but it is long enough to be looked at" * 20)
    with pytest.raises(DatabaseError, match="not a database"):
        ensure_database(settings, kfactor())
    assert database.read_bytes().startswith(b"this is no database")
    database.unlink()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE DICOMPatients (PatientID varchar(64))")
    with pytest.raises(DatabaseError, match="lacks the tables DICOMStudies"):
        ensure_database(settings, kfactor())
    with pytest.raises(DatabaseError, match="cannot be opened"):
        ensure_database(settings_for(tmp_path, database=f"{tmp_path}/absent/x.db3"), kfactor())


def test_a_folder_of_another_user_is_said_with_both_users() -> None:
    """SQLite itself says `unable to open database file` and `attempt to write a readonly database`."""
    if os.geteuid() != 0:
        pytest.skip("only root is another user at will")
    folder = Path(tempfile.mkdtemp(prefix="dgate-owner-"))
    folder.chmod(0o755)
    try:
        settings = settings_for(folder, database=f"{folder}/x.db3")
        with as_nobody(), pytest.raises(DatabaseError, match=f"{folder} belongs to user 0, and user 65534 may not"):
            ensure_database(settings, kfactor())
        ensure_database(settings, kfactor())
        with as_nobody(), pytest.raises(DatabaseError, match=r"x\.db3 belongs to user 0, and user 65534 may not write"):
            ensure_database(settings, kfactor())
    finally:
        shutil.rmtree(folder)
