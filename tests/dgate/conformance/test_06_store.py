"""Section 6: the status of a C-STORE, and what is changed in an object before it is stored."""

from __future__ import annotations

from typing import Any, NamedTuple

import pydicom
import pytest

from .conftest import StartNode
from .node import Node
from .objects import CT, EVBE, EVLE, IVLE, SOP, another, ct1, encode, uid_of
from .scu import associated, send, store

Change = dict[str, bytes | str | None]


class Fix(NamedTuple):
    name: str
    changes: Change
    stored: dict[str, object]
    log: tuple[str, ...] = ()
    syntax: str = EVLE


FIXES = (
    Fix("no name", {"t00100010": None}, {"PatientName": "NO NAME"}, ("Fiximage: Added patient name",)),
    Fix("no name, implicit", {"t00100010": None}, {"PatientName": "NO NAME"}, ("Fiximage: Added patient name",), IVLE),
    Fix("no name, big", {"t00100010": None}, {"PatientName": "NO NAME"}, ("Fiximage: Added patient name",), EVBE),
    Fix("empty name stays", {"t00100010": ""}, {"PatientName": ""}),
    Fix("no ID", {"t00100020": None}, {"PatientID": "00000000"}, ("Fiximage: Added patient ID",)),
    Fix("no ID, implicit", {"t00100020": None}, {"PatientID": "00000000"}, ("Fiximage: Added patient ID",), IVLE),
    Fix("empty ID", {"t00100020": ""}, {"PatientID": "00000000"}, ("Fiximage: Fixed empty patient ID",)),
    Fix("blank ID", {"t00100020": "    "}, {"PatientID": "00000000"}, ("Fiximage: Fixed empty patient ID",)),
    Fix("blanks behind the ID", {"t00100020": "P9    "}, {"PatientID": "P9"}),
    Fix("blanks before the ID", {"t00100020": "  LEAD"}, {"PatientID": "  LEAD"}),
    Fix("no study UID", {"t0020000D": None, "t00100020": "A"}, {"StudyInstanceUID": "undefined"}),
    Fix("no study UID but another", {"t0020000D": None, "t00211070": "1.2.3.70"}, {"StudyInstanceUID": "1.2.3.70"}),
    Fix("no series UID", {"t0020000E": None, "t00100020": "B"}, {"SeriesInstanceUID": "undefined"}),
    Fix("no series UID but another", {"t0020000E": None, "t00211071": "1.2.3.71"}, {"SeriesInstanceUID": "1.2.3.71"}),
    Fix("no series number", {"t00200011": None}, {}, ("No Series number",)),
    Fix("no image number", {"t00200013": None}, {}, ("No image number",)),
    Fix("nothing to fix", {}, {"PatientName": "Doe^John^Q", "StudyID": "STU 1"}),
)


def stored(node: Node, uid: str) -> Any:
    """The data set of the file that the index names for an object."""
    name = node.value("SELECT ObjectFile FROM DICOMImages WHERE SOPInstanc = ?", uid)
    return pydicom.dcmread(node.data / str(name))


@pytest.mark.parametrize(("number", "case"), list(enumerate(FIXES)), ids=[case.name for case in FIXES])
def test_6_2_fix_ups(node: Node, number: int, case: Fix) -> None:
    given = another(number, **case.changes)
    before = node.mark()
    assert store(node.port, given, syntax=case.syntax) == [0]
    found = stored(node, uid_of(given))
    assert {keyword: str(getattr(found, keyword)) for keyword in case.stored} == case.stored
    node.line("Written file: ", before)
    told = tuple(line for line in node.lines(before) if line.startswith(("Fiximage", "No ")))
    assert told == case.log


KODAK_AND_PHILIPS = (
    ("0012345678", "12345678"),
    ("0000012345", "12345"),
    ("0112345678", "0112345678"),
    ("012345678", "012345678"),
    ("01234567", "1234567"),
    ("12345678", "12345678"),
)


def test_2_2_fix_philips_and_kodak_change_the_stored_object(start_node: StartNode) -> None:
    node = start_node(keys={"FixPhilips": 1, "FixKodak": 1})
    for number, (given, expected) in enumerate(KODAK_AND_PHILIPS):
        each = another(number, t00100020=given)
        assert store(node.port, each) == [0]
        assert (given, stored(node, uid_of(each)).PatientID) == (given, expected)
        assert node.value("SELECT ImagePat FROM DICOMImages WHERE SOPInstanc = ?", uid_of(each)) == expected


def test_2_2_an_empty_id_is_allowed_where_the_ini_says_so(start_node: StartNode) -> None:
    node = start_node(keys={"AllowEmptyPatientID": 1, "StorageFailedErrorCode": 49152})
    given = another(1, t00100020="", t00100010=None)
    assert store(node.port, given) == [0]
    found = stored(node, uid_of(given))
    assert found.PatientID == ""
    assert "PatientName" not in found
    assert node.rows("SELECT * FROM DICOMPatients") == []
    assert store(node.port, another(2), another(2, t00100020="Q")) == [0, 0xC000]


def test_6_1_the_response(node: Node) -> None:
    with associated(node.port, [(CT, [EVLE])]) as association:
        answer = send(association, encode(ct1()), CT, SOP, message_id=77).message
    assert (answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID) == (CT, SOP)
    assert (answer.MessageIDBeingRespondedTo, answer.Status, answer.ErrorComment) == (77, 0, None)
    assert answer.DataSet is None


def test_6_3_a_failure_is_0110_without_a_comment_and_the_association_goes_on(node: Node) -> None:
    with associated(node.port, [(CT, [EVLE])]) as association:
        assert send(association, encode(another(60)), CT, "1.2.3").status == 0
        refused = send(association, encode(another(60, t00100020="OTHER")), CT, "1.2.3").message
        assert (refused.Status, refused.ErrorComment) == (0x0110, None)
        assert send(association, encode(another(61)), CT, "1.2.3").status == 0


def _begins_with_a_length_beyond_the_end() -> bytes:
    return encode({0x00080016: ("UI", CT.encode())}) + b"\x08\x00\x18\x00UI\x40\x00" + SOP.encode()


UNREADABLE = (
    ("cut in the pixels", encode(ct1())[:-20]),
    ("cut in a header", encode(ct1(t7FE00010=None))[:-3]),
    ("a length beyond the end", _begins_with_a_length_beyond_the_end()),
)


@pytest.mark.parametrize("data", [data for _, data in UNREADABLE], ids=[name for name, _ in UNREADABLE])
def test_6_3_what_cannot_be_parsed_closes_the_association(node: Node, data: bytes) -> None:
    before, files = node.mark(), node.files()
    with associated(node.port, [(CT, [EVLE])]) as association:
        assert send(association, data, CT, SOP).status is None
        association.join(5)
        assert not association.is_established
    node.line("***Client Error: command 0001 failed **", before)
    node.line("***Connection Terminated", before)
    assert node.files() == files


def test_10_user_log_has_one_line_per_store(node: Node) -> None:
    before = len(node.user())
    store(node.port, another(70), another(71), calling="SOMEBODY")
    assert node.user()[before:] == ['"C-Store","SOMEBODY        "'] * 2
