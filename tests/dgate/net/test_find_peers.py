"""C-FIND with other people's clients against the real archive: three models, the worklist, cancelling, big results."""

from __future__ import annotations

import sqlite3
import subprocess
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom import Dataset
from pynetdicom import AE

from dgate.encoding.elements import IMPLICIT_LITTLE
from dgate.net import dimse, pdu
from tests import dcmtk
from tests.dgate.archive.support import UID, ct1, dataset
from tests.dgate.archive.test_worklist import plan_procedures

from .raw import EVLE, FIND_CONTEXT, IVLE, STUDY_ROOT_FIND, RawClient, command, find_message, request
from .whole import Whole, whole_server

if TYPE_CHECKING:
    from pydicom.dataset import Dataset as Answer

PATIENT_ROOT, PATIENT_STUDY = "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.3.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
MANY = 100_000
DOES_SERIES = {UID + ".1", "1.5", "1.6.1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Two patients, three studies, a worklist; and a series with more images than fit into any socket's buffer."""
    with whole_server(tmp_path_factory.mktemp("find")) as running:
        store = running.house.store
        assert store(ct1()) == store(ct1(t00080018=b"1.5.1", t0020000e=b"1.5", t00080060=b"SR")) == 0
        assert store(ct1(t00080018=b"1.6.1.1", t0020000d=b"1.6", t0020000e=b"1.6.1", t00080020=b"20210101")) == 0
        second = {"t0020000d": b"1.7", "t0020000e": b"1.7.1", "t00100020": b"P2", "t00080020": None}
        assert store(ct1(t00080018=b"1.7.1.1", t00100010=b"O'Neil_100%", t00081030=None, **second)) == 0
        plan_procedures(running.house)
        fill(running.house.root)
        yield running
        running.wait_until_empty()


def fill(root: Path) -> None:
    """Rows are all a query looks at."""
    with closing(sqlite3.connect(root / "conquest.db3")) as connection, connection:
        connection.execute("INSERT INTO DICOMStudies (StudyInsta, PatientID) VALUES ('2.1', 'P2')")
        connection.execute("INSERT INTO DICOMSeries (SeriesInst, StudyInsta) VALUES ('2.1.1', '2.1')")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO DICOMImages (SOPInstanc, SOPClassUI, ImageNumbe, ObjectFile, SeriesInst) "
            "SELECT '2.1.1.' || i, '1.2.840.10008.5.1.4.1.1.2', i, printf('%0200d', i), '2.1.1' FROM n",
            (MANY,),
        )


def answers_of(server: Whole, folder: Path, model: str, keys: Sequence[str]) -> list[Answer]:
    """What dcmtk's findscu gets."""
    options = [part for key in keys for part in ("-k", key)]
    run_findscu(server, [model, "-X", "-od", str(folder), *options])
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def run_findscu(server: Whole, options: Sequence[str], files: Sequence[str] = ()) -> str:
    line = [dcmtk.path("findscu"), "-v", "-aec", "ORACLE", *options, "127.0.0.1", str(server.port), *files]
    done = subprocess.run(line, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout.decode("latin-1") + done.stderr.decode("latin-1")


needs_dcmtk = pytest.mark.skipif(not dcmtk.find("findscu"), reason="dcmtk is not installed")


@needs_dcmtk
@pytest.mark.peer
class TestDcmtk:
    @pytest.mark.parametrize(
        ("model", "keys", "tag", "expected"),
        [
            ("-P", ["0008,0052=PATIENT", "0010,0020=*"], "PatientID", {"PAT 001.A", "P2"}),
            ("-P", ["0008,0052=STUDY", "0010,0020=PAT 001.A", "0020,000d"], "StudyInstanceUID", {UID, "1.6"}),
            ("-P", ["0008,0052=SERIES", "0010,0010=Doe*", "0020,000e"], "SeriesInstanceUID", DOES_SERIES),
            ("-P", ["0008,0052=IMAGE", "0020,000d=1.7", "0008,0018"], "SOPInstanceUID", {"1.7.1.1"}),
            ("-S", ["0008,0052=STUDY", "0008,0020=20210101-20211231", "0020,000d"], "StudyInstanceUID", {"1.6"}),
            ("-S", ["0008,0052=STUDY", "0008,0061=CT", "0020,000d"], "StudyInstanceUID", {UID, "1.6", "1.7"}),
            ("-S", ["0008,0052=STUDY", "0008,0061=SR", "0020,000d"], "StudyInstanceUID", {UID}),
            ("-S", ["0008,0052=STUDY", r"0020,000d=1.6\1.7"], "StudyInstanceUID", {"1.6", "1.7"}),
            ("-S", ["0008,0052=SERIES", f"0020,000d={UID}", "0020,000e"], "SeriesInstanceUID", {UID + ".1", "1.5"}),
            ("-S", ["0008,0052=IMAGE", "0008,0018=1.5*"], "SOPInstanceUID", {"1.5.1"}),
            ("-O", ["0008,0052=PATIENT", "0010,0010=*_1??%", "0010,0020"], "PatientID", {"P2"}),
            ("-O", ["0008,0052=STUDY", "0010,0020=P2", "0020,000d"], "StudyInstanceUID", {"1.7", "2.1"}),
            ("-S", ["0008,0052=STUDY", "0010,0010=Doe", "0020,000d"], "StudyInstanceUID", set()),
            ("-S", ["0008,0052=STUDY", "0010,0010=x' OR '1'='1", "0020,000d"], "StudyInstanceUID", set()),
        ],
    )  # fmt: skip
    def test_queries(
        self, server: Whole, tmp_path: Path, model: str, keys: list[str], tag: str, expected: set[str]
    ) -> None:
        found = answers_of(server, tmp_path, model, keys)
        assert {str(answer[tag].value) for answer in found} == expected
        assert len(found) == len(expected)

    @pytest.mark.parametrize(
        ("model", "keys"),
        [
            ("-S", ["0008,0052=INSTANCE", "0008,0018"]),
            ("-S", ["0008,0052=PATIENT", "0010,0020"]),
            ("-O", ["0008,0052=SERIES", "0020,000e"]),
            ("-P", ["0010,0020"]),
            ("-P", ["0008,0052=STUDY", "0008,0056"]),
        ],
    )
    def test_refusals_say_why(self, server: Whole, model: str, keys: list[str]) -> None:
        said = run_findscu(server, ["-d", model, *[part for key in keys for part in ("-k", key)]])
        assert "0xc001" in said
        assert "query level" in said or "no key of the query" in said
        assert "0xff00" not in said

    def test_private_control_keys(self, server: Whole, tmp_path: Path) -> None:
        """They come from a file, as findscu takes no value for a key that its dictionary lacks."""
        keys = Dataset()
        keys.QueryRetrieveLevel, keys.SeriesInstanceUID, keys.InstanceNumber = "IMAGE", "2.1.1", None
        values = {0x99990C00: "ImageNumbe desc", 0x99990C01: "3", 0x99990C02: "1", 0x99990800: "", 0x99990801: ""}
        for tag, value in values.items():
            keys.add_new(tag, "LO", value)
        keys.save_as(tmp_path / "query.dcm", implicit_vr=False, little_endian=True)
        run_findscu(server, ["-S", "-X", "-od", str(tmp_path)], [str(tmp_path / "query.dcm")])
        found = [pydicom.dcmread(path, force=True) for path in sorted(tmp_path.glob("rsp*.dcm"))]
        assert [answer.InstanceNumber for answer in found] == [99998, 99997, 99996]
        assert [answer[0x99990800].value[-6:] for answer in found] == ["099998", "099997", "099996"]
        assert [answer[0x99990801].value for answer in found] == [""] * 3

    def test_worklist(self, server: Whole, tmp_path: Path) -> None:
        keys = [
            "0010,0010", "0010,0020", "0008,0050",
            "(0040,0100)[0].Modality=CT",
            "(0040,0100)[0].ScheduledProcedureStepStartDate=20260101-20260131",
            "(0040,0100)[0].ScheduledStationAETitle",
        ]  # fmt: skip
        (answer,) = answers_of(server, tmp_path, "-W", keys)
        assert (answer.PatientName, answer.PatientID, answer.AccessionNumber) == ("Zeta^Anna", "P1", "A1")
        (step,) = answer.ScheduledProcedureStepSequence
        assert (step.Modality, step.ScheduledStationAETitle) == ("CT", "CT1")
        assert step.ScheduledProcedureStepStartDate == "20260105"
        assert answer.SpecificCharacterSet == "ISO_IR 100"

    def test_cancelling_in_the_middle(self, server: Whole) -> None:
        keys = ["-k", "0008,0052=IMAGE", "-k", "0008,0018", "-k", "0020,000e=2.1.1", "-k", "9999,0800"]
        said = run_findscu(server, ["-S", "--cancel", "3", *keys])
        assert "Cancel" in said
        assert said.count("(Pending)") < MANY
        assert "0xfe00" in said.lower() or "MatchingTerminatedDueToCancelRequest" in said
        assert "Cancel request" in server.log.lines


class TestPynetdicom:
    def find(self, server: Whole, sop: str, syntax: str = EVLE, **keys: str) -> list[tuple[int, Answer | None, str]]:
        identifier = Dataset()
        for name, value in keys.items():
            setattr(identifier, name, value)
        ae = AE("PYNET")
        ae.add_requested_context(sop, syntax)
        association = ae.associate("127.0.0.1", server.port, ae_title="ORACLE")
        assert association.is_established
        found = [
            (status.Status, answer, str(status.get("ErrorComment", "")))
            for status, answer in association.send_c_find(identifier, sop)
        ]
        association.release()
        return found

    @pytest.mark.parametrize("syntax", [IVLE, EVLE, "1.2.840.10008.1.2.2"])
    @pytest.mark.parametrize("sop", [PATIENT_ROOT, STUDY_ROOT_FIND, PATIENT_STUDY])
    def test_all_models_in_all_encodings(self, server: Whole, sop: str, syntax: str) -> None:
        keys = {"QueryRetrieveLevel": "STUDY", "PatientID": "PAT 001.A", "StudyInstanceUID": "", "StudyDate": "2021*"}
        one, last = self.find(server, sop, syntax, **keys, RetrieveAETitle="", StudyDescription="", Modality="")
        status, answer, _ = one
        assert status == 0xFF00
        assert answer is not None
        assert {element.keyword: element.value for element in answer} == {
            "QueryRetrieveLevel": "STUDY",
            "PatientID": "PAT 001.A",
            "StudyInstanceUID": "1.6",
            "StudyDate": "20210101",
            "StudyDescription": "Brain, w/o: contrast",
            "RetrieveAETitle": "ORACLE",
        }
        assert last == (0, None, "")

    def test_null_is_an_empty_value_and_no_match_is_just_success(self, server: Whole) -> None:
        keys = {"QueryRetrieveLevel": "STUDY", "StudyDate": "", "StudyDescription": ""}
        (_, answer, _), _ = self.find(server, STUDY_ROOT_FIND, **keys, StudyInstanceUID="1.7")
        assert answer is not None
        assert answer.StudyDate == answer.StudyDescription == ""
        assert self.find(server, STUDY_ROOT_FIND, **keys, StudyInstanceUID="9.9") == [(0, None, "")]

    def test_a_failure_has_a_comment(self, server: Whole) -> None:
        found = self.find(server, STUDY_ROOT_FIND, QueryRetrieveLevel="FOO" + chr(92) + "BAR", PatientID="")
        ((status, answer, comment),) = found
        assert (status, answer) == (0xC001, None)
        assert comment.startswith("unknown query level")
        assert chr(92) not in comment
        assert len(comment) <= 64

    def test_worklist(self, server: Whole) -> None:
        step = Dataset()
        step.Modality, step.ScheduledProcedureStepStartDate = "", "20260106-"
        identifier = {"PatientName": "", "AccessionNumber": "", "ScheduledProcedureStepSequence": [step]}
        *found, last = self.find(server, WORKLIST, **identifier)  # type: ignore[arg-type]
        assert [(status, answer.AccessionNumber) for status, answer, _ in found if answer] == [
            (0xFF00, "A2"),
            (0xFF00, "A3"),
        ]
        assert last == (0, None, "")

    def test_cancelling_in_the_middle(self, server: Whole) -> None:
        identifier = Dataset()
        identifier.QueryRetrieveLevel, identifier.SeriesInstanceUID, identifier.SOPInstanceUID = "IMAGE", "2.1.1", ""
        identifier.add_new(0x99990800, "LO", "")
        ae = AE("PYNET")
        ae.add_requested_context(STUDY_ROOT_FIND, EVLE)
        association = ae.associate("127.0.0.1", server.port, ae_title="ORACLE")
        statuses = []
        for status, _ in association.send_c_find(identifier, STUDY_ROOT_FIND, msg_id=12):
            statuses.append(status.Status)
            if len(statuses) == 3:
                association.send_c_cancel(12, query_model=STUDY_ROOT_FIND)
        association.release()
        assert statuses[-1] == 0xFE00
        assert set(statuses[:-1]) == {0xFF00}
        assert len(statuses) < MANY


def everything() -> bytes:
    elements = {0x00080052: (b"CS", b"IMAGE"), 0x00080018: (b"UI", b""), 0x99990800: (b"LO", b"")}
    return dataset(elements, IMPLICIT_LITTLE)


def test_a_stored_object_does_not_wait_for_a_query_that_nobody_reads(server: Whole) -> None:
    with RawClient(server.port, receive_buffer=4096) as client:
        client.associate(request([pdu.ProposedContext(FIND_CONTEXT, STUDY_ROOT_FIND, (IVLE,))]))
        client.send(find_message(everything()))
        assert client.response()[0].number(dimse.STATUS) == dimse.PENDING
        assert server.house.store(ct1(t00080018=b"1.8.1", t0020000d=b"1.8", t0020000e=b"1.8.0", t00100020=b"P3")) == 0
        client.send(dimse.encode_message(FIND_CONTEXT, command(dimse.C_CANCEL), None, 0))
        status = dimse.PENDING
        while status == dimse.PENDING:
            status = client.status()
        assert status == 0xFE00
        client.release()


def test_a_big_result_is_never_in_memory_as_a_whole(server: Whole) -> None:
    answers = server.house.archive.find("study", everything(), IMPLICIT_LITTLE)
    next(answers)
    tracemalloc.start()
    try:
        size = sum(map(len, answers))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 20_000_000
    assert peak < 1_000_000
