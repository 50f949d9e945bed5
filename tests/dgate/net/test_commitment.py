"""Storage commitment against pynetdicom, on the requester's association and on one of ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from dgate.interfaces import ActionFailure
from dgate.net import commitment, dimse, pdu
from dgate.net.negotiation import STORAGE_COMMITMENT

from .conftest import SHORT, wait_for
from .raw import CT, EVLE, IVLE, RawClient, request
from .whole import MR, Whole, whole_server

if TYPE_CHECKING:
    from pynetdicom.association import Association

INSTANCE = "1.2.840.10008.1.20.1.1"
CONTEXT = 1
SYNTAXES = [IVLE, EVLE, "1.2.840.10008.1.2.2"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Whole]:
    with whole_server(tmp_path) as running:
        switch_on(running)
        yield running
        running.wait_until_empty()
        wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == "commitment"])


def switch_on(server: Whole) -> None:
    with (server.house.root / "dicom.ini").open("a") as file:
        file.write("StorageCommitment = 1\n")
    server.config.reload()


@dataclass
class Reports:
    """What a requester is told."""

    events: list[tuple[int, Dataset]] = field(default_factory=list)
    roles: list[tuple[bool, bool]] = field(default_factory=list)
    callers: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def take(self, event: Any) -> tuple[int, None]:
        self.events.append((event.event_type, event.event_information))
        return 0x0000, None

    def associated(self, event: Any) -> None:
        primitive = event.assoc.requestor.primitive
        self.callers.append((primitive.calling_ae_title, primitive.called_ae_title))
        roles = event.assoc.requestor.role_selection
        self.roles += [(role.scu_role, role.scp_role) for role in roles.values()]

    @property
    def report(self) -> tuple[int, Dataset]:
        wait_for(lambda: bool(self.events))
        (only,) = self.events
        return only


def action(*references: tuple[str, str], transaction: str = "1.2.3.99") -> Dataset:
    information = Dataset()
    information.TransactionUID = transaction
    information.ReferencedSOPSequence = [item(*reference) for reference in references]
    return information


def item(sop_class: str, uid: str) -> Dataset:
    found = Dataset()
    found.ReferencedSOPClassUID, found.ReferencedSOPInstanceUID = sop_class, uid
    return found


@contextmanager
def requester(server: Whole, reports: Reports, syntax: str = EVLE) -> Iterator[Association]:
    ae = AE("ASKER")
    ae.add_requested_context(StorageCommitmentPushModel, syntax)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, reports.take)]
    association = ae.associate("127.0.0.1", server.port, ae_title="ORACLE", evt_handlers=handlers)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


@contextmanager
def listening(server: Whole, reports: Reports, port: int = 0) -> Iterator[None]:
    """The requester's own server, known in acrnema.map."""
    ae = AE("ASKER")
    ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, reports.take), (evt.EVT_REQUESTED, reports.associated)]
    scp = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert scp is not None
    assert scp.socket is not None
    reports.port = scp.socket.getsockname()[1]
    server.know(f"ASKER 127.0.0.1 {reports.port} un")
    try:
        yield
    finally:
        scp.shutdown()


def ask(association: Association, information: Dataset, action_type: int = 1) -> int:
    status, reply = association.send_n_action(information, action_type, StorageCommitmentPushModel, INSTANCE)
    assert not reply
    return int(status.Status)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_all_there_on_the_same_association(server: Whole, syntax: str) -> None:
    uids = [uid.decode() for uid in server.fill(3)]
    reports = Reports()
    with requester(server, reports, syntax) as association:
        assert ask(association, action(*[(CT, uid) for uid in uids])) == 0
        event_type, information = reports.report
    assert event_type == 1
    assert information.TransactionUID == "1.2.3.99"
    assert [(ref.ReferencedSOPClassUID, ref.ReferencedSOPInstanceUID) for ref in information.ReferencedSOPSequence] == [
        (CT, uid) for uid in uids
    ]
    assert "FailedSOPSequence" not in information
    server.wait_until_empty()
    assert "N-Action (StorageCommitment) 3 objects, 0 failed" in server.log.lines
    assert "N-Event-Report (StorageCommitment) to ASKER" in server.log.lines


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_not_there_is_named_with_its_reason(server: Whole, syntax: str) -> None:
    good, lost, other = (uid.decode() for uid in server.fill(3))
    server.path_of(lost.encode()).unlink()
    reports = Reports()
    asked = [(CT, good), (CT, "9.9.9"), (MR, other), (CT, lost), (CT, "1.2.826*"), (CT, "")]
    with requester(server, reports, syntax) as association:
        assert ask(association, action(*asked)) == 0
        event_type, information = reports.report
    assert event_type == 2
    assert [ref.ReferencedSOPInstanceUID for ref in information.ReferencedSOPSequence] == [good]
    failed = [(ref.ReferencedSOPInstanceUID, ref.FailureReason) for ref in information.FailedSOPSequence]
    assert failed == [("9.9.9", 0x0112), (other, 0x0119), (lost, 0x0112), ("1.2.826*", 0x0112), ("", 0x0112)]


def test_nothing_there(server: Whole) -> None:
    reports = Reports()
    with requester(server, reports) as association:
        assert ask(association, action((CT, "9.9.9"))) == 0
        event_type, information = reports.report
    assert event_type == 2
    assert "ReferencedSOPSequence" not in information


def test_a_database_that_is_gone_promises_nothing(server: Whole) -> None:
    (uid,) = server.fill(1)
    (server.house.root / "conquest.db3").rename(server.house.root / "hidden")
    reports = Reports()
    with requester(server, reports) as association:
        assert ask(association, action((CT, uid.decode()))) == 0
        event_type, information = reports.report
    assert event_type == 2
    assert information.FailedSOPSequence[0].FailureReason == 0x0110
    (server.house.root / "hidden").rename(server.house.root / "conquest.db3")


def test_several_transactions_on_one_association(server: Whole) -> None:
    uids = [uid.decode() for uid in server.fill(2)]
    reports = Reports()
    with requester(server, reports) as association:
        for number, uid in enumerate(uids, 1):
            assert ask(association, action((CT, uid), transaction=f"1.2.3.{number}")) == 0
            wait_for(lambda number=number: len(reports.events) == number)  # type: ignore[misc]
    assert [information.TransactionUID for _, information in reports.events] == ["1.2.3.1", "1.2.3.2"]


def test_a_requester_that_leaves_is_called_back(server: Whole) -> None:
    (uid,) = server.fill(1)
    reports = Reports()
    with listening(server, reports):
        with requester(server, reports) as association:
            assert ask(association, action((CT, uid.decode()))) == 0
        event_type, information = reports.report
        server_line = "N-Event-Report (StorageCommitment) to ASKER"
        wait_for(lambda: server_line in server.log.lines)
    assert event_type == 1
    assert information.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == uid.decode()
    assert reports.callers == [("ORACLE", "ASKER")]
    assert reports.roles == [(False, True)]


def test_a_requester_that_aborts_instead_of_answering_is_called_back(server: Whole) -> None:
    (uid,) = server.fill(1)
    reports = Reports()
    with listening(server, reports):
        with raw_requester(server, "ASKER") as client:
            client.send(action_message(uid))
            assert client.response()[0].field == dimse.N_ACTION | dimse.RESPONSE
            assert client.response()[0].field == dimse.N_EVENT_REPORT
            client.send(pdu.encode_abort(0, 0))
            assert client.everything() == b""
        assert reports.report[0] == 1


def test_a_requester_that_never_answers_is_called_back(tmp_path: Path) -> None:
    reports = Reports()
    with whole_server(tmp_path, SHORT) as running:
        switch_on(running)
        (uid,) = running.fill(1)
        with listening(running, reports), raw_requester(running, "ASKER") as client:
            client.send(action_message(uid))
            assert client.response()[0].number(dimse.STATUS) == 0
            assert client.response()[0].field == dimse.N_EVENT_REPORT
            assert client.everything() == b""
            assert reports.report[0] == 1


def test_a_report_is_tried_again(server: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "PAUSES", (0.0, *[0.05] * 200))
    (uid,) = server.fill(1)
    reports, unused = Reports(), Reports()
    with listening(server, unused):
        pass
    with requester(server, reports) as association:
        assert ask(association, action((CT, uid.decode()))) == 0
    wait_for(lambda: any("not delivered" in line for line in server.log.lines))
    with listening(server, reports):
        assert reports.report[0] == 1


def test_attempts_end(server: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "PAUSES", (0.0, 0.01))
    (uid,) = server.fill(1)
    reports = Reports()
    with listening(server, reports):
        pass
    with requester(server, reports) as association:
        assert ask(association, action((CT, uid.decode()))) == 0
    wait_for(lambda: sum("not delivered" in line for line in server.log.lines) == 2)
    assert reports.events == []


def test_a_requester_nobody_knows_gets_no_report_after_it_has_left(server: Whole) -> None:
    (uid,) = server.fill(1)
    with requester(server, Reports()) as association:
        assert ask(association, action((CT, uid.decode()))) == 0
    wait_for(lambda: any("dropped: the AE title is not in acrnema.map" in line for line in server.log.lines))


def test_a_requester_that_goes_on_working_meanwhile(server: Whole) -> None:
    """What comes instead of the answer to the report is served first."""
    (uid,) = server.fill(1)
    contexts = [pdu.ProposedContext(CONTEXT, STORAGE_COMMITMENT, (IVLE,))]
    echo = pdu.ProposedContext(3, "1.2.840.10008.1.1", (IVLE,))
    with RawClient(server.port) as client:
        client.associate(request([*contexts, echo]))
        client.send(action_message(uid))
        assert client.response()[0].number(dimse.STATUS) == 0
        assert client.response()[0].field == dimse.N_EVENT_REPORT
        client.send(dimse.encode_message(3, echo_request(), None, 0))
        assert client.response()[0].field == dimse.C_ECHO | dimse.RESPONSE
        client.send(dimse.encode_message(CONTEXT, event_answer(), None, 0))
        client.send(dimse.encode_message(3, echo_request(), None, 0))
        assert client.response()[0].field == dimse.C_ECHO | dimse.RESPONSE
        client.release()


@contextmanager
def raw_requester(server: Whole, calling: str) -> Iterator[RawClient]:
    with RawClient(server.port) as client:
        contexts = [pdu.ProposedContext(CONTEXT, STORAGE_COMMITMENT, (IVLE,))]
        client.associate(request(contexts, calling=calling))
        yield client


def action_command(*, sop: str = STORAGE_COMMITMENT, instance: str = INSTANCE, kind: int = 1) -> bytes:
    return dimse.encode_command(
        (
            (dimse.REQUESTED_SOP_CLASS, sop.encode()),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.N_ACTION)),
            (dimse.MESSAGE_ID, dimse.ushort(5)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
            (dimse.REQUESTED_SOP_INSTANCE, instance.encode()),
            (dimse.ACTION_TYPE, dimse.ushort(kind)),
        )
    )


def action_message(uid: bytes, **changes: Any) -> bytes:
    return dimse.encode_message(CONTEXT, action_command(**changes), information_of(uid), 0)


def information_of(uid: bytes) -> bytes:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    buffer = DicomBytesIO()
    buffer.is_little_endian = buffer.is_implicit_VR = True
    write_dataset(buffer, action((CT, uid.decode())))
    return buffer.getvalue()


def echo_request() -> bytes:
    return dimse.encode_command(
        (
            (dimse.AFFECTED_SOP_CLASS, b"1.2.840.10008.1.1"),
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_ECHO)),
            (dimse.MESSAGE_ID, dimse.ushort(9)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)),
        )
    )


def event_answer() -> bytes:
    return dimse.encode_command(
        (
            (dimse.COMMAND_FIELD, dimse.ushort(dimse.N_EVENT_REPORT | dimse.RESPONSE)),
            (dimse.RESPONDED_TO, dimse.ushort(1)),
            (dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)),
            (dimse.STATUS, dimse.ushort(0)),
        )
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"sop": CT}, 0x0118),
        ({"instance": "1.2.840.10008.1.20.1.2"}, 0x0112),
        ({"kind": 2}, 0x0123),
    ],
)
def test_other_actions_are_refused(server: Whole, changes: dict[str, Any], status: int) -> None:
    with raw_requester(server, "ASKER") as client:
        client.send(action_message(b"1.2", **changes))
        answer, _ = client.response()
        client.release()
    assert (answer.field, answer.number(dimse.STATUS), answer.number(dimse.RESPONDED_TO)) == (0x8130, status, 5)
    assert 0 < len(answer.elements[dimse.ERROR_COMMENT]) <= 64


@pytest.mark.parametrize(
    ("information", "status"),
    [
        (b"", 0x0115),
        (b"\xff" * 99, 0x0115),
        (b"\x08\x00\x95\x11\x04\0\0\x001.2\0", 0x0115),
        (b"\x08\x00\x99\x11\xff\xff\xff\xff" * 5000, 0x0115),
        (bytes(5 << 20), 0x0213),
    ],
)
def test_broken_information_is_refused(server: Whole, information: bytes, status: int) -> None:
    with raw_requester(server, "ASKER") as client:
        client.send(dimse.encode_message(CONTEXT, action_command(), information, 131072))
        assert client.status() == status
        client.release()


def test_an_empty_request_is_refused(server: Whole) -> None:
    for information in (action(), action((CT, "1.2"), transaction="")):
        with requester(server, Reports()) as association:
            assert ask(association, information) == 0x0115


def proposed(server: Whole) -> int:
    with RawClient(server.port) as client:
        accept = client.associate(request([pdu.ProposedContext(CONTEXT, STORAGE_COMMITMENT, (IVLE,))]))
        client.release()
    return accept.contexts[0].result


def test_the_list_of_sop_classes_does_not_matter_when_it_is_on_and_does_when_it_is_off(tmp_path: Path) -> None:
    (tmp_path / "dgatesop.lst").write_text("Verification 1.2.840.10008.1.1 sop\n")
    with whole_server(tmp_path) as running:
        assert proposed(running) == 3
        switch_on(running)
        assert proposed(running) == 0


def test_off_it_is_a_command_like_any_unknown_one(tmp_path: Path) -> None:
    with whole_server(tmp_path) as running:
        with raw_requester(running, "ASKER") as client:
            client.send(action_message(b"1.2"))
            assert client.everything() == b""
        running.wait_until_empty()
        assert "***Client Error: command 0130 failed **" in running.log.lines


def test_a_failure_to_sync_is_no_promise(server: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    (uid,) = server.fill(1)
    reports = Reports()
    with requester(server, reports) as association:
        monkeypatch.setattr(os, "fsync", fsync)
        assert ask(association, action((CT, uid.decode()))) == 0
        event_type, information = reports.report
        monkeypatch.undo()
    assert event_type == 2
    assert information.FailedSOPSequence[0].FailureReason == 0x0110


def test_nothing_is_promised_before_it_is_on_stable_storage(server: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synced = os.fsync, set()

    def fsync(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    (uid,) = server.fill(1)
    reports = Reports()
    with requester(server, reports) as association:
        monkeypatch.setattr(os, "fsync", fsync)
        assert ask(association, action((CT, uid.decode()))) == 0
        assert reports.report[0] == 1
    file, root = server.path_of(uid), server.house.root
    assert {file, file.parent, server.house.data, root / "conquest.db3", root / "conquest.db3-wal"} <= synced


def test_thousands_of_objects(server: Whole) -> None:
    (uid,) = server.fill(1)
    asked = [(CT, f"9.9.{number}") for number in range(3000)]
    reports = Reports()
    with requester(server, reports) as association:
        assert ask(association, action(*asked, (CT, uid.decode()))) == 0
        _, information = reports.report
    assert len(information.FailedSOPSequence) == 3000
    assert len(information.ReferencedSOPSequence) == 1


def test_the_archive_says_what_it_does_not_understand(server: Whole) -> None:
    with pytest.raises(ActionFailure, match="deflated"):
        server.house.archive.commitment(b"", "1.2.840.10008.1.2.1.99")
