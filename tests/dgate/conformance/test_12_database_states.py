"""Section 12: the database absent or damaged, and making it anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pydicom
import pytest
from pydicom.uid import UID

from .conftest import StartNode
from .node import Node, program
from .objects import IVLE, another, ct1, uid_of
from .scu import VERIFICATION, associated, find, store

KEYS = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
TABLES = ("DICOMPatients", "DICOMStudies", "DICOMSeries", "DICOMImages")


def tables(node: Node) -> list[str]:
    return [str(name) for (name,) in node.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]


class State(NamedTuple):
    name: str
    prepare: Callable[[Node], object]
    line: str


STATES = (
    State("absent", lambda _: None, "***SQLITEExec error: no such table: DICOMImages"),
    State("empty", lambda node: node.database.touch(), "***SQLITEExec error: no such table: DICOMImages"),
    State(
        "no database",
        lambda node: node.database.write_bytes(b"x" * 4096),
        "***SQLITEExec error: file is not a database",
    ),
)


@pytest.mark.parametrize("case", STATES, ids=[case.name for case in STATES])
def test_12_serving_goes_on(start_node: StartNode, case: State) -> None:
    node = start_node(initialise=False, prepare=case.prepare)
    with associated(node.port, [(VERIFICATION, [IVLE])]) as association:
        assert association.send_c_echo().Status == 0
    assert node.database.exists()
    assert store(node.port, ct1()) == [0x0110]
    assert node.line("***SQLITEExec") == case.line
    assert node.line("***Error saving to SQL: ").startswith("***Error saving to SQL: PAT_001_A/")
    assert find(node.port, "study", KEYS) == (0xC001, [])
    assert node.files() == []
    if case.name != "no database":
        assert tables(node) == []


def test_12_a_file_that_is_no_database_is_not_repaired(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.database.write_bytes(b"x" * 4096)
    program(node.folder, "-r")
    assert node.database.read_bytes() == b"x" * 4096


def test_12_the_file_is_deleted_while_it_is_used(start_node: StartNode) -> None:
    node = start_node()
    assert store(node.port, another(1)) == [0]
    for path in node.folder.glob("conquest.db3*"):
        path.unlink()
    assert store(node.port, another(2)) == [0x0110]
    assert node.database.exists()
    assert tables(node) == []
    assert find(node.port, "study", KEYS) == (0xC001, [])


def test_12_the_folder_of_the_file_is_absent(tmp_path: Path) -> None:
    """The lines of the original; that it does not start is an error with a status here."""
    node = Node(tmp_path / "node", keys={"SQLServer": tmp_path / "nowhere" / "conquest.db3"})
    done = program(node.folder, "-v")
    assert done.returncode != 0
    database = tmp_path / "nowhere" / "conquest.db3"
    lines = done.stdout.splitlines()
    assert f"*** cannot connect to sqlite database {database}" in lines
    assert f"***Unable to open database {database} as user Administrator on localhost" in lines


# -- -r and -i


@pytest.fixture(scope="module")
def archive(start_node: StartNode) -> Node:
    """Files of a stopped server, and some that others put there."""
    node = start_node()
    assert store(node.port, another(1), another(2), ct1()) == [0] * 3
    assert node.stop() == 0
    return node


def dump(node: Node) -> dict[str, list[tuple[object, ...]]]:
    """All rows without the times."""
    found = {}
    for table in TABLES:
        names = [name for _, name, *_ in node.rows(f"PRAGMA table_info({table})") if name != "AccessTime"]
        found[table] = sorted(node.rows(f"SELECT {', '.join(names)} FROM {table}"), key=repr)  # noqa: S608
    return found


STEPS = ("Dropping Existing tables (if-any)", "WorkList Database", "Patient Database", "Study Database")


def test_12_regeneration(archive: Node) -> None:
    before, files = dump(archive), {name: (archive.data / name).read_bytes() for name in archive.files()}
    copy = archive.data / "by hand"
    for folder in ("sub/Incoming", "PRINTER_FILES", "x/bin", "kept"):
        (copy / folder).mkdir(parents=True)
    one = (archive.data / archive.files()[0]).read_bytes()
    made = pydicom.dcmread(archive.data / archive.files()[0])
    for name, uid in (("a.IMG", "1.2.9.1"), ("noext", "1.2.9.2"), ("b.DCM", "1.2.9.3"), ("c.txt", "1.2.9.4")):
        made.SOPInstanceUID = UID(uid)
        made.file_meta.MediaStorageSOPInstanceUID = UID(uid)
        made.save_as(copy / "kept" / name)
    for folder in ("sub/Incoming", "PRINTER_FILES", "x/bin"):
        (copy / folder / "d.dcm").write_bytes(one)
    (copy / "kept" / "broken.dcm").write_bytes(b"no object")
    done = program(archive.folder, "-v", "-r")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line in STEPS]
    assert told == list(STEPS)
    assert "Worklist is empty" in done.stderr.splitlines()
    lines = done.stdout.splitlines()
    assert "Regen Device 'MAG0'" in lines
    entered = sorted(line for line in lines if line.startswith("[Regen] "))
    expected = [*files, *(f"by hand/kept/{name}" for name in ("a.IMG", "noext", "b.DCM"))]
    assert entered == sorted(f"[Regen] {archive.data}/{name} -SUCCESS" for name in expected)
    assert f"***[Regen] {copy}/kept/broken.dcm -FAILED: Error on Load" in lines
    found = dump(archive)
    found["DICOMImages"] = [row for row in found["DICOMImages"] if not str(row[0]).startswith("1.2.9")]
    assert found == before
    assert {name: (archive.data / name).read_bytes() for name in files} == files
    paths = {
        str(path) for (path,) in archive.rows("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc LIKE '1.2.9.%'")
    }
    assert paths == {"by hand/kept/a.IMG", "by hand/kept/noext", "by hand/kept/b.DCM"}


def test_12_two_files_of_one_object_and_one_that_contradicts(start_node: StartNode) -> None:
    node = start_node()
    assert store(node.port, ct1()) == [0]
    assert node.stop() == 0
    (first,) = node.files()
    made = pydicom.dcmread(node.data / first)
    made.save_as(node.data / "same.dcm")
    made.SOPInstanceUID, made.PatientID = UID("1.2.9.5"), "SOMEBODY ELSE"
    made.file_meta.MediaStorageSOPInstanceUID = UID("1.2.9.5")
    made.save_as(node.data / "conflict.dcm")
    lines = program(node.folder, "-v", "-r").stdout.splitlines()
    told = {name: f"[Regen] {node.data}/{name} -SUCCESS" for name in (first, "same.dcm", "conflict.dcm")}
    failed = f"***[Regen] {node.data}/conflict.dcm -FAILED: Error SQL Add"
    assert (failed in lines) != (told["conflict.dcm"] in lines)
    if failed in lines:
        where = node.value("SELECT ObjectFile FROM DICOMImages")
        assert where == max((first, "same.dcm"), key=lambda name: lines.index(told[name]))
    else:  # it came first: the others contradict it
        assert sum(line.endswith("Error SQL Add") for line in lines) == 2


def test_12_a_worklist_with_rows_is_kept_and_the_rest_dropped(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.initialise()
    connection = sqlite3.connect(node.database)
    connection.execute("INSERT INTO DICOMWorkList (PatientID) VALUES ('W1')")
    connection.execute("INSERT INTO DICOMPatients (PatientID) VALUES ('P1')")
    connection.execute("INSERT INTO UIDMODS (OldUID) VALUES ('1.2')")
    connection.commit()
    connection.close()
    done = program(node.folder, "-i")
    assert done.returncode == 0
    assert "Worklist contains data" in done.stderr.splitlines()
    assert node.rows("SELECT PatientID FROM DICOMWorkList") == [("W1",)]
    assert node.rows("SELECT * FROM DICOMPatients") == node.rows("SELECT * FROM UIDMODS") == []


def test_12_the_first_run_tells_of_tables_that_are_not_there(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    done = program(node.folder, "-v", "-i")
    assert done.returncode == 0
    failed = [line for line in done.stdout.splitlines() if line.startswith("***Failed SQLITEExec : DROP TABLE ")]
    assert {line.split()[-1] for line in failed} >= {*TABLES, "UIDMODS"}
    again = program(node.folder, "-v", "-i")
    assert "***Failed" not in again.stdout


def test_12_mode_2_is_about_the_worklist_only(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    done = program(node.folder, "-i2")
    assert done.returncode == 0
    assert tables(node) == ["DICOMWorkList"]
    node.initialise()
    assert uid_of(ct1())
