"""C-MOVE: every case of the reference's table, real and raw destinations, deadlines."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from dgate.net import dimse, pdu
from tests import dcmtk
from tests.dgate.archive.support import CT1, dataset
from tests.ports import free_port

from .conftest import SHORT, wait_for
from .raw import CT, EVLE, IVLE, RawClient, request
from .whole import (
    MOVE,
    MR,
    RETRIEVE_CONTEXT,
    STUDY,
    Whole,
    cancel_message,
    counts,
    keys,
    move,
    move_from,
    retrieve_command,
    retrieving_client,
    whole_server,
)

PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
MOVE_MESSAGE = dimse.encode_message(
    RETRIEVE_CONTEXT, retrieve_command(dimse.C_MOVE, MOVE, destination="DEST"), keys(), 0
)


@dataclass
class Received:
    """What a pynetdicom destination was told."""

    port: int = 0
    requests: list[Any] = field(default_factory=list)
    datasets: list[tuple[str, bytes]] = field(default_factory=list)
    callers: list[tuple[str, str]] = field(default_factory=list)
    proposed: list[tuple[str, list[str]]] = field(default_factory=list)
    status: Callable[[int], int] = lambda _: 0


@contextmanager
def destination(*classes: str, syntaxes: list[str] | None = None, max_length: int = 16382) -> Iterator[Received]:
    received = Received()

    def store(event: evt.Event) -> int:
        request: Any = event.request
        received.requests.append(request)
        received.datasets.append((event.context.transfer_syntax, request.DataSet.getvalue()))
        return received.status(len(received.requests))

    def requested(event: evt.Event) -> None:
        primitive: Any = event.assoc.requestor.primitive
        received.callers.append((primitive.calling_ae_title, primitive.called_ae_title))
        for context in event.assoc.requestor.requested_contexts:
            received.proposed.append((str(context.abstract_syntax), [str(uid) for uid in context.transfer_syntax]))

    ae = AE("DEST")
    ae.maximum_pdu_size = max_length
    for uid in classes or (CT,):
        ae.add_supported_context(uid, syntaxes or [IVLE])
    handlers: list[Any] = [(evt.EVT_C_STORE, store), (evt.EVT_REQUESTED, requested)]
    scp: Any = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    received.port = scp.socket.getsockname()[1]
    try:
        yield received
    finally:
        scp.shutdown()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Whole]:
    with whole_server(tmp_path) as running:
        yield running
        running.wait_until_empty()


def comment_fits(comment: str) -> bool:
    return 0 < len(comment) <= 64


class TestTable:
    def test_all_are_sent(self, server: Whole) -> None:
        uids = server.fill(5)
        with destination() as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            found = move_from(server, "dest")
        assert (found.status, found.counts) == (0, (0, 5, 0, 0))
        assert found.pending == [(4 - n, n + 1, 0, 0) for n in range(5)]
        assert [str(r.AffectedSOPInstanceUID).encode() for r in dest.requests] == uids
        assert dest.callers == [("ORACLE", "dest")]
        assert dest.proposed == [(CT, [IVLE])]
        assert {r.Priority for r in dest.requests} == {0}
        assert {(r.MoveOriginatorApplicationEntityTitle, r.MoveOriginatorMessageID) for r in dest.requests} == {
            ("TESTSCU", 7)
        }
        assert [r.MessageID for r in dest.requests] == [1, 3, 5, 7, 9]

    def test_the_log_says_what_the_original_says(self, server: Whole) -> None:
        (uid,) = server.fill(1)
        with destination() as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            move_from(server, "DEST")
            with retrieving_client(server.port, PATIENT_MOVE) as client:
                move(client, "DEST", sop=PATIENT_MOVE)
                client.release()
        lines, debug = server.log.lines, server.log.debug_lines
        assert lines.count('\tC-Move Destination: "DEST"') == 2
        assert "Number of Images to send: 1" in lines
        assert "Number of images to send: 1" in lines
        assert "C-Move (StudyRoot)" in lines
        assert "C-Move (PatientRoot)" in lines
        assert f"(QualifyOn) (mapped) IP:127.0.0.1, PORT:{dest.port}" in debug
        assert f"Sending file : {server.path_of(uid)}" in debug
        assert server.log.users == [("C-Move", "TESTSCU")] * 2

    def test_some_classes_are_refused(self, server: Whole) -> None:
        server.fill(3)
        server.fill(2, sop_class=MR, start=3)
        with destination(CT) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            found = move_from(server, "DEST")
        assert (found.status, found.counts) == (0, (0, 3, 2, 0))
        assert server.log.lines.count("Host 'DEST' will not accept image") == 2
        assert len(found.pending) == 5

    @pytest.mark.parametrize(("bad", "completed"), [(1, 0), (3, 2)])
    @pytest.mark.parametrize("status", [0xA700, 0xB000])
    def test_a_store_that_is_not_a_success_stops_everything(
        self, server: Whole, bad: int, completed: int, status: int
    ) -> None:
        server.fill(5)
        with destination() as dest:
            dest.status = lambda count: status if count == bad else 0
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            found = move_from(server, "DEST")
        assert (found.status, found.counts) == (0xFE00, (0, completed, 5 - completed, 0))
        assert len(dest.requests) == bad
        assert f"{status:04X}" in found.comment
        assert server.log.users == []

    def test_an_unknown_destination(self, server: Whole) -> None:
        server.fill(1)
        server.know("FIRST 127.0.0.1 104 un", "SECOND 127.0.0.1 105 un")
        found = move_from(server, "NOBODY")
        assert (found.status, found.counts, found.pending) == (0xC003, (0, 0, 0, 0), [])
        assert found.comment == "unknown AE title NOBODY; known are FIRST, SECOND"
        assert "Retrieve: move destination not allowed or known" in server.log.lines

    def test_the_comment_is_cut_to_what_the_standard_allows(self, server: Whole) -> None:
        server.know(*(f"STATION{number} 127.0.0.1 104 un" for number in range(50)))
        assert len(move_from(server, "NOBODY").comment) == 64

    @pytest.mark.parametrize(("name", "status"), [(None, 0xC001), ("", 0xC002), ("  ", 0xC002)])
    def test_no_destination(self, server: Whole, name: str | None, status: int) -> None:
        server.fill(1)
        found = move_from(server, name)
        assert (found.status, found.counts) == (status, (0, 0, 0, 0))
        assert comment_fits(found.comment)

    def test_nothing_is_found(self, server: Whole) -> None:
        server.fill(1)
        server.know("DEST 127.0.0.1 104 un")
        found = move_from(server, "DEST", keys(study=b"1.2.3"))
        assert (found.status, found.counts) == (0xC004, (0, 0, 0, 0))

    def test_nobody_listens(self, server: Whole) -> None:
        server.fill(2)
        port = free_port()
        server.know(f"DEST 127.0.0.1 {port} un")
        found = move_from(server, "DEST")
        assert (found.status, found.counts) == (0xC005, (0, 0, 0, 0))
        assert found.comment == f"DEST at 127.0.0.1:{port}: Connection refused"
        assert "Host 'DEST' did not accept the connection" in server.log.lines

    @pytest.mark.parametrize("entry", ["DEST 127.0.0.1 port un", "DEST nowhere.invalid 104 un", "DEST a..b 104"])
    def test_an_entry_of_no_use(self, server: Whole, entry: str) -> None:
        server.fill(1)
        server.know(entry)
        found = move_from(server, "DEST")
        assert (found.status, found.counts) == (0xC005, (0, 0, 0, 0))
        assert comment_fits(found.comment)

    def test_no_context_is_accepted(self, server: Whole) -> None:
        server.fill(1)
        with destination(MR) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            found = move_from(server, "DEST")
        assert found.status == 0xC005
        assert "no presentation context" in found.comment

    def test_the_association_is_rejected(self, server: Whole, tmp_path_factory: pytest.TempPathFactory) -> None:
        server.fill(1)
        with whole_server(tmp_path_factory.mktemp("full"), replace(SHORT, associations=0)) as full:
            server.know(f"FULL 127.0.0.1 {full.port} un")
            found = move_from(server, "FULL")
        assert found.status == 0xC005
        assert "rejected: result 2" in found.comment


class TestSelection:
    @pytest.mark.parametrize("level", [b"FOO", b"IMAGE", b"PATIENT", b""])
    def test_the_level_is_not_looked_at(self, server: Whole, level: bytes) -> None:
        server.fill(2)
        with destination() as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            assert move_from(server, "DEST", keys(level)).counts == (0, 2, 0, 0)

    def test_no_keys_move_everything(self, server: Whole) -> None:
        server.fill(3)
        with destination() as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            assert move_from(server, "DEST", b"").counts == (0, 3, 0, 0)

    def test_a_request_without_an_identifier_moves_nothing(self, server: Whole) -> None:
        server.fill(1)
        with retrieving_client(server.port, MOVE) as client:
            bare = retrieve_command(dimse.C_MOVE, MOVE, destination="DEST", data_set=False)
            client.send(dimse.encode_message(RETRIEVE_CONTEXT, bare, None, 0))
            answer, _ = client.response()
            assert answer.number(dimse.STATUS) == 0xC001
            client.release()

    def test_an_identifier_that_is_none(self, server: Whole) -> None:
        server.know("DEST 127.0.0.1 104 un")
        assert move_from(server, "DEST", b"\x08\x00\x52\x00\xff\xff\x00\x00").status == 0xC001

    def test_a_missing_file_fails_alone(self, server: Whole) -> None:
        uids = server.fill(3)
        server.path_of(uids[1]).unlink()
        with destination() as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            found = move_from(server, "DEST")
        assert (found.status, found.counts) == (0, (0, 2, 1, 0))
        assert [line for line in server.log.lines if str(server.path_of(uids[1])) in line]
        assert found.pending[1] == (1, 1, 1, 0)


class TestCancel:
    def test_between_two_objects(self, server: Whole) -> None:
        server.fill(6)
        go_on = threading.Event()
        with destination() as dest, retrieving_client(server.port, MOVE) as client:
            dest.status = lambda count: 0 if count < 3 or go_on.wait(10) else 0xA700
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            client.send(MOVE_MESSAGE)
            wait_for(lambda: len(dest.requests) == 3)
            client.send(cancel_message())
            go_on.set()
            pending, answer = 0, client.response()[0]
            while answer.number(dimse.STATUS) == dimse.PENDING:
                pending, answer = pending + 1, client.response()[0]
            assert answer.number(dimse.STATUS) == 0xFE00
            assert counts(answer) == (3, 3, 0, 0)
            assert pending == 3
            client.release()
        assert len(dest.requests) == 3

    def test_of_another_message_changes_nothing(self, server: Whole) -> None:
        server.fill(3)
        go_on = threading.Event()
        with destination() as dest, retrieving_client(server.port, MOVE) as client:
            dest.status = lambda _: 0 if go_on.wait(10) else 0xA700
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            client.send(MOVE_MESSAGE)
            wait_for(lambda: len(dest.requests) == 1)
            client.send(cancel_message(99))
            go_on.set()
            answer = client.response()[0]
            while answer.number(dimse.STATUS) == dimse.PENDING:
                answer = client.response()[0]
            assert (answer.number(dimse.STATUS), counts(answer)) == (0, (0, 3, 0, 0))
            client.release()


class TestDeadlines:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Whole]:
        with whole_server(tmp_path, SHORT) as running:
            yield running
            running.wait_until_empty()

    def test_a_destination_that_never_answers_the_request(self, server: Whole) -> None:
        server.fill(1)
        with socket.create_server(("127.0.0.1", 0)) as mute:
            server.know(f"DEST 127.0.0.1 {mute.getsockname()[1]} un")
            found = move_from(server, "DEST")
        assert found.status == 0xC005
        assert "timed out" in found.comment

    def test_a_destination_that_never_answers_a_store(self, server: Whole) -> None:
        server.fill(2)
        with raw_destination(lambda _: None) as port:
            server.know(f"DEST 127.0.0.1 {port} un")
            found = move_from(server, "DEST")
        assert (found.status, found.counts) == (0xFE00, (0, 0, 2, 0))
        assert "timed out" in found.comment

    def test_a_destination_that_never_reads(self, server: Whole) -> None:
        big = {0x7FE00010: (b"OW", bytes(8_000_000))}
        elements = {**CT1, **big}
        assert server.house.store(elements) == 0
        with raw_destination(lambda _: None, read=False) as port:
            server.know(f"DEST 127.0.0.1 {port} un")
            found = move_from(server, "DEST")
        assert (found.status, found.counts) == (0xFE00, (0, 0, 1, 0))

    @pytest.mark.parametrize(
        "answer",
        [
            b"\7\0\0\0\0\4\0\0\0\0",
            b"\4\0\0\0\0\6\0\0\0\2\1\3",
            b"\4\0\xff\xff\xff\xff",
            b"\5\0\0\0\0\4\0\0\0\0",
            b"\4\0\0\0\0\7\0\0\0\3\1\2x",
            b"\4\0\0\0\0\7\0\0\0\3\x63\3x",
            b"",
        ],
    )
    def test_a_destination_that_answers_nonsense(self, server: Whole, answer: bytes) -> None:
        server.fill(2)
        with raw_destination(lambda _: answer) as port:
            server.know(f"DEST 127.0.0.1 {port} un")
            found = move_from(server, "DEST")
        assert (found.status, found.counts) == (0xFE00, (0, 0, 2, 0))
        assert comment_fits(found.comment)

    def test_a_slow_destination_does_not_end_the_requester(self, server: Whole) -> None:
        """The requester has nothing to send meanwhile; a cancel of something else must not start its deadline."""
        server.fill(3)
        pause = threading.Event()
        with destination() as dest, retrieving_client(server.port, MOVE) as client:
            dest.status = lambda _: int(pause.wait(0.5))
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            client.send(MOVE_MESSAGE)
            client.send(cancel_message(99))
            answer = client.response()[0]
            while answer.number(dimse.STATUS) == dimse.PENDING:
                answer = client.response()[0]
            assert counts(answer) == (0, 3, 0, 0)
            client.release()

    def test_a_requester_that_goes_away_ends_the_sending(self, server: Whole) -> None:
        server.fill(5)
        gone = threading.Event()
        with destination() as dest:
            dest.status = lambda _: 0 if gone.wait(10) else 0xA700
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            with retrieving_client(server.port, MOVE) as client:
                client.send(MOVE_MESSAGE)
                wait_for(lambda: len(dest.requests) == 1)
            gone.set()
            server.wait_until_empty()
        assert len(dest.requests) < 5

    def test_the_server_serves_others_meanwhile(self, server: Whole) -> None:
        server.fill(1)
        with raw_destination(lambda _: None) as port:
            server.know(f"DEST 127.0.0.1 {port} un")
            with retrieving_client(server.port, MOVE) as client:
                client.send(MOVE_MESSAGE)
                with RawClient(server.port) as other:
                    other.associate()
                    assert other.echo() == 0
                    assert not select.select([client.sock], [], [], 0)[0]
                    other.release()
                assert client.response()[0].number(dimse.STATUS) == 0xFE00
                client.release()


@contextmanager
def raw_destination(answer: Callable[[bytes], bytes | None], *, read: bool = True) -> Iterator[int]:
    """Accepts an association with its first context; after that it reads, or not, and says what it is told to say.

    None means nothing at all; an empty answer closes.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        sock, _ = listening.accept()
        with sock:
            sock.settimeout(10)
            header = sock.recv(6, socket.MSG_WAITALL)
            asked = pdu.parse_request(sock.recv(pdu.HEADER.unpack(header)[1], socket.MSG_WAITALL))
            results = tuple(pdu.ContextResult(c.id, 0, c.transfer_syntaxes[0]) for c in asked.contexts)
            user = pdu.UserInformation(16384, "1.2.3.4")
            accept = pdu.AssociateAccept(
                asked.called, asked.calling, asked.reserved, asked.application_context, results, user
            )
            sock.sendall(pdu.encode_accept(accept))
            said = answer(sock.recv(65536)) if read else None
            if said is None:
                over.wait(10)
            else:
                sock.sendall(said)
                if said:
                    over.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        thread.join()
        listening.close()


class TestTransferSyntaxes:
    @pytest.mark.parametrize(
        ("code", "proposed", "accepts", "sent"),
        [
            ("un", [IVLE], [IVLE], IVLE),
            ("zz", [IVLE], [IVLE], IVLE),
            ("UL", [EVLE, IVLE], [EVLE], EVLE),
            ("ul", [EVLE, IVLE], [IVLE], IVLE),
            ("ub", ["1.2.840.10008.1.2.2", IVLE], ["1.2.840.10008.1.2.2"], "1.2.840.10008.1.2.2"),
            ("ue", [EVLE, "1.2.840.10008.1.2.2", IVLE], ["1.2.840.10008.1.2.2"], "1.2.840.10008.1.2.2"),
        ],
    )
    def test_uncompressed(self, server: Whole, code: str, proposed: list[str], accepts: list[str], sent: str) -> None:
        server.fill(1)
        with destination(syntaxes=accepts) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} {code}")
            assert move_from(server, "DEST").counts == (0, 1, 0, 0)
        assert dest.proposed == [(CT, proposed)]
        ((syntax, data),) = dest.datasets
        assert syntax == sent
        elements = {**CT1, 0x00080018: (b"UI", b"1.2.826.0.1.3680043.8.498.77.9.0")}
        if sent.endswith("2.2"):
            elements = {
                tag: (vr, swapped(value) if vr in (b"US", b"OW") else value) for tag, (vr, value) in elements.items()
            }
        assert data == dataset(elements, sent)

    def test_the_called_title_overrides_the_map(self, server: Whole) -> None:
        server.fill(1)
        with destination(syntaxes=[EVLE]) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} un")
            client = RawClient(server.port)
            with client:
                context = pdu.ProposedContext(RETRIEVE_CONTEXT, MOVE, (IVLE,))
                client.associate(request([context], called="ORACLE~ul"))
                assert move(client, "DEST").counts == (0, 1, 0, 0)
                client.release()
        assert dest.proposed == [(CT, [EVLE, IVLE])]

    def test_a_code_that_needs_a_codec_proposes_its_list(self, server: Whole) -> None:
        server.fill(1)
        with destination(syntaxes=[IVLE]) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} j2")
            assert move_from(server, "DEST").counts == (0, 1, 0, 0)
        assert dest.proposed[0] == (CT, ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", IVLE])


def swapped(value: bytes) -> bytes:
    return b"".join(value[at : at + 2][::-1] for at in range(0, len(value), 2))


class TestPeers:
    def test_the_server_itself(self, server: Whole) -> None:
        server.fill(4)
        before = server.house.files()
        server.know(f"ORACLE 127.0.0.1 {server.port} as")
        found = move_from(server, "ORACLE")
        assert (found.status, found.counts) == (0, (0, 4, 0, 0))
        assert sum(line.startswith("Rewritten file: ") for line in server.house.log.lines) == 4
        assert server.house.files() == before

    @pytest.mark.parametrize("max_length", [0, 64, 4096, 131072])
    def test_any_maximum_length(self, server: Whole, max_length: int) -> None:
        elements = {**CT1, 0x7FE00010: (b"OW", bytes(range(256)) * 3000)}
        assert server.house.store(elements) == 0
        with destination(syntaxes=[EVLE], max_length=max_length) as dest:
            server.know(f"DEST 127.0.0.1 {dest.port} ul")
            assert move_from(server, "DEST").counts == (0, 1, 0, 0)
        ((_, data),) = dest.datasets
        assert data == dataset(elements)

    @pytest.mark.peer
    @pytest.mark.skipif(not (dcmtk.find("movescu") and dcmtk.find("storescp")), reason="dcmtk is not installed")
    @pytest.mark.parametrize("model", ["-S", "-P"])
    def test_movescu_to_storescp(self, server: Whole, tmp_path_factory: pytest.TempPathFactory, model: str) -> None:
        uids = server.fill(3)
        folder = tmp_path_factory.mktemp("received")
        with storescp(folder) as port:
            server.know(f"STORESCP 127.0.0.1 {port} un")
            command = [
                dcmtk.path("movescu"), model, "-d", "-aec", "ORACLE", "-aem", "STORESCP", "-k", "0008,0052=STUDY",
                "-k", f"0020,000D={STUDY.decode()}", "127.0.0.1", str(server.port),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(r"Completed Suboperations +: 3", done.stderr)
        assert len(list(folder.iterdir())) == len(uids)


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [dcmtk.path("storescp"), *options, "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _listens(port))
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
