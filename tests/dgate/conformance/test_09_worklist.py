"""Section 9.2: the modality worklist."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import pytest

from .conftest import StartNode
from .node import Node
from .scu import dataset, find
from .studies import ordered

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
