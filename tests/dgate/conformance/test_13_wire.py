"""Section 13: the command sets of the responses, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from pynetdicom import evt

from .conftest import StartNode
from .node import Node
from .objects import CT, EVLE, IVLE, SOP, ct1, encode
from .scu import FIND, GET, MOVE, VERIFICATION, associated, dataset, send, store

if TYPE_CHECKING:
    from pynetdicom.association import Association

COUNTERS = {"NumberOfRemainingSuboperations", "NumberOfCompletedSuboperations", "NumberOfFailedSuboperations",
            "NumberOfWarningSuboperations"}  # fmt: skip
USUAL = {"CommandGroupLength", "AffectedSOPClassUID", "CommandField", "MessageIDBeingRespondedTo", "CommandDataSetType",
         "Status"}  # fmt: skip
STUDY = dataset({"QueryRetrieveLevel": "STUDY", "PatientID": "PAT 001.A"})
NOTHING = dataset({"QueryRetrieveLevel": "STUDY", "PatientID": "nobody"})


class Wire(NamedTuple):
    """What is sent, and per response: command field, data set type, status, elements beside the usual ones."""

    name: str
    contexts: list[tuple[str, list[str]]]
    do: Callable[[Association], object]
    expected: list[tuple[int, int, int, set[str]]]


WIRE = (
    Wire("C-ECHO", [(VERIFICATION, [IVLE])], lambda a: a.send_c_echo(), [(0x8030, 0x0101, 0, set())]),
    Wire(
        "C-STORE",
        [(CT, [EVLE])],
        lambda a: send(a, encode(ct1()), CT, SOP),
        [(0x8001, 0x0101, 0, {"AffectedSOPInstanceUID"})],
    ),
    Wire(
        "C-FIND",
        [(FIND["study"], [IVLE])],
        lambda a: list(a.send_c_find(STUDY, FIND["study"])),
        [(0x8020, 0x0102, 0xFF00, set()), (0x8020, 0x0101, 0, set())],
    ),
    Wire(
        "C-FIND without a match",
        [(FIND["study"], [IVLE])],
        lambda a: list(a.send_c_find(NOTHING, FIND["study"])),
        [(0x8020, 0x0101, 0, set())],
    ),
    Wire(
        "C-MOVE to nobody",
        [(MOVE["study"], [IVLE])],
        lambda a: list(a.send_c_move(STUDY, "NOBODY", MOVE["study"])),
        [(0x8021, 0x0101, 0xC003, {*COUNTERS, "ErrorComment"})],
    ),
    Wire(
        "C-GET without a match",
        [(GET["study"], [IVLE])],
        lambda a: list(a.send_c_get(NOTHING, GET["study"])),
        [(0x8010, 0x0101, 0xC004, {*COUNTERS, "ErrorComment"})],
    ),
)


@pytest.fixture(scope="module")
def filled(start_node: StartNode) -> Node:
    node = start_node()
    assert store(node.port, ct1()) == [0]
    return node


@pytest.mark.parametrize("case", WIRE, ids=[case.name for case in WIRE])
def test_13_responses(filled: Node, case: Wire) -> None:
    found: list[Any] = []
    handlers: list[Any] = [(evt.EVT_DIMSE_RECV, lambda event: found.append(event.message.command_set))]
    with associated(filled.port, case.contexts, evt_handlers=handlers) as association:
        case.do(association)
    assert [
        (each.CommandField, each.CommandDataSetType, each.Status, {element.keyword for element in each} - USUAL)
        for each in found
    ] == case.expected
    assert all({element.keyword for element in each} >= USUAL for each in found)
    assert {str(each.AffectedSOPClassUID) for each in found} == {case.contexts[0][0]}
