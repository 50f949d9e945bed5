"""A trial tells what a server does, and does none of it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from dgate.encoding.part10 import read_meta
from dgate.index.schema import ensure_database
from dgate.tryout.__main__ import document
from dgate.tryout.instance import load_instance
from tests.dgate.rules.bench import make_instance, texts

ROOT = Path(__file__).resolve().parents[3]
ENVIRON = {"AETITLE": "CT1", "PORT": "5678"}
CT, MR = (str(get_testdata_file(name)) for name in ("CT_small.dcm", "MR_small.dcm"))
CT_PATH = "./mount/data/1CT1/1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322_0001_000001_"


class Site:
    """An instance's folder, which we stand in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def configure(self, *lines: str, more: str = "") -> None:
        config = self.folder / "mount/config"
        (config / "converters.txt").write_text("".join(f"{line}\n" for line in lines), encoding="latin-1")
        (config / "dicom.ini.j2").write_bytes(
            (ROOT / "templates/mount/config/dicom.ini.j2").read_bytes() + more.encode()
        )

    def script(self, name: str, code: str) -> None:
        (self.folder / "mount/scripts" / name).write_text(code)

    def database(self) -> Path:
        """Make the instance's database."""
        (self.folder / "mount/dbase").mkdir(exist_ok=True)
        instance = load_instance(ENVIRON)
        ensure_database(instance.settings, instance.kfactor)
        return self.folder / "mount/dbase/conquest.db3"

    def state(self) -> dict[str, str]:
        """Every file with a digest of its content."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def run(self, file: str = CT, *more: str) -> Trial:
        before = self.state()
        trial = Trial(document([file, *more], ENVIRON))
        assert self.state() == before, "a trial leaves everything as it was"
        return trial


class Trial:
    """What came of it."""

    def __init__(self, result: dict[str, object]) -> None:
        self.result = json.loads(json.dumps(result))

    def __getattr__(self, name: str) -> object:
        return self.result[name]

    @property
    def lines(self) -> list[str]:
        return [step["text"] for step in self.result["steps"] if not step["text"].startswith("Written file")]

    @property
    def deeds(self) -> list[str]:
        return [f"{action['deed']} {action['text']}" for action in self.result["actions"]]

    @property
    def diff(self) -> dict[str, tuple[str | None, str | None]]:
        return {one["path"]: (one["before"], one["after"]) for one in self.result["changes"]}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    folder = tmp_path / "ct1"
    shutil.copytree(ROOT / "templates/mount", folder / "mount")
    monkeypatch.chdir(folder)
    return Site(folder)


def test_without_converters_an_object_is_stored_as_it_is(site: Site) -> None:
    trial = site.run()
    assert (trial.verdict, trial.status, trial.diff, trial.deeds) == ("stored", 0, {}, [])
    assert str(trial.path).startswith(CT_PATH)
    assert [step["text"] for step in trial.result["steps"]] == [f"Written file: {trial.path}"]


def test_the_samples(site: Site) -> None:
    """conquest-converters.md 13."""
    site.configure(
        'ifequal "%m","MR"; destroy;',
        'ifequal "%m","CT"; nop Welcome CT slice for patient %i!;',
        "/conquest/mount/scripts/printPatientInfo.lua",
    )
    trial = site.run()
    assert trial.lines == [
        'Importconverter0.0 executes: ifequal "CT","MR"',
        "Importconverter0.1 not executed because of previous statement",
        'Importconverter1.0 executes: ifequal "CT","CT"',
        "Importconverter1.1: nop Welcome CT slice for patient 1CT1!",
        "Importconverter2.0: dofile(Global.basedir..'/conquest/mount/scripts/printPatientInfo.lua')",
        "Patient: CompressedSamples^CT1 (1CT1)",
    ]
    assert trial.verdict == "stored"
    other = site.run(MR)
    assert other.lines == [
        'Importconverter0.0 executes: ifequal "MR","MR"',
        "Importconverter0.1: destroyed received image",
    ]
    assert (other.verdict, other.status, other.path) == ("destroyed", 0, "")


def test_the_lines_are_those_of_a_server(site: Site, tmp_path: Path) -> None:
    lines = (
        'ifequal "%m","MR"; { nop a; nop b } nop c',
        'ifequal "%m","CT"; { nop %V0010,0010[0,3]^; set 0008,0080 to "X"; }; else; setifempty 0010,4000 to "y"',
        "scrub -LO; fixkodak; storage MAG0; compression zz; call none; nop 100%% %V0008,0080|; stop; nop never",
    )
    (tmp_path / "served").mkdir()
    served = make_instance(tmp_path / "served")
    served.configure(*lines)
    with Path(CT).open("rb") as file:
        meta = read_meta(file)
        file.seek(meta.offset)
        served.store_bytes(file.read(), meta.transfer_syntax)
    served.archive.close()
    site.configure(*lines)
    trial = site.run()
    assert trial.lines == texts(served.log.lines)
    assert len(trial.lines) > 10


def test_a_rejected_object_has_the_status_of_the_settings(site: Site) -> None:
    site.configure("reject", more="StorageFailedErrorCode = 42752\n")
    trial = site.run()
    assert (trial.verdict, trial.status, trial.path) == ("rejected", 42752, "")


def test_changes_are_told_element_by_element(site: Site) -> None:
    site.configure(
        'set PatientName to "A^B"; set PatientComments to "new"; delete 0008,0080; set 0040,0275/0008,0050 to "7"',
        'set 0008,0060 to "XX"; nop %m %V0008,0060',
    )
    trial = site.run()
    assert trial.diff == {
        "0008,0060": ("CT", "XX"),
        "0008,0080": ("JFK IMAGING CENTER", None),
        "0010,0010": ("CompressedSamples^CT1", "A^B"),
        "0010,4000": (None, "new"),
        "0040,0275": (None, "(1 item)"),
        "0040,0275[0]/0008,0050": (None, "7"),
    }
    assert trial.lines[-1] == "Importconverter1.1: nop CT XX"


def test_the_path_is_that_of_the_changed_object_on_the_preferred_device(site: Site) -> None:
    site.configure('set 0010,0020 to "OTHER"; storage MAG1', more="MAGDevices = 2\nMAGDevice1 = ./mount/more/\n")
    template = site.folder / "mount/config/dicom.ini.j2"
    template.write_text(template.read_text().replace("MAGDevices               = 1\n", ""))
    assert str(site.run().path).startswith("./mount/more/OTHER/")


def test_what_acts_outside_the_object_is_told_and_not_done(site: Site, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    site.configure(
        f'save to {bad}.dcm; write "x" to {bad}; append "x" to {bad}',
        f"copy {CT} to {bad}; mkdir {bad}/d/",
        f"rm {CT}",
        f"system touch {bad}; process with touch {bad}; save frame 1 to {bad}; save jpg size 99 as {bad}.jpg",
        f"call {tmp_path}/more; nop end",
    )
    (tmp_path / "more").write_text(f"system touch {bad}\n")
    trial = site.run()
    assert trial.deeds == [
        f"write {bad}.dcm",
        f"write {bad}",
        f"write {bad}",
        f"write {bad}",
        f"write {bad}/d/",
        f"remove {CT}",
        f"run touch {bad}",
        f"run touch {bad} TEMPFILE, whose changes to the object are not known here",
        f"write {bad}",
        f"write {bad}.jpg",
        f"run touch {bad}",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct1", "more"]
    assert trial.lines[-1] == "Importconverter4.1: nop end"


def test_what_would_be_sent_is_told_with_its_address(site: Site) -> None:
    with (site.folder / "mount/config/acrnema.map").open("a") as file:
        file.write("\nRECV 192.0.2.7 4242 un\n")
    site.configure(
        "forward to RECV; forward compressed as j2 to 192.0.2.8:105 org ME dest YOU; forward to NOBODY",
        "forward study after 9 to RECV",
    )
    trial = site.run()
    assert trial.deeds == [
        "send to RECV (192.0.2.7:4242, CT1 calls RECV)",
        "send to 192.0.2.8:105 (192.0.2.8:105, ME calls YOU, compression j2)",
        "queue forward study after 9 to RECV (9 seconds after the last image)",
    ]
    assert "ImportConverter0.0: forwarded object to RECV" in trial.lines
    assert "*** ImportConverter0.2: Forward failed to connect to host NOBODY" in trial.lines
    assert "Importconverter1.0: queued forward stu - (single object   of 1CT1) to RECV" in trial.lines


def test_export_converters_run_on_what_was_stored(site: Site) -> None:
    site.configure(
        'set 0010,0010 to "A^B"',
        more="ExportConverters = 5\n"
        "ExportConverter0 = nop %V0010,0010 %f; forward to 192.0.2.1:104; forward to NOBODY; nop no\n"
        "ExportModality1 = MR\nExportConverter1 = nop never\nExportConverter2 = echo %i; ls\n"
        "ExportFilter3 = PatientID = 'nobody'\nExportConverter3 = nop never\nExportConverter4 = defer; nop never\n",
    )
    trial = site.run()
    assert trial.deeds == [
        "send to 192.0.2.1:104 (192.0.2.1:104, CT1 calls 192.0.2.1:104)",
        "run echo 1CT1",
        f"run ls {trial.path}",
        "queue export converter 4 once more, after RetryDelay",
    ]
    assert f"Exportconverter0.0: nop A^B {trial.path}" in trial.lines
    assert f"ExportConverter0.1: forward {trial.path} to 192.0.2.1:104" in trial.lines
    assert not any("never" in line or line.endswith("nop no") for line in trial.lines)


def test_filters_and_items_know_who_sends(site: Site) -> None:
    site.configure("nop %u %c", "nop only", more="ImportCallingAE1 = SCANNER\n")
    assert site.run().lines == ["Importconverter0.0: nop CONQUESTCTL CT1"]
    assert site.run(CT, "SCANNER", "CT1~un").lines == [
        "Importconverter0.0: nop SCANNER CT1~un",
        "Importconverter1.0: nop only",
    ]


def test_scripts_run_but_do_nothing_outside(site: Site, tmp_path: Path) -> None:
    pytest.importorskip("lupa.lua51")
    bad = tmp_path / "bad"
    site.script(
        "acts.lua",
        f"""
        print(os.date('%Y') ~= '', io.open('{CT}', 'rb'):read(1) ~= nil)
        os.execute('touch {bad}') system('touch {bad}') io.popen('touch {bad}'):close()
        local file = io.open('{bad}', 'w') file:write('x') file:close()
        os.remove('{CT}') os.rename('{CT}', '{bad}') mkdir('{bad}')
        Data:Write('{bad}') Data:Dump('{bad}') Data:AddImage()
        dicomstore('RECV', Data) dicomecho('RECV') servercommand('delete_patient:1')
        sql('delete from DICOMPatients') Global.TCPPort = 9
        print(servercommand('get_param:MyACRNema'), Global.TCPPort)
        Data.PatientID = 'LUA' script('nop quiet')
        """,  # noqa: S608 - a script
    )
    site.configure("../scripts/acts.lua; nop %i")
    trial = site.run()
    assert [line for line in trial.lines if not line.startswith("would")] == [
        "Importconverter0.0: dofile(Global.basedir..'../scripts/acts.lua')",
        "true\ttrue",
        "CT1\t5678",
        "Importconverter0.1: nop LUA",
    ]
    assert trial.deeds == [
        *[f"run touch {bad}"] * 3,
        f"write {bad}",
        f"remove {CT}",
        *[f"write {bad}"] * 4,
        "write the object 1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322 into the archive",
        "send objects to RECV",
        "send a C-ECHO to RECV",
        "run the server command delete_patient:1",
        "run the SQL statement delete from DICOMPatients",
        "change the setting TCPPort",
    ]
    assert trial.diff == {"0010,0020": ("1CT1", "LUA")}
    assert not bad.exists()
    assert Path(CT).exists()


def test_a_script_with_an_error_stores_the_object(site: Site) -> None:
    pytest.importorskip("lupa.lua51")
    site.configure("lua:x = nil + 1")
    trial = site.run()
    assert trial.lines[0].startswith("*** lua run error [string")
    assert trial.verdict == "stored"


def test_records_and_known_uids_come_from_the_instances_database(site: Site) -> None:
    pytest.importorskip("lupa.lua51")
    database = site.database()
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO DICOMPatients (PatientID, PatientNam) VALUES ('1CT1', 'Known^Name')")
        connection.execute(
            "INSERT INTO UIDMODS (OldUID, NewUID, Stage) "
            "VALUES ('1.3.6.1.4.1.5962.1.2.1.20040119072730.12322', '1.2.3', '')"
        )
    connection.close()
    site.configure("nop %QP0010,0010; newuids", "lua:print(dbquery('DICOMPatients', 'PatientNam', '')[1][1])")
    trial = site.run()
    assert trial.lines[0] == "Importconverter0.0: nop Known^Name"
    assert trial.diff["0020,000d"][1] == "1.2.3"
    assert trial.lines[-1] == "Known^Name"
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT COUNT(*) FROM UIDMODS").fetchone() == (1,)
    connection.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"nop %V0008,0008 %QP0010,0010 %f",
                    b'ifequal "%m","CT"',
                    b"{ system ls",
                    b"}",
                    b"newuids",
                    b"\xef\xbb\xbf",
                ]
            ),
        ),
        max_size=8,
    ),
    st.sampled_from([b"; ", b"\r\n", b"\n"]),
)
def test_no_content_makes_it_raise_or_change_anything(site: Site, pieces: list[bytes], between: bytes) -> None:
    (site.folder / "mount/config/converters.txt").write_bytes(between.join(pieces))
    assert site.run().verdict in ("stored", "destroyed", "rejected", "failed")


def test_it_is_said_what_could_not_be_asked(site: Site) -> None:
    site.configure("nop %QP0010,0010|", more="")
    template = site.folder / "mount/config/dicom.ini.j2"
    template.write_text(template.read_text().replace("WorkListMode             = 0", "WorkListMode = 1"))
    assert site.run().notes == ["WorkListMode: the worklist was not asked"]
    site.database().write_bytes(b"no database" * 100)
    trial = site.run()
    assert trial.lines == ["Importconverter0.0: nop |"]
    assert "the instance's database was not asked: " in str(trial.notes)


def test_pixels_of_a_large_object_stay_where_they_are(site: Site, tmp_path: Path) -> None:
    large = pydicom.dcmread(CT)
    large.NumberOfFrames, large.Rows = 20, large.Rows * 2
    large.PixelData = bytes(3_000_000)
    large.save_as(tmp_path / "large.dcm")
    site.configure('set PatientName to "A^B"; newuids')
    trial = site.run(str(tmp_path / "large.dcm"))
    assert trial.verdict == "stored"
    assert trial.diff["0010,0010"] == ("CompressedSamples^CT1", "A^B")
    assert "7fe0,0010" not in trial.diff


def test_an_implicit_object_is_told_to_be_stored_explicit(site: Site) -> None:
    implicit = str(get_testdata_file("rtplan.dcm"))
    assert pydicom.dcmread(implicit).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    assert site.run(implicit).diff.get("0002,0010") in (None, ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"))


@pytest.mark.parametrize("content", [b"", b"x" * 10, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 50])
@pytest.mark.usefixtures("site")
def test_what_is_no_dicom_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.dcm").write_bytes(content)
    result = document([str(tmp_path / "bad.dcm")], ENVIRON)
    assert "bad.dcm" in str(result.get("error", "")) or result["verdict"] == "failed"
    assert "No such file" in str(document([str(tmp_path / "none.dcm")], ENVIRON)["error"])


def test_a_broken_instance_is_an_error(site: Site) -> None:
    assert "AETITLE is not set" in str(document([CT], {})["error"])
    assert "usage" in str(document([], ENVIRON)["error"])
    (site.folder / "mount/config/dicom.sql").unlink()
    assert "dicom.sql: No such file" in str(document([CT], ENVIRON)["error"])


def test_the_command_prints_one_document(site: Site) -> None:
    site.configure("destroy")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dgate.tryout", CT],
        env={"PYTHONPATH": str(ROOT), **ENVIRON},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["verdict"] == "destroyed"
    assert done.stderr == b""
