"""The hooks of queries and retrievals, through the whole archive."""

from __future__ import annotations

import io
import sqlite3
from dataclasses import dataclass, field

import pydicom
import pytest

from dgate.encoding.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dgate.interfaces import QueryFailure, Session
from dgate.net.sending import make_buffers
from tests.dgate.archive.support import UID, dataset
from tests.dgate.lua.scripts import SomeCommands, make_engine
from tests.dgate.rules.bench import CT, Instance, changed, texts

LEVEL = {0x00080052: (b"CS", b"IMAGE ")}
KEYS = LEVEL | {0x00100010: (b"PN", b""), 0x00100020: (b"LO", b""), 0x00200013: (b"IS", b"")}


@dataclass
class Peer:
    calling_ae: str = "ASKER"
    called_ae: str = "ORACLE"
    session: Session = field(default_factory=Session)


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data), force=True)


def ask(instance: Instance, peer: Peer | None = None, **keys: bytes) -> list[pydicom.Dataset]:
    data = dataset(changed(KEYS, **keys), IMPLICIT_LITTLE)
    return [read(answer) for answer in instance.archive.find("study", data, IMPLICIT_LITTLE, peer or Peer())]


@pytest.fixture
def filled(instance: Instance) -> Instance:
    for number in (1, 2, 3):
        instance.store(changed(CT, t00080018=f"{UID}.1.{number}".encode(), t00200013=b"%d" % number))
    instance.log.entries.clear()
    return instance


def test_a_query_can_be_changed(filled: Instance) -> None:
    filled.configure(more='QueryConverter0 = nop %u %c %V0008,0052; set 0020,0013 to "2"\n')
    (answer,) = ask(filled)
    assert answer.InstanceNumber == 2
    assert texts(filled.log.lines, "Queryconverter") == [
        "Queryconverter0.0: nop ASKER ORACLE IMAGE",
        'Queryconverter0.1 executes: set 0020,0013 to "2"',
    ]


def test_a_query_can_be_refused(filled: Instance) -> None:
    filled.configure(more="QueryConverter0 = destroy\n")
    with pytest.raises(QueryFailure) as caught:
        ask(filled)
    assert caught.value.status == 0xC011
    assert "O Queryconverter0.0: destroyed received image" in filled.log.lines


def test_reject_has_no_effect_on_a_query(filled: Instance) -> None:
    filled.configure(more="QueryConverter0 = reject\n")
    assert len(ask(filled)) == 3


def test_answers_can_be_changed_and_left_out(filled: Instance) -> None:
    line = 'ifequal "%V0020,0013","2"; destroy; set PatientName to "Nobody"; ifequal "a","b"'
    filled.configure(more=f"QueryResultConverter0 = {line}\n")
    answers = ask(filled)
    assert [(answer.InstanceNumber, answer.PatientName) for answer in answers] == [(1, "Nobody"), (3, "Nobody")]


def test_a_retrieval_can_be_changed(filled: Instance) -> None:
    filled.configure(more='RetrieveConverter0 = nop to %s; set 0008,0018 to ""; set 0008,0052 to "SERIES"\n')
    data = dataset(LEVEL | {0x0020000E: (b"UI", f"{UID}.1".encode()), 0x00080018: (b"UI", b"1.2")}, IMPLICIT_LITTLE)
    assert len(filled.archive.select(data, IMPLICIT_LITTLE, Peer(), "DEST")) == 3
    assert filled.log.lines[0] == "O Retrieveconverter0.0: nop to DEST"


def test_a_retrieval_can_be_refused(filled: Instance) -> None:
    filled.configure(more="RetrieveConverter0 = destroy\n")
    with pytest.raises(QueryFailure, match="operation blocked by script") as caught:
        filled.archive.select(dataset(KEYS, IMPLICIT_LITTLE), IMPLICIT_LITTLE, Peer(), "DEST")
    assert caught.value.status == 0xC013


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
@pytest.mark.parametrize("size", [64, 3 << 20])
def test_what_is_sent_can_be_changed(instance: Instance, syntax: str, size: int) -> None:
    pixels = bytes(size)
    instance.store(changed(CT, t7fe00010=pixels))
    instance.configure(more='RetrieveResultConverter0 = set PatientName to "For %s"; destroy\n')
    keys = dataset(LEVEL | {0x00080018: (b"UI", f"{UID}.1.1".encode())}, IMPLICIT_LITTLE)
    (stored,) = instance.archive.select(keys, IMPLICIT_LITTLE, Peer(), "DEST")
    with instance.archive.open(stored, Peer(), "DEST") as outgoing:
        sent = b"".join(bytes(piece) for piece in outgoing.pieces(syntax, make_buffers()))
    elements = changed(CT, t00100010=b"For DEST", t7fe00010=pixels)
    assert sent == dataset(elements, syntax)
    assert instance.stored().PatientName == "CompressedSamples^CT1"


def test_a_worklist_query_has_hooks_of_its_own(filled: Instance) -> None:
    filled.configure(more="QueryConverter0 = destroy\nWorkListQueryConverter0 = nop asked\n")
    data = dataset({0x00100020: (b"LO", b"")}, IMPLICIT_LITTLE)
    assert list(filled.archive.find("worklist", data, IMPLICIT_LITTLE, Peer())) == []
    assert filled.log.lines[0] == "O WorkListQueryconverter0.0: nop asked"


def test_answers_from_the_worklist_have_a_hook_of_their_own(filled: Instance) -> None:
    with sqlite3.connect(filled.root / "conquest.db3") as database:
        for patient in ("ONE", "TWO"):
            database.execute("INSERT INTO DICOMWorkList (AccessionN, PatientID) VALUES (?, ?)", ("A", patient))
    line = 'ifequal "%i","TWO"; destroy; set 0010,0010 to "Planned"'
    filled.configure(more=f"QueryResultConverter0 = destroy\nModalityWorkListQueryResultConverter0 = {line}\n")
    data = dataset({0x00100020: (b"LO", b""), 0x00100010: (b"PN", b"")}, IMPLICIT_LITTLE)
    answers = [read(answer) for answer in filled.archive.find("worklist", data, IMPLICIT_LITTLE, Peer())]
    assert [(answer.PatientID, answer.PatientName) for answer in answers] == [("ONE", "Planned")]
    assert 'D ModalityWorkListQueryResultconverter0.2 executes: set 0010,0010 to "Planned"' in filled.log.lines


def test_a_worklist_query_can_be_refused(filled: Instance) -> None:
    filled.configure(more="WorkListQueryConverter0 = destroy\n")
    with pytest.raises(QueryFailure) as caught:
        list(
            filled.archive.find(
                "worklist", dataset({0x00100020: (b"LO", b"")}, IMPLICIT_LITTLE), IMPLICIT_LITTLE, Peer()
            )
        )
    assert caught.value.status == 0xC011


@pytest.mark.parametrize(
    "hook", ["QueryConverter", "QueryResultConverter", "RetrieveConverter", "RetrieveResultConverter"]
)
def test_scripts_in_the_place_of_lines(filled: Instance, hook: str) -> None:
    pytest.importorskip("lupa")
    more = f"{hook}0 = nop never\n[lua]\n{hook}0 = print('in', Data.PatientID ~= nil, Association.Calling)\n"
    filled.configure("nop", more=more, engine=make_engine(filled, SomeCommands()))
    ask(filled)
    keys = dataset(LEVEL | {0x00100020: (b"LO", b"1CT1")}, IMPLICIT_LITTLE)
    for stored in filled.archive.select(keys, IMPLICIT_LITTLE, Peer(), "DEST"):
        with filled.archive.open(stored, Peer(), "DEST"):
            continue
    said = texts(filled.log.lines, "in\t")
    assert said == ["in\ttrue\tASKER"] * (3 if "Result" in hook else 1)
    assert "never" not in "".join(filled.log.lines)
