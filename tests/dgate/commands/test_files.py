"""Files that come in by command, and through the direct options of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from dgate.commands.client import send
from dgate.commands.local import run
from dgate.log import FileLog
from tests.dgate.archive.support import kfactor
from tests.dgate.commands.conftest import Site

CT_FILE = Path(str(get_testdata_file("CT_small.dcm")))


@pytest.fixture
def log(site: Site) -> FileLog:
    made = FileLog(verbose=False, trouble_path=site.settings.trouble_log, user_path=site.settings.user_log)
    made.add_file(str(site.root / "local.log"), debug=False, stamped=False)
    return made


def test_add_a_file(site: Site) -> None:
    assert site.command(f"addimagefile:{CT_FILE}") == "0"
    (name,) = site.files()
    assert dcmread(site.root / "data" / name).to_json_dict() == dcmread(CT_FILE).to_json_dict()
    assert f"Added file: {CT_FILE}" in site.log()


def test_add_as_another_patient(site: Site) -> None:
    assert site.command(f"addimagefile:{CT_FILE}") == "0"
    assert site.command(f"addimagefile:{CT_FILE},NEW PAT") == "0"
    assert "Modified patient ID to: NEW PAT" in site.log()
    first, second = (dcmread(site.root / "data" / name) for name in site.files())
    if first.PatientID == "NEW PAT":
        first, second = second, first
    assert second.PatientID == "NEW PAT"
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert site.command(f"changeuid:{first[name].value}") == second[name].value
        assert f"NewUID for {name} = {second[name].value}" in site.log()


def test_all_uids_are_replaced_and_equal_ones_by_equal_ones(site: Site, tmp_path: Path) -> None:
    data = dcmread(CT_FILE)
    data.FrameOfReferenceUID = "1.2.3"
    data.SourceImageSequence = [Dataset(), Dataset()]
    for item, uid in zip(data.SourceImageSequence, ("1.2.3.4", data.SOPInstanceUID), strict=True):
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = data.SOPClassUID, uid
    data.save_as(tmp_path / "source.dcm")
    site.ini.write_text(site.ini.read_text() + 'ImportConverter0 = set 0008,1030 to "of %V0010,0020"\n')
    site.command("read_ini:")
    assert site.command(f"addimagefile:{tmp_path}/source.dcm,NEW PAT") == "0"
    (name,) = site.files()
    made = dcmread(site.root / "data" / name)
    first, second = made.SourceImageSequence
    assert site.command(f"changeuidback:{made.FrameOfReferenceUID}") == "1.2.3"
    assert site.command(f"changeuidback:{first.ReferencedSOPInstanceUID}") == "1.2.3.4"
    assert second.ReferencedSOPInstanceUID == made.SOPInstanceUID
    assert (first.ReferencedSOPClassUID, made.SOPClassUID) == (data.SOPClassUID, data.SOPClassUID)
    assert made.StudyDescription == "of NEW PAT"


def test_an_archived_image_goes_to_another_patient(site: Site) -> None:
    site.command(f"addimagefile:{CT_FILE}")
    (before,) = site.files()
    assert site.command(f"modifypatid:NEW PAT,{before}") == "0"
    (after,) = site.files()
    assert dcmread(site.root / "data" / after).PatientID == "NEW PAT"
    assert site.rows("SELECT PatientID FROM DICOMPatients") == [("NEW PAT",)]
    assert site.command(f"modifypatid:X,{CT_FILE}").startswith("***modifypatid: no image with the file")
    assert site.command("modifypatid:X") == "***modifypatid: expected ID,FILE\n"
    assert site.files() == [after]


def test_what_cannot_be_added(site: Site, tmp_path: Path) -> None:
    assert site.command("addimagefile:/no/such/file") == "1"
    (tmp_path / "text").write_text("not an object" * 100)
    assert site.command(f"addimagefile:{tmp_path}/text") == "1"
    assert site.files() == []


def test_upload(site: Site, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert send(site.settings, "127.0.0.1", site.port, f"addlocalfile:{CT_FILE}") == 255
    assert capfdbinary.readouterr().out == b"0"
    (name,) = site.files()
    assert dcmread(site.root / "data" / name).PixelData == dcmread(CT_FILE).PixelData
    assert site.command("addlocalfile:x") == "***addlocalfile: expected a file with the command\n"


def test_a_large_upload(site: Site, tmp_path: Path) -> None:
    data = dcmread(CT_FILE)
    data.add_new(0x00091001, "OB", b"")
    data.PixelData = bytes(3_000_000)
    data.Rows, data.Columns = 1000, 1500
    data.save_as(tmp_path / "large.dcm")
    assert site.command("addlocalfile:large.dcm", (tmp_path / "large.dcm").read_bytes()) == "0"
    assert len(site.files()) == 1


def test_a_folder_is_emptied(site: Site, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    (drop / "below").mkdir(parents=True)
    (drop / "below" / "a").write_bytes(CT_FILE.read_bytes())
    assert site.command(f"loadanddeletedir:{drop}") == ""
    assert not drop.exists()
    assert len(site.files()) == 1


def test_what_cannot_be_stored_stays(site: Site, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "a").write_bytes(CT_FILE.read_bytes())
    (drop / "text").write_text("not an object" * 100)
    assert site.command(f"loadanddeletedir:{drop}") == "***loadanddeletedir: 1 files could not be stored and stay\n"
    assert [path.name for path in drop.iterdir()] == ["text"]


@pytest.mark.parametrize("folder", ["data", "data/PAT_001_A", "."])
def test_the_archive_is_not_loaded_into_itself(site: Site, folder: str) -> None:
    site.store()
    before = site.files()
    assert "is part of the archive" in site.command(f"loadanddeletedir:{site.root}/{folder}")
    assert site.files() == before


def test_options_work_beside_a_server(site: Site, log: FileLog, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("addimagefile", str(CT_FILE), site.settings, kfactor(), log) == 0
    assert len(site.files()) == 1
    site.store()
    assert run("deletepatient", dcmread(CT_FILE).PatientID, site.settings, kfactor(), log) == 0
    assert site.rows("SELECT PatientID FROM DICOMPatients") == [("PAT 001.A",)]
    assert run("addimagefile", "/no/such/file", site.settings, kfactor(), log) == 1
    assert run("deletepatient", "", site.settings, kfactor(), log) == 1
    assert capsys.readouterr().err == "***deletepatient: expected what is to be deleted\n"
    assert run("fly", "", site.settings, kfactor(), log) == 1
