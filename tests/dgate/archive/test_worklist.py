"""Modality worklist queries against the real table."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from dgate.config.archiveoptions import options_from
from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dgate.index.index import connect
from dgate.interfaces import QueryFailure
from tests.dgate.archive.support import House, make_house

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = [
    {"AccessionN": "A1", "PatientID": "P1", "PatientNam": "Zeta^Anna", "Modality": "CT", "ScheduledA": "CT1",
     "StartDate": "20260105", "StartTime": "0900", "SchedPSID": "S1", "ReqProcID": "R1", "StudyInsta": "1.2.3.1",
     "PatientBir": "19500102", "PatientSex": "F", "MedicalAle": "Pacemaker", "ContrastAl": "Iodine"},
    {"AccessionN": "A2", "PatientID": "P2", "PatientNam": "Alpha^O'Neil_1%", "Modality": "MR", "ScheduledA": "MR1",
     "StartDate": "20260110", "StartTime": "1530", "SchedPSID": "S2", "ReqProcID": "R2", "StudyInsta": "1.2.3.2"},
    {"AccessionN": "A3", "PatientID": "P3", "PatientNam": "M\xfcller^Jan", "Modality": "CT", "ScheduledA": "CT1",
     "StartDate": "20260201", "StudyInsta": "1.2.3.3"},
]  # fmt: skip
SYNTAXES = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG]


def plan_procedures(house: House) -> None:
    """The rows, as a hospital's system or Conquest's own HL7 import would enter them."""
    with closing(connect(options_from(house.settings), writing=True)) as connection:
        for row in ROWS:
            marks = ", ".join(["CAST(? AS TEXT)"] * len(row))
            values = [value.encode("latin-1") for value in row.values()]
            connection.execute(f"INSERT INTO DICOMWorkList ({', '.join(row)}) VALUES ({marks})", values)  # noqa: S608


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[House]:
    assert database  # it is another house for each
    made = make_house(tmp_path_factory.mktemp("worklist"))
    plan_procedures(made)
    yield made
    made.archive.close()


def identifier(step: dict[str, str] | None = None, *, syntax: str, undefined: bool = False, **root: str) -> bytes:
    """A request, written by pydicom. `step` are keys inside the scheduled procedure step sequence."""
    asked = Dataset()
    for name, value in root.items():
        setattr(asked, name, value)
    if step is not None:
        item = Dataset()
        for name, value in step.items():
            setattr(item, name, value)
        item.is_undefined_length_sequence_item = undefined
        asked.ScheduledProcedureStepSequence = Sequence([item])
        asked["ScheduledProcedureStepSequence"].is_undefined_length = undefined
    buffer = DicomBytesIO()
    buffer.is_little_endian = syntax != EXPLICIT_BIG
    buffer.is_implicit_VR = syntax == IMPLICIT_LITTLE
    write_dataset(buffer, asked)
    return buffer.getvalue()


def find(
    house: House,
    step: dict[str, str] | None = None,
    syntax: str = EXPLICIT_LITTLE,
    *,
    undefined: bool = False,
    **root: Any,
) -> list[Dataset]:
    data = identifier(step, syntax=syntax, undefined=undefined, **root)
    answers = house.archive.find("worklist", data, syntax)
    return [read_dataset(io.BytesIO(answer), syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG) for answer in answers]


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_shape_of_an_answer(house: House, syntax: str, undefined: bool) -> None:
    step = {"Modality": "", "ScheduledStationAETitle": "", "ScheduledProcedureStepStartDate": "", "OtherPatientIDs": ""}
    keys = {
        "PatientName": "",
        "AccessionNumber": "A1",
        "MedicalAlerts": "",
        "StudyDescription": "",
        "PatientWeight": "",
    }
    (answer,) = find(house, step, syntax, undefined=undefined, **keys)
    (item,) = answer.ScheduledProcedureStepSequence
    del answer.ScheduledProcedureStepSequence
    assert [(element.tag, element.value) for element in item] == [
        (0x00080060, "CT"),
        (0x00400001, "CT1"),
        (0x00400002, "20260105"),
    ]
    assert [element.tag for element in answer] == [
        0x00080005, 0x00080050, 0x00080052, 0x00081110, 0x00081120, 0x00100010, 0x00102000,
    ]  # fmt: skip
    assert answer.SpecificCharacterSet == "ISO_IR 100"
    assert answer.AccessionNumber == "A1"
    assert not answer.QueryRetrieveLevel
    assert answer.MedicalAlerts == "Pacemaker"
    assert len(answer.ReferencedStudySequence) == len(answer.ReferencedPatientSequence) == 0


def test_the_step_is_there_even_when_nobody_asks_for_it(house: House) -> None:
    steps: tuple[dict[str, str] | None, ...] = (None, {})
    for step in steps:
        (answer,) = find(house, step, PatientID="P1")
        assert [list(item) for item in answer.ScheduledProcedureStepSequence] == [[]]


def test_what_the_row_does_not_have_is_empty(house: House) -> None:
    (answer,) = find(house, {"ScheduledProcedureStepStartTime": ""}, PatientID="P3", MedicalAlerts="")
    assert answer.MedicalAlerts == ""
    assert answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime == ""


@pytest.mark.parametrize(
    ("step", "root", "expected"),
    [
        ({"Modality": "CT"}, {}, ["A1", "A3"]),
        ({"Modality": "ct"}, {}, []),
        ({"Modality": "*"}, {}, ["A1", "A2", "A3"]),
        ({"ScheduledStationAETitle": "MR1"}, {}, ["A2"]),
        ({"ScheduledProcedureStepStartDate": "20260101-20260131"}, {}, ["A1", "A2"]),
        ({"ScheduledProcedureStepStartDate": "20260106-"}, {}, ["A2", "A3"]),
        ({"ScheduledProcedureStepStartDate": "-20260109"}, {}, ["A1"]),
        ({"ScheduledProcedureStepStartDate": "20260110"}, {}, ["A2"]),
        ({"ScheduledProcedureStepStartTime": "0800-1200"}, {}, ["A1"]),
        ({"Modality": "CT", "ScheduledProcedureStepStartDate": "20260101-20260131"}, {"PatientID": "P?"}, ["A1"]),
        (None, {"PatientName": "Alpha*"}, ["A2"]),
        (None, {"PatientName": "*'Neil_1%"}, ["A2"]),
        (None, {"PatientName": "%"}, []),
        (None, {"PatientName": "' OR '1'='1"}, []),
        (None, {"StudyInstanceUID": "1.2.3.1\\1.2.3.3"}, ["A1", "A3"]),
        ({"Modality": "SR"}, {}, []),
    ],
)
def test_matching(house: House, step: dict[str, str] | None, root: dict[str, str], expected: list[str]) -> None:
    keys: dict[str, Any] = {"AccessionNumber": "", **root}
    found = find(house, step, **keys)
    assert sorted(answer.AccessionNumber for answer in found) == expected


def test_a_key_in_the_wrong_place_is_none(house: House) -> None:
    assert len(find(house, {"PatientID": "P1"}, AccessionNumber="", Modality="MR")) == 3


def test_answers_are_ordered_by_patient_name_if_asked(house: House) -> None:
    names = [str(answer.PatientName) for answer in find(house, PatientName="", PatientID="")]
    assert [name[:1] for name in names] == ["A", "M", "Z"]


def test_the_character_set_is_configured(house: House) -> None:
    for number, expected in ((192, "ISO_IR 192"), (0, None)):
        house.reopen(worklist_returns_iso_ir=number)
        (answer,) = find(house, PatientID="P1")
        assert answer.get("SpecificCharacterSet") == expected
    house.reopen(worklist_returns_iso_ir=100)


def test_the_log_names_the_model_and_the_count(house: House) -> None:
    find(house, PatientID="")
    assert house.log.lines[-1] == "C-Find (Modality Work List) located 3 records"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 40,
        identifier(syntax=EXPLICIT_LITTLE, PatientWeight="70"),
        identifier({"Modality": "CT"}, syntax=EXPLICIT_LITTLE)[:-1],
    ],
)
def test_failures(house: House, data: bytes) -> None:
    with pytest.raises(QueryFailure) as failure:
        house.archive.find("worklist", data, EXPLICIT_LITTLE)
    assert failure.value.status == 0xC001


def test_a_deep_or_endless_sequence_is_refused(house: House) -> None:
    endless = b"\x40\0\0\1\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    for data in (endless, endless * 10_000):
        with pytest.raises(QueryFailure, match=r"never closed|deeper"):
            house.archive.find("worklist", data, IMPLICIT_LITTLE)


@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_identifiers_end_in_answers_or_a_failure(house: House, data: bytes, syntax: str) -> None:
    for start in (b"", identifier({"Modality": "CT"}, syntax=syntax, PatientID="")):
        try:
            list(house.archive.find("worklist", start + data, syntax))
        except QueryFailure:
            continue
