"""Sections 9.3, 9.4 and 3.1: C-MOVE and C-GET, their counters and statuses, what is proposed to a destination."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from tests.ports import free_port

from .conftest import StartNode
from .node import Node
from .objects import CT, EVBE, EVLE, IVLE, SERIES, UID, ct1, encode
from .scu import GET, MOVE, associated, both_roles, dataset, store

MR = "1.2.840.10008.5.1.4.1.1.4"
J = "1.2.840.10008.1.2.4."
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": UID}


def image(number: int, sop_class: str = CT) -> dict[int, tuple[str, bytes]]:
    return ct1(t00080016=sop_class, t00080018=f"{SERIES}.{number}", t00200013=str(number))


@dataclass
class Destination:
    """A storage SCP that keeps what it sees; `status` is what it answers to the object of that position, from 1 on."""

    port: int
    status: Mapping[int, int] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    proposals: list[tuple[str, list[str]]] = field(default_factory=list)
    titles: list[tuple[str, str]] = field(default_factory=list)
    scp: Any = None

    def accepted(self, event: evt.Event) -> None:
        requestor = event.assoc.requestor
        primitive: Any = requestor.primitive
        self.titles.append((str(primitive.calling_ae_title), str(primitive.called_ae_title)))
        self.proposals += [
            (str(context.abstract_syntax), [str(syntax) for syntax in context.transfer_syntax])
            for context in requestor.requested_contexts
        ]

    def stored(self, event: evt.Event) -> int:
        request: Any = event.request
        self.requests.append((request, event.context.transfer_syntax, request.DataSet.getvalue()))
        return self.status.get(len(self.requests), 0)


@pytest.fixture(scope="module")
def listening() -> Iterator[Destination]:
    """One peer for all cases; stopping one takes half a second."""
    made = Destination(free_port())
    ae = AE(ae_title="DEST")
    ae.add_supported_context(CT, IVLE)
    handlers: list[Any] = [(evt.EVT_REQUESTED, made.accepted), (evt.EVT_C_STORE, made.stored)]
    made.scp = ae.start_server(("127.0.0.1", made.port), block=False, evt_handlers=handlers)
    yield made
    made.scp.shutdown()


Prepare = Callable[..., Destination]


@pytest.fixture
def destination(listening: Destination, filled: Node) -> Prepare:
    """Make the peer ready for a case, as DEST in the server's map."""

    def prepare(
        takes: Sequence[tuple[str, Sequence[str]]], status: Mapping[int, int] | None = None, code: str = "un"
    ) -> Destination:
        listening.status = status or {}
        for seen in (listening.requests, listening.proposals, listening.titles):
            seen.clear()
        listening.scp.contexts = [build_context(abstract, list(transfers)) for abstract, transfers in takes]
        know(filled, f"DEST 127.0.0.1 {listening.port} {code}")
        return listening

    return prepare


def know(node: Node, *lines: str) -> None:
    """Make these lines the map of the running server."""
    (node.folder / "acrnema.map").write_text("\n".join(lines) + "\n")
    node.read_again()


class Ended(NamedTuple):
    status: int
    remaining: int | None
    completed: int | None
    failed: int | None
    warning: int | None


def move(
    node: Node, keys: Mapping[str, object], to: str = "DEST", model: str = "study", called: str = "ORACLE"
) -> tuple[Ended, list[Ended]]:
    """The final response and the pending ones."""
    with associated(node.port, [(MOVE[model], [IVLE])], called=called) as association:
        found = [
            _ended(status)
            for status, _ in association.send_c_move(dataset(keys), to, query_model=MOVE[model], msg_id=4711)
        ]
    return found[-1], found[:-1]


def _ended(status: Any) -> Ended:
    return Ended(
        status.Status,
        status.get("NumberOfRemainingSuboperations"),
        status.get("NumberOfCompletedSuboperations"),
        status.get("NumberOfFailedSuboperations"),
        status.get("NumberOfWarningSuboperations"),
    )


@pytest.fixture(scope="module")
def filled(start_node: StartNode) -> Node:
    node = start_node()
    assert store(node.port, *(image(number) for number in range(1, 4))) == [0] * 3
    assert store(node.port, image(4, MR), image(5, MR), sop_class=MR) == [0] * 2
    assert store(
        node.port, ct1(t00100020="OTHER", t0020000D=UID + "9", t0020000E=UID + "9.1", t00080018=UID + "9.1.1")
    ) == [0]
    return node


def test_9_3_all_sent(filled: Node, destination: Prepare) -> None:
    before, users = filled.mark(), len(filled.user())
    dest = destination([(CT, [IVLE]), (MR, [IVLE])])
    final, pending = move(filled, STUDY)
    assert final == Ended(0, 0, 5, 0, 0)
    assert pending == [Ended(0xFF00, 5 - done, done, 0, 0) for done in range(1, 6)]
    assert dest.titles == [("ORACLE", "DEST")]
    requests = [request for request, _, _ in dest.requests]
    assert [request.MessageID for request in requests] == [1, 3, 5, 7, 9]
    assert {request.Priority for request in requests} == {0}
    assert {
        (request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID) for request in requests
    } == {("TESTSCU", 4711)}
    assert dest.requests[0][2] == encode(image(1), IVLE)
    assert sorted(abstract for abstract, _ in dest.proposals) == [CT, MR]
    filled.line("UPACS THREAD 0", 0)
    filled.line("C-Move (StudyRoot)", before)
    lines = filled.lines(before)
    expected = [
        '\tC-Move Destination: "DEST"',
        f"(QualifyOn) (mapped) IP:127.0.0.1, PORT:{dest.port}",
        "Number of Images to send: 5",
        *[f"Sending file : {filled.data}/{path}" for (path,) in filled.rows(_PATHS)],
        "C-Move (StudyRoot)",
    ]
    assert [line for line in expected if line not in lines] == []
    assert sorted(expected, key=lines.index) == expected
    assert filled.user()[users:] == ['"C-Move ","TESTSCU         "']


_PATHS = "SELECT ObjectFile FROM DICOMImages WHERE ImagePat = 'PAT 001.A' ORDER BY rowid"


class Moved(NamedTuple):
    """Keys and how many objects they send."""

    keys: Mapping[str, object]
    number: int
    model: str = "study"


MOVED = (
    Moved({"QueryRetrieveLevel": "STUDY", "PatientID": "PAT 001.A"}, 5),
    Moved({"QueryRetrieveLevel": "PATIENT", "PatientID": "PAT 001.A"}, 5, "patient"),
    Moved({"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": f"{SERIES}.2\\{SERIES}.4"}, 2),
    Moved({"QueryRetrieveLevel": "FOO", "StudyInstanceUID": UID}, 5),
    Moved({"StudyInstanceUID": UID}, 5),
    Moved({"QueryRetrieveLevel": "SERIES", "PatientName": "doe*"}, 6),
    Moved({"QueryRetrieveLevel": "STUDY"}, 6),
    Moved({"QueryRetrieveLevel": "STUDY", "PatientID": "OTHER"}, 1, "patient_study"),
    Moved({"QueryRetrieveLevel": "SERIES", "InstanceNumber": "2"}, 1),
)


def test_9_3_any_keys_at_any_level(filled: Node, destination: Prepare) -> None:
    destination([(CT, [IVLE]), (MR, [IVLE])])
    for case in MOVED:
        before = filled.mark()
        assert (case, move(filled, case.keys, model=case.model)[0]) == (case, Ended(0, 0, case.number, 0, 0))
        word = "images" if case.model == "patient" else "Images"
        assert filled.line("Number of ", before) == f"Number of {word} to send: {case.number}"


def test_9_3_a_class_that_the_destination_refuses(filled: Node, destination: Prepare) -> None:
    """The status of the original; the counters are honest, which its own are not (it says 0/5/2)."""
    before = filled.mark()
    dest = destination([(CT, [IVLE])])
    final, pending = move(filled, STUDY)
    assert final == Ended(0, 0, 3, 2, 0)
    assert len(pending) == 5
    assert len(dest.requests) == 3
    assert filled.lines(before).count("Host 'DEST' will not accept image") == 2


@pytest.mark.parametrize("status", [0xA700, 0xC000, 0x0110, 0xB000])
def test_9_3_any_other_answer_than_success_stops_at_once(filled: Node, destination: Prepare, status: int) -> None:
    dest = destination([(CT, [IVLE]), (MR, [IVLE])], {1: status})
    final, pending = move(filled, STUDY)
    assert (final, pending) == (Ended(0xFE00, 0, 0, 5, 0), [])
    assert len(dest.requests) == 1


def test_9_3_an_answer_other_than_success_in_the_middle(filled: Node, destination: Prepare) -> None:
    destination([(CT, [IVLE]), (MR, [IVLE])], {3: 0xA700})
    final, pending = move(filled, STUDY)
    assert (final, len(pending)) == (Ended(0xFE00, 0, 2, 3, 0), 2)


class Failing(NamedTuple):
    name: str
    to: str
    keys: Mapping[str, object]
    status: int
    line: str


FAILING = (
    Failing("unknown destination", "NOBODY", STUDY, 0xC003, "Retrieve: move destination not allowed or known"),
    Failing(
        "nothing found",
        "DEAD",
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2"},
        0xC004,
        "C-Move (StudyRoot)",
    ),
    Failing("cannot connect", "DEAD", STUDY, 0xC005, "Host 'DEAD' did not accept the connection"),
    Failing("host unknown", "NOHOST", STUDY, 0xC005, "Host 'NOHOST' did not accept the connection"),
)


@pytest.mark.parametrize("case", FAILING, ids=[case.name for case in FAILING])
def test_9_3_failures(filled: Node, case: Failing) -> None:
    know(filled, f"DEAD 127.0.0.1 {free_port()} un", "NOHOST no-such-host.invalid 104 un")
    before = filled.mark()
    final, pending = move(filled, case.keys, case.to)
    assert (final, pending) == (Ended(case.status, 0, 0, 0, 0), [])
    assert filled.line(case.line, before) == case.line


def test_9_3_no_context_accepted(filled: Node, destination: Prepare) -> None:
    before = filled.mark()
    destination([("1.2.840.10008.5.1.4.1.1.7", [IVLE])])
    final, _ = move(filled, STUDY)
    assert final == Ended(0xC005, 0, 0, 0, 0)
    filled.line("Host 'DEST' did not accept the connection", before)


def test_9_3_moving_to_itself_rewrites_everything(filled: Node) -> None:
    know(filled, f"ORACLE 127.0.0.1 {filled.port} un")
    before = filled.mark()
    assert move(filled, STUDY, "ORACLE")[0] == Ended(0, 0, 5, 0, 0)
    filled.line("C-Move (StudyRoot)", before)
    assert sum(line.startswith("Rewritten file: ") for line in filled.lines(before)) == 5


# -- 3.1

UNCOMPRESSED = (
    ("un", [IVLE]),
    ("ui", [IVLE]),
    ("uj", [IVLE]),
    ("k1", [IVLE]),
    ("s0", [IVLE]),
    ("xx", [IVLE]),
    ("ul", [EVLE, IVLE]),
    ("ub", [EVBE, IVLE]),
    ("ue", [EVLE, EVBE, IVLE]),
    ("", [IVLE]),
)
CODED = (
    ("j1", ["57", "70"]),
    ("j2", ["57", "70"]),
    ("jr", ["57", "70"]),
    ("j3", ["51", "50"]),
    ("j4", ["51", "50"]),
    ("j375", ["51", "50"]),
    ("j5", ["53", "51", "50"]),
    ("j6", ["55", "51", "50"]),
    ("jk", ["90"]),
    ("jl", ["91", "90"]),
    ("jl80", ["91", "90"]),
    ("js", ["80"]),
    ("j7", ["81", "80"]),
    ("J2", ["57", "70"]),
)


@pytest.mark.parametrize("code", UNCOMPRESSED, ids=[code for code, _ in UNCOMPRESSED])
def test_3_1_what_is_proposed_without_compression(
    filled: Node, destination: Prepare, code: tuple[str, list[str]]
) -> None:
    written, expected = code
    dest = destination([(CT, [expected[0]])], code=written)
    assert move(filled, {"SOPInstanceUID": f"{SERIES}.1"})[0].status == 0
    assert dest.proposals == [(CT, expected)]
    ((_, syntax, data),) = dest.requests
    assert (syntax, data) == (expected[0], encode(image(1), expected[0]))


@pytest.mark.parametrize("code", CODED, ids=[code for code, _ in CODED])
def test_3_1_what_is_proposed_with_compression(filled: Node, destination: Prepare, code: tuple[str, list[str]]) -> None:
    """There is no codec yet: a context more takes what is not compressed."""
    written, ends = code
    dest = destination([(CT, [IVLE])], code=written)
    assert move(filled, {"SOPInstanceUID": f"{SERIES}.1"})[0] == Ended(0, 0, 1, 0, 0)
    assert dest.proposals[0] == (CT, [*(J + end for end in ends), IVLE])
    dest = destination([(CT, [J + ends[0]])], code=written + "!")
    move(filled, {"SOPInstanceUID": f"{SERIES}.1"})
    assert dest.proposals == [(CT, [J + end for end in ends])]


def test_3_1_the_called_title_overrides_the_map(filled: Node, destination: Prepare) -> None:
    dest = destination([(CT, [IVLE])])
    assert move(filled, {"SOPInstanceUID": f"{SERIES}.1"}, called="ORACLE~ul")[0].status == 0
    assert dest.proposals == [(CT, [EVLE, IVLE])]


# -- 9.4


def get(
    node: Node, keys: Mapping[str, object], classes: Sequence[str], model: str = "study"
) -> tuple[Ended, list[Any]]:
    received: list[Any] = []

    def stored(event: evt.Event) -> int:
        request: Any = event.request
        received.append((event.context.transfer_syntax, request.DataSet.getvalue()))
        return 0

    contexts = [(GET[model], [IVLE]), *((sop_class, [EVLE, IVLE]) for sop_class in classes)]
    roles = [both_roles(sop_class) for sop_class in classes]
    handlers: list[Any] = [(evt.EVT_C_STORE, stored)]
    with associated(node.port, contexts, ext_neg=roles, evt_handlers=handlers) as association:
        *_, last = association.send_c_get(dataset(keys), GET[model])
    return _ended(last[0]), received


GOT = (
    Moved(STUDY, 5),
    Moved({"QueryRetrieveLevel": "PATIENT", "PatientID": "PAT 001.A"}, 5, "patient"),
    Moved({"QueryRetrieveLevel": "STUDY", "PatientID": "OTHER"}, 1, "patient_study"),
    Moved({"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": f"{SERIES}.1"}, 1),
)


@pytest.mark.parametrize("case", GOT, ids=[f"{case.model} {dict(case.keys)}"[:60] for case in GOT])
def test_9_4_every_model(filled: Node, case: Moved) -> None:
    before, users = filled.mark(), len(filled.user())
    final, received = get(filled, case.keys, [CT, MR], case.model)
    assert (final, len(received)) == (Ended(0, 0, case.number, 0, 0), case.number)
    assert {syntax for syntax, _ in received} == {EVLE}
    name = {"study": "StudyRoot", "patient": "PatientRoot", "patient_study": "PatientStudyOnly"}[case.model]
    filled.line(f"C-Get ({name})", before)
    assert filled.user()[users:] == ['"C-Get  ","TESTSCU         "']


def test_9_4_a_class_that_was_not_negotiated_and_nothing_found(filled: Node) -> None:
    final, received = get(filled, STUDY, [CT])
    assert (final, len(received)) == (Ended(0, 0, 3, 2, 0), 3)
    assert get(filled, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2"}, [CT])[0] == Ended(0xC004, 0, 0, 0, 0)
