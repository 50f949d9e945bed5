"""C-MOVE: every case of the reference's table, real and raw destinations, deadlines."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dgate.net import dimse, pdu
from tests.dgate.archive.support import CT1
from tests.ports import free_port

from .conftest import SHORT, wait_for
from .moving import destination
from .raw import CT, IVLE, RawClient
from .whole import (
    MOVE,
    MR,
    RETRIEVE_CONTEXT,
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
