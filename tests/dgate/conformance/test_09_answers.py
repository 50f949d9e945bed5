"""Section 9.1: what a C-FIND answers, in which order, and what the log says of it (10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from .conftest import StartNode
from .node import Node
from .objects import EVLE, IVLE
from .scu import FIND, associated, dataset, find, plain, store
from .studies import OBJECTS, A, B, C, D, fill, ordered


@pytest.fixture(scope="module")
def filled(start_node: StartNode) -> Node:
    return fill(start_node(keys={"EnableComputedFields": 1}))


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
    Answers(
        {**_OHARA, "SpecificCharacterSet": "ISO_IR 100", "InstanceAvailability": "", "Modality": ""},
        [{"PatientID": "O'Hara"}],
    ),
    Answers({**_OHARA, "StudyDescription": ""}, [{"PatientID": "O'Hara", "StudyDescription": "Brain, w/o: contrast"}]),
    Answers(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": A, "ModalitiesInStudy": "CT"},
        [{"StudyInstanceUID": A, "ModalitiesInStudy": "SR\\RTSTRUCT\\CT"}],
    ),
    Answers(
        {
            "QueryRetrieveLevel": "IMAGE",
            "SOPInstanceUID": D + ".1.1",
            "PatientName": "",
            "StudyID": "",
            "Modality": "",
            "Rows": "",
        },
        [{"SOPInstanceUID": D + ".1.1", "PatientName": "Aaron^Al", "StudyID": "STU 1", "Modality": "US", "Rows": "4"}],
    ),
    Answers(
        {
            "QueryRetrieveLevel": "STUDY",
            "StudyInstanceUID": A,
            "NumberOfStudyRelatedSeries": "",
            "NumberOfStudyRelatedInstances": "",
        },
        [{"StudyInstanceUID": A, "NumberOfStudyRelatedSeries": "3", "NumberOfStudyRelatedInstances": "5"}],
    ),
    Answers(
        {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": A + ".1", "NumberOfSeriesRelatedInstances": ""},
        [{"SeriesInstanceUID": A + ".1", "NumberOfSeriesRelatedInstances": "3"}],
    ),
    Answers(
        {
            "QueryRetrieveLevel": "PATIENT",
            "PatientID": "PAT 001.A",
            "NumberOfPatientRelatedStudies": "",
            "NumberOfPatientRelatedSeries": "",
            "NumberOfPatientRelatedInstances": "",
        },
        [
            {
                "PatientID": "PAT 001.A",
                "NumberOfPatientRelatedStudies": "2",
                "NumberOfPatientRelatedSeries": "4",
                "NumberOfPatientRelatedInstances": "6",
            }
        ],
        "patient",
    ),
    Answers(
        {
            "QueryRetrieveLevel": "SERIES",
            "SeriesInstanceUID": A + ".1",
            "NumberOfStudyRelatedSeries": "",
            "NumberOfPatientRelatedStudies": "",
        },
        [{"SeriesInstanceUID": A + ".1"}],
    ),
    Answers({**_OHARA, "NumberOfSeriesRelatedInstances": ""}, [{"PatientID": "O'Hara"}]),
)


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
