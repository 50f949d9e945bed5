"""Section 9.1 and 9.2: C-FIND in three models, and the modality worklist."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from .conftest import StartNode
from .node import Node
from .objects import EVLE, IVLE, UID, ct1
from .scu import FIND, associated, dataset, find, plain, store

A, B, C, D = (f"{UID}.{letter}" for letter in "1234")
"""Studies: two of PAT 001.A (a third modality in the first), one of another patient, one of a third."""

OBJECTS = (
    ct1(t0020000D=A, t0020000E=A + ".1", t00080018=A + ".1.1", t00200013="1", t00080050="ACC1"),
    ct1(t0020000D=A, t0020000E=A + ".1", t00080018=A + ".1.2", t00200013="2", t00080050="ACC1"),
    ct1(t0020000D=A, t0020000E=A + ".1", t00080018=A + ".1.3", t00200013="10", t00080050="ACC1"),
    ct1(t0020000D=A, t0020000E=A + ".2", t00080018=A + ".2.1", t00080060="RTSTRUCT", t00200011="8", t00080050="ACC1"),
    ct1(t0020000D=A, t0020000E=A + ".3", t00080018=A + ".3.1", t00080060="SR", t00200011="9", t00080050="ACC1"),
    ct1(t0020000D=B, t0020000E=B + ".1", t00080018=B + ".1.1", t00080020="20210101", t00080030="235959", t00081030=""),
    ct1(t0020000D=C, t0020000E=C + ".1", t00080018=C + ".1.1", t00100020="100%_[x", t00100010="doe^jane", t00080020="20200301", t00080060="MR", t00100040="F"),
    ct1(t0020000D=D, t0020000E=D + ".1", t00080018=D + ".1.1", t00100020="O'Hara", t00100010="Aaron^Al", t00080020="20191231", t00080030="08", t00080060="US"),
)  # fmt: skip

SORTED = {"keys": {"EnableComputedFields": 1}}


def fill(node: Node) -> Node:
    assert store(node.port, *OBJECTS) == [0] * len(OBJECTS)
    return node


@pytest.fixture(scope="module")
def filled(start_node: StartNode) -> Node:
    return fill(start_node(keys={"EnableComputedFields": 1}))


class Match(NamedTuple):
    """Keys beside the level, and the values that `of` has in the answers, in any order."""

    level: str
    keys: Mapping[str, object]
    of: str
    expected: tuple[str, ...]
    model: str = "study"


def studies(keys: Mapping[str, object], *expected: str) -> Match:
    return Match("STUDY", {"StudyInstanceUID": "", **keys}, "StudyInstanceUID", expected)


MATCHES = (
    studies({}, A, B, C, D),
    studies({"PatientID": "PAT 001.A"}, A, B),
    studies({"PatientID": "PAT 001.A "}, A, B),
    studies({"PatientID": "pat 001.a"}),
    studies({"PatientID": "pat*"}, A, B),
    studies({"PatientID": "PAT 001"}),
    studies({"PatientID": "?AT 001.?"}, A, B),
    studies({"PatientID": "*"}, A, B, C, D),
    studies({"PatientID": "**"}, A, B, C, D),
    studies({"PatientID": "**001**"}, A, B),
    studies({"PatientID": "100%_[x"}, C),
    studies({"PatientID": "100%*"}, C),
    studies({"PatientID": "%"}),
    studies({"PatientID": "*_*"}, C),
    studies({"PatientID": "*[x"}, C),
    studies({"PatientID": "_AT 001.A"}),
    studies({"PatientID": "O'Hara"}, D),
    studies({"PatientID": "o'h*"}, D),
    studies({"PatientID": "' OR 1=1 --"}),
    studies({"PatientID": "PAT 001.A\\O'Hara"}),
    studies({"PatientName": "Doe"}),
    studies({"PatientName": "Doe*"}, A, B, C),
    studies({"PatientName": "DOE^J*"}, A, B, C),
    studies({"PatientName": "Doe^John^Q"}, A, B),
    studies({"PatientName": "doe^john^q"}),
    studies({"PatientName": "*john*"}, A, B),
    studies({"PatientSex": "F"}, C),
    studies({"PatientBirthDate": "19701231"}, A, B, C, D),
    studies({"StudyDate": "20200229"}, A),
    studies({"StudyDate": "20200201-20200331"}, A, C),
    studies({"StudyDate": "20200301-"}, B, C),
    studies({"StudyDate": "-20200229"}, A, D),
    studies({"StudyDate": "20220101-20230101"}),
    studies({"StudyTime": "235959"}, B),
    studies({"StudyTime": "101112"}),
    studies({"StudyTime": "101112.123456"}, A, C),
    studies({"StudyTime": "10-11"}, A, C),
    studies({"StudyTime": "-09"}, D),
    studies({"StudyTime": "10*"}, A, C),
    studies({"StudyInstanceUID": A}, A),
    studies({"StudyInstanceUID": f"{A}\\{C}"}, A, C),
    studies({"StudyInstanceUID": f"{A}\\1.2.3"}, A),
    studies({"StudyInstanceUID": UID + ".*"}, A, B, C, D),
    studies({"StudyInstanceUID": UID + ".?"}, A, B, C, D),
    studies({"ModalitiesInStudy": "CT"}, A, B),
    studies({"ModalitiesInStudy": "RTSTRUCT"}, A),
    studies({"ModalitiesInStudy": "SR"}, A),
    studies({"ModalitiesInStudy": "S*"}, A),
    studies({"ModalitiesInStudy": "R*"}),
    studies({"ModalitiesInStudy": "C*"}, B),
    studies({"ModalitiesInStudy": "CT\\MR"}),
    studies({"Modality": "CT"}, A, B, C, D),
    studies({"Modality": "nonsense"}, A, B, C, D),
    studies({"SeriesNumber": "99"}, A, B, C, D),
    studies({"SOPInstanceUID": "1.2.3"}, A, B, C, D),
    studies({"AccessionNumber": "ACC1", "PatientID": "PAT*"}, A),
    studies({"StudyID": "STU 1"}, A, B, C, D),
    Match("PATIENT", {"PatientID": ""}, "PatientID", ("PAT 001.A", "100%_[x", "O'Hara"), "patient"),
    Match("PATIENT", {"PatientID": "", "StudyDate": "20200229"}, "PatientID", ("PAT 001.A", "100%_[x", "O'Hara"), "patient"),
    Match("PATIENT", {"PatientID": "", "PatientName": "doe*"}, "PatientID", ("PAT 001.A", "100%_[x"), "patient_study"),
    Match("STUDY", {"StudyInstanceUID": "", "PatientID": "O'Hara"}, "StudyInstanceUID", (D,), "patient"),
    Match("STUDY", {"StudyInstanceUID": "", "PatientID": "O'Hara"}, "StudyInstanceUID", (D,), "patient_study"),
    Match("SERIES", {"SeriesInstanceUID": ""}, "SeriesInstanceUID", (A + ".1", A + ".2", A + ".3", B + ".1", C + ".1", D + ".1")),
    Match("SERIES", {"SeriesInstanceUID": "", "PatientID": "PAT 001.A", "Modality": "CT"}, "SeriesInstanceUID", (A + ".1", B + ".1")),
    Match("SERIES", {"SeriesInstanceUID": "", "StudyDate": "20210101"}, "SeriesInstanceUID", (B + ".1",)),
    Match("SERIES", {"SeriesInstanceUID": "", "StudyInstanceUID": A, "SeriesNumber": "8"}, "SeriesInstanceUID", (A + ".2",)),
    Match("SERIES", {"SeriesInstanceUID": "", "PatientName": "Aaron*"}, "SeriesInstanceUID", (D + ".1",), "patient"),
    Match("SERIES", {"SeriesInstanceUID": "", "ModalitiesInStudy": "SR", "Modality": "CT"}, "SeriesInstanceUID", (A + ".1",)),
    Match("IMAGE", {"SOPInstanceUID": "", "SeriesInstanceUID": A + ".1"}, "SOPInstanceUID", (A + ".1.1", A + ".1.2", A + ".1.3")),
    Match("IMAGE", {"SOPInstanceUID": "", "InstanceNumber": "10"}, "SOPInstanceUID", (A + ".1.3",)),
    Match("IMAGE", {"SOPInstanceUID": "", "AccessionNumber": "*1", "InstanceNumber": "1"}, "SOPInstanceUID", (A + ".1.1",)),
    Match("IMAGE", {"SOPInstanceUID": "", "PatientID": "O'Hara"}, "SOPInstanceUID", (D + ".1.1",), "patient"),
    Match("IMAGE", {"SOPInstanceUID": "", "Modality": "MR"}, "SOPInstanceUID", (C + ".1.1",)),
    Match("STUDY  ", {"StudyInstanceUID": "", "PatientID": "O'Hara"}, "StudyInstanceUID", (D,)),
)  # fmt: skip


@pytest.mark.parametrize("case", MATCHES, ids=[f"{case.level.strip()}-{dict(case.keys)}"[:90] for case in MATCHES])
def test_9_1_matching(filled: Node, case: Match) -> None:
    status, answers = find(filled.port, case.model, {"QueryRetrieveLevel": case.level, **case.keys})
    assert status == 0
    assert sorted(str(answer.get(case.of, "")) for answer in answers) == sorted(case.expected)


class Refused(NamedTuple):
    model: str
    keys: Mapping[str, object]


REFUSED = (
    Refused("study", {"StudyInstanceUID": ""}),
    Refused("study", {"QueryRetrieveLevel": "PATIENT", "PatientID": ""}),
    Refused("study", {"QueryRetrieveLevel": "INSTANCE", "SOPInstanceUID": ""}),
    Refused("study", {"QueryRetrieveLevel": "study", "StudyInstanceUID": ""}),
    Refused("study", {"QueryRetrieveLevel": "FOO", "StudyInstanceUID": ""}),
    Refused("study", {"QueryRetrieveLevel": "", "StudyInstanceUID": ""}),
    Refused("patient_study", {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": ""}),
    Refused("patient_study", {"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": ""}),
    Refused("study", {"QueryRetrieveLevel": "STUDY"}),
    Refused("study", {"QueryRetrieveLevel": "STUDY", "Modality": "CT", "InstanceAvailability": ""}),
)


@pytest.mark.parametrize("case", REFUSED, ids=[f"{case.model}-{dict(case.keys)}"[:80] for case in REFUSED])
def test_9_1_refused(filled: Node, case: Refused) -> None:
    assert find(filled.port, case.model, case.keys) == (0xC001, [])


class Answers(NamedTuple):
    """Keys, and the whole of the answers."""

    keys: Mapping[str, object]
    expected: list[dict[str, str]]
    model: str = "study"


_OHARA = {"QueryRetrieveLevel": "STUDY", "PatientID": "O'Hara"}

ANSWERS = (
    Answers({**_OHARA, "StudyDate": ""}, [{"PatientID": "O'Hara", "StudyDate": "20191231"}]),
    Answers({**_OHARA, "AccessionNumber": ""}, [{"PatientID": "O'Hara", "AccessionNumber": ""}]),
    Answers({**_OHARA, "RetrieveAETitle": ""}, [{"PatientID": "O'Hara", "RetrieveAETitle": "ORACLE"}]),
    Answers({**_OHARA, "SpecificCharacterSet": "ISO_IR 100", "InstanceAvailability": "", "Modality": ""}, [{"PatientID": "O'Hara"}]),
    Answers({**_OHARA, "StudyDescription": ""}, [{"PatientID": "O'Hara", "StudyDescription": "Brain, w/o: contrast"}]),
    Answers(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": A, "ModalitiesInStudy": "CT"},
        [{"StudyInstanceUID": A, "ModalitiesInStudy": "SR\\RTSTRUCT\\CT"}],
    ),
    Answers(
        {"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": D + ".1.1", "PatientName": "", "StudyID": "", "Modality": "", "Rows": ""},
        [{"SOPInstanceUID": D + ".1.1", "PatientName": "Aaron^Al", "StudyID": "STU 1", "Modality": "US", "Rows": "4"}],
    ),
    Answers(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": A, "NumberOfStudyRelatedSeries": "", "NumberOfStudyRelatedInstances": ""},
        [{"StudyInstanceUID": A, "NumberOfStudyRelatedSeries": "3", "NumberOfStudyRelatedInstances": "5"}],
    ),
    Answers(
        {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": A + ".1", "NumberOfSeriesRelatedInstances": ""},
        [{"SeriesInstanceUID": A + ".1", "NumberOfSeriesRelatedInstances": "3"}],
    ),
    Answers(
        {"QueryRetrieveLevel": "PATIENT", "PatientID": "PAT 001.A", "NumberOfPatientRelatedStudies": "", "NumberOfPatientRelatedSeries": "", "NumberOfPatientRelatedInstances": ""},
        [{"PatientID": "PAT 001.A", "NumberOfPatientRelatedStudies": "2", "NumberOfPatientRelatedSeries": "4", "NumberOfPatientRelatedInstances": "6"}],
        "patient",
    ),
    Answers(
        {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": A + ".1", "NumberOfStudyRelatedSeries": "", "NumberOfPatientRelatedStudies": ""},
        [{"SeriesInstanceUID": A + ".1"}],
    ),
    Answers({**_OHARA, "NumberOfSeriesRelatedInstances": ""}, [{"PatientID": "O'Hara"}]),
)  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS, ids=[str(list(case.keys)[2:] or case.keys) for case in ANSWERS])
def test_9_1_what_is_answered(filled: Node, case: Answers) -> None:
    status, answers = find(filled.port, case.model, case.keys)
    assert (status, plain(answers)) == (0, case.expected)
    level = str(case.keys["QueryRetrieveLevel"])
    assert {str(answer.QueryRetrieveLevel) for answer in answers} == {level}


def test_9_1_own_title_is_padded_and_numbers_are_even(filled: Node) -> None:
    keys = {**_OHARA, "RetrieveAETitle": "", "NumberOfStudyRelatedSeries": "", "NumberOfStudyRelatedInstances": ""}
    raw = _raw_answer(filled, keys)
    assert b"\x08\x00\x54\x00\x10\x00\x00\x00ORACLE          " in raw
    assert b"\x20\x00\x06\x12\x02\x00\x00\x001 " in raw


def _raw_answer(node: Node, keys: Mapping[str, object]) -> bytes:
    """The first answer as it was on the wire, in implicit little endian."""
    from io import BytesIO

    from pynetdicom.dimse_primitives import C_FIND
    from pynetdicom.dsutils import encode

    request = C_FIND()
    request.MessageID, request.AffectedSOPClassUID, request.Priority = 1, FIND["study"], 0
    encoded = encode(dataset(keys), True, True)
    assert encoded is not None
    request.Identifier = BytesIO(encoded)
    with associated(node.port, [(FIND["study"], [IVLE])]) as association:
        association._reactor_checkpoint.clear()
        association.dimse.send_msg(request, 1)
        messages = [association.dimse.get_msg(block=True)[1]]
        while messages[-1] is not None and messages[-1].Status == 0xFF00:
            messages.append(association.dimse.get_msg(block=True)[1])
        association._reactor_checkpoint.set()
    first: object = messages[0]
    assert isinstance(first, C_FIND)
    assert first.Identifier is not None
    return bytes(first.Identifier.getvalue())


def test_9_1_explicit_requests_are_answered_alike(filled: Node) -> None:
    keys = {"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": D + ".1.1", "Rows": None, "StudyDate": "2019*"}
    status, answers = find(filled.port, "study", keys, syntax=EVLE)
    assert (status, plain(answers)) == (0, [{"SOPInstanceUID": D + ".1.1", "Rows": "4", "StudyDate": "20191231"}])


def test_9_1_computed_fields_are_off_unless_asked_for(node: Node) -> None:
    assert store(node.port, OBJECTS[0]) == [0]
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": A, "NumberOfStudyRelatedSeries": ""}
    assert plain(find(node.port, "study", keys)[1]) == [{"StudyInstanceUID": A}]


# -- order


def ordered(node: Node, keys: Mapping[str, object], of: str, model: str = "study") -> list[str]:
    status, answers = find(node.port, model, keys)
    assert status == 0
    return [str(answer.get(of)) for answer in answers]


def test_9_1_by_patient_name_in_byte_order(filled: Node) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "PatientName": "", "StudyInstanceUID": ""}
    names = ["Aaron^Al", "Doe^John^Q", "Doe^John^Q", "doe^jane"]
    assert ordered(filled, keys, "PatientName") == names
    keys = {"QueryRetrieveLevel": "PATIENT", "PatientName": "", "PatientID": ""}
    assert ordered(filled, keys, "PatientName", "patient") == ["Aaron^Al", "Doe^John^Q", "doe^jane"]


@pytest.fixture(scope="module")
def sorting(start_node: StartNode) -> Node:
    return fill(
        start_node(
            keys={
                "StudyQuerySortOrder": "DICOMStudies.StudyDate desc",
                "ImageQuerySortOrder": "DICOMImages.ImageNumbe desc",
            }
        )
    )


def test_2_2_sort_order_of_studies_and_images(sorting: Node) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "PatientName": "", "StudyInstanceUID": ""}
    assert ordered(sorting, keys, "StudyInstanceUID") == [B, C, A, D]
    keys = {"QueryRetrieveLevel": "STUDY", "StudyID": "STU 1", "StudyDate": ""}
    assert ordered(sorting, keys, "StudyDate") == ["20210101", "20200301", "20200229", "20191231"]
    keys = {"QueryRetrieveLevel": "IMAGE", "SeriesInstanceUID": A + ".1", "InstanceNumber": "", "SOPInstanceUID": ""}
    assert ordered(sorting, keys, "InstanceNumber") == ["2", "10", "1"]
    assert set(plain(find(sorting.port, "study", keys)[1])[0]) == {
        "SeriesInstanceUID",
        "InstanceNumber",
        "SOPInstanceUID",
    }


# -- private control keys

_IMAGES = {"QueryRetrieveLevel": "IMAGE", "SeriesInstanceUID": A + ".1", "SOPInstanceUID": ""}


def test_9_1_order_limit_and_offset(filled: Node) -> None:
    keys = {**_IMAGES, "99990C00": "ImageNumbe", "99990C01": "2"}
    assert ordered(filled, keys, "SOPInstanceUID") == [A + ".1.1", A + ".1.3"]
    assert ordered(filled, {**keys, "99990C02": "1"}, "SOPInstanceUID") == [A + ".1.3", A + ".1.2"]
    assert ordered(filled, {**keys, "99990C02": "2"}, "SOPInstanceUID") == [A + ".1.2"]
    assert ordered(filled, {**_IMAGES, "99990C00": "SOPInstanc"}, "SOPInstanceUID") == [
        A + ".1.1",
        A + ".1.2",
        A + ".1.3",
    ]


def test_9_1_where_the_file_lies(filled: Node) -> None:
    keys = {"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": D + ".1.1", "99990800": "", "99990801": ""}
    path = filled.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", D + ".1.1")
    ((answer),) = find(filled.port, "study", keys)[1]
    found = {int(element.tag): element.value for element in answer}
    text = {tag: value.decode() if isinstance(value, bytes) else str(value) for tag, value in found.items()}
    assert (text[0x99990800].strip(), text[0x99990801].strip()) == (path, "MAG0")
    series = {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": D + ".1", "99990800": ""}
    assert plain(find(filled.port, "study", series)[1]) == [{"SeriesInstanceUID": D + ".1"}]


# -- character sets


def test_2_2_a_character_set_is_added_where_the_ini_says(start_node: StartNode) -> None:
    node = start_node(keys={"QueriesReturnISO_IR": 192})
    assert store(node.port, OBJECTS[0]) == [0]
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": A}
    assert plain(find(node.port, "study", keys)[1]) == [{"SpecificCharacterSet": "ISO_IR 192", "StudyInstanceUID": A}]


# -- 10: the log of a query


class Told(NamedTuple):
    model: str
    keys: Mapping[str, object]
    lines: tuple[str, ...]


TOLD = (
    Told(
        "study",
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", "StudyDate": "20200201-20200331"},
        (
            "(StudyRootQuery) search level: STUDY ",
            "Query On Study",
            "Issue Query on Columns: DICOMStudies.StudyDate, DICOMStudies.StudyInsta",
            "Values: DICOMStudies.StudyDate >= '20200201' and DICOMStudies.StudyDate <= '20200331'",
            "Tables: DICOMStudies",
            "Records = 2",
            "C-Find (StudyRoot) located 2 records",
        ),
    ),
    Told(
        "patient",
        {"QueryRetrieveLevel": "PATIENT", "PatientID": "O'Hara", "PatientName": ""},
        (
            "(PatientRootQuery) search level: PATIENT ",
            "Query On Patient",
            "Issue Query on Columns: DICOMPatients.PatientNam, DICOMPatients.PatientID",
            "Tables: DICOMPatients",
            "Sort: DICOMPatients.PatientNam",
            "Records = 1",
            "C-Find (PatientRoot) located 1 records",
        ),
    ),
    Told(
        "patient_study",
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"},
        (
            "(PatientStudyOnlyQuery) search level: STUDY ",
            "Values: DICOMStudies.StudyInsta = '1.2.3'",
            "C-Find (PatientStudyOnly) located 0 records",
        ),
    ),
    Told(
        "study",
        {"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": "1.2.3"},
        ("(StudyRootQuery) search level: IMAGE ", "Query On Image", "C-Find (StudyRoot) located 0 records"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", TOLD, ids=[case.lines[0] for case in TOLD])
def test_10_what_the_log_says_of_a_query(filled: Node, case: Told) -> None:
    before, users = filled.mark(), filled.user()
    find(filled.port, case.model, case.keys)
    filled.line("UPACS THREAD", before)
    filled.line(case.lines[-1], before)
    lines = filled.lines(before)
    assert [line for line in case.lines if line not in lines] == []
    assert sorted(case.lines, key=lines.index) == list(case.lines)
    assert filled.user() == users


def test_9_1_a_cancel_is_told_of(filled: Node) -> None:
    before = filled.mark()
    with associated(filled.port, [(FIND["study"], [IVLE])]) as association:
        association.send_c_cancel(7, query_model=FIND["study"])
    assert filled.line("Cancel request", before) == "Cancel request"


# -- 9.2

_STEP = "StartDate, StartTime, Modality, ScheduledA, SchedPSID"
_ROWS = (
    ("ACC1", "W1", "Zorro^Z", "1.2.3.1", "20261201", "0900", "CT", "ORACLE", "S1", "R1"),
    ("ACC2", "W2", "Adams^A", "1.2.3.2", "20261202", "1000", "MR", "OTHER", "S2", "R2"),
    ("ACC3", "W3", "M\xfcller^M", "1.2.3.3", "20261203", "1100", "CT", "ORACLE", "S3", None),
)


@pytest.fixture(scope="module")
def worklist(start_node: StartNode) -> Node:
    def enter(made: Node) -> None:
        made.initialise()
        connection = sqlite3.connect(made.database)
        for row in _ROWS:
            values = [value.encode("latin-1") if value is not None else None for value in row]
            connection.execute(
                f"INSERT INTO DICOMWorkList (AccessionN, PatientID, PatientNam, StudyInsta, {_STEP}, ReqProcID) "  # noqa: S608
                f"VALUES ({', '.join(['CAST(? AS TEXT)'] * len(row))})",
                values,
            )
        connection.commit()
        connection.close()

    return start_node(initialise=False, prepare=enter)


def step(keys: Mapping[str, object]) -> dict[str, object]:
    return {"ScheduledProcedureStepSequence": [dataset(keys)]}


WORKLISTS: tuple[tuple[Mapping[str, object], list[str]], ...] = (
    ({"AccessionNumber": ""}, ["ACC1", "ACC2", "ACC3"]),
    ({"AccessionNumber": "", "PatientID": "W2"}, ["ACC2"]),
    ({"AccessionNumber": "", "PatientID": "w*"}, ["ACC1", "ACC2", "ACC3"]),
    ({"AccessionNumber": "", **step({"Modality": "CT"})}, ["ACC1", "ACC3"]),
    ({"AccessionNumber": "", **step({"ScheduledStationAETitle": "OTHER"})}, ["ACC2"]),
    ({"AccessionNumber": "", **step({"ScheduledProcedureStepStartDate": "20261202-"})}, ["ACC2", "ACC3"]),
    ({"AccessionNumber": "ACC9"}, []),
)


@pytest.mark.parametrize(("keys", "expected"), WORKLISTS, ids=[str(position) for position in range(len(WORKLISTS))])
def test_9_2_matching(worklist: Node, keys: Mapping[str, object], expected: list[str]) -> None:
    status, answers = find(worklist.port, "worklist", keys)
    assert (status, sorted(str(answer.AccessionNumber) for answer in answers)) == (0, expected)


def test_9_2_what_is_answered(worklist: Node) -> None:
    keys = {
        "AccessionNumber": "ACC1",
        "PatientName": "",
        "RequestedProcedureID": "",
        "InstitutionName": "",
        **step({"Modality": "", "ScheduledProcedureStepStartDate": "", "InstitutionName": ""}),
    }
    ((answer),) = find(worklist.port, "worklist", keys)[1]
    assert (answer.SpecificCharacterSet, answer.QueryRetrieveLevel) == ("ISO_IR 100", "")
    assert list(answer[0x00081110].value) == []
    assert list(answer[0x00081120].value) == []
    assert (answer.PatientName, answer.RequestedProcedureID) == ("Zorro^Z", "R1")
    assert "InstitutionName" not in answer
    (item,) = answer.ScheduledProcedureStepSequence
    assert {element.keyword: str(element.value) for element in item} == {
        "Modality": "CT",
        "ScheduledProcedureStepStartDate": "20261201",
    }


def test_9_2_by_name_if_asked_for(worklist: Node) -> None:
    names = ordered(worklist, {"PatientName": "", "AccessionNumber": ""}, "PatientName", "worklist")
    assert names == ["Adams^A", "M\xfcller^M", "Zorro^Z"]
