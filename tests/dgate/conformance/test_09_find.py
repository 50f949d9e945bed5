"""Section 9.1: what a C-FIND matches, and which are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from .conftest import StartNode
from .node import Node
from .objects import UID
from .scu import find
from .studies import A, B, C, D, fill


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
    Match(
        "PATIENT",
        {"PatientID": "", "StudyDate": "20200229"},
        "PatientID",
        ("PAT 001.A", "100%_[x", "O'Hara"),
        "patient",
    ),
    Match("PATIENT", {"PatientID": "", "PatientName": "doe*"}, "PatientID", ("PAT 001.A", "100%_[x"), "patient_study"),
    Match("STUDY", {"StudyInstanceUID": "", "PatientID": "O'Hara"}, "StudyInstanceUID", (D,), "patient"),
    Match("STUDY", {"StudyInstanceUID": "", "PatientID": "O'Hara"}, "StudyInstanceUID", (D,), "patient_study"),
    Match(
        "SERIES",
        {"SeriesInstanceUID": ""},
        "SeriesInstanceUID",
        (A + ".1", A + ".2", A + ".3", B + ".1", C + ".1", D + ".1"),
    ),
    Match(
        "SERIES",
        {"SeriesInstanceUID": "", "PatientID": "PAT 001.A", "Modality": "CT"},
        "SeriesInstanceUID",
        (A + ".1", B + ".1"),
    ),
    Match("SERIES", {"SeriesInstanceUID": "", "StudyDate": "20210101"}, "SeriesInstanceUID", (B + ".1",)),
    Match(
        "SERIES",
        {"SeriesInstanceUID": "", "StudyInstanceUID": A, "SeriesNumber": "8"},
        "SeriesInstanceUID",
        (A + ".2",),
    ),
    Match("SERIES", {"SeriesInstanceUID": "", "PatientName": "Aaron*"}, "SeriesInstanceUID", (D + ".1",), "patient"),
    Match(
        "SERIES",
        {"SeriesInstanceUID": "", "ModalitiesInStudy": "SR", "Modality": "CT"},
        "SeriesInstanceUID",
        (A + ".1",),
    ),
    Match(
        "IMAGE",
        {"SOPInstanceUID": "", "SeriesInstanceUID": A + ".1"},
        "SOPInstanceUID",
        (A + ".1.1", A + ".1.2", A + ".1.3"),
    ),
    Match("IMAGE", {"SOPInstanceUID": "", "InstanceNumber": "10"}, "SOPInstanceUID", (A + ".1.3",)),
    Match(
        "IMAGE", {"SOPInstanceUID": "", "AccessionNumber": "*1", "InstanceNumber": "1"}, "SOPInstanceUID", (A + ".1.1",)
    ),
    Match("IMAGE", {"SOPInstanceUID": "", "PatientID": "O'Hara"}, "SOPInstanceUID", (D + ".1.1",), "patient"),
    Match("IMAGE", {"SOPInstanceUID": "", "Modality": "MR"}, "SOPInstanceUID", (C + ".1.1",)),
    Match("STUDY  ", {"StudyInstanceUID": "", "PatientID": "O'Hara"}, "StudyInstanceUID", (D,)),
)


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
