"""Echo, store and find over a real socket, in every way the bytes can be cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from dgate.interfaces import QueryFailure
from dgate.net import dimse, pdu
from dgate.net.connection import RECEIVE_BUFFER

from .conftest import PATIENT, Running, StartServer
from .raw import (
    CT,
    CT_CONTEXT,
    ECHO_CONTEXT,
    EVLE,
    FIND_CONTEXT,
    RawClient,
    command,
    echo_message,
    find_message,
    p_data,
    pdv,
    request,
    store_message,
)

OBJECT = bytes(range(256)) * 100


def test_echo_and_release(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        client.send(echo_message(77))
        answer, data_set = client.response()
        client.release()
    assert (answer.field, answer.number(dimse.RESPONDED_TO), answer.number(dimse.STATUS)) == (0x8030, 77, 0)
    assert data_set is None
    server.wait_until_empty()


def test_the_log_of_an_echo(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        client.echo()
        client.release()
    server.wait_until_empty()
    lines = server.log.lines
    assert lines[0] == ""
    assert lines[1].startswith("UPACS THREAD 0: STARTED AT: ")
    assert lines[2:8] == [
        '\tCalling Application Title : "TESTSCU         "',
        '\tCalled Application Title : "ORACLE          "',
        '\tApplication Context : "1.2.840.10008.3.1.1.1", PDU length: 16384',
        '\tPresentation Context 0 "1.2.840.10008.1.1" 1',
        '\tPresentation Context 1 "1.2.840.10008.5.1.4.1.1.2" 1',
        '\tPresentation Context 2 "1.2.840.10008.5.1.4.1.2.2.1" 1',
    ]
    assert lines[8] == "C-Echo"
    assert lines[9].startswith("UPACS THREAD 0: ENDED AT: ")
    assert lines[10] == "UPACS THREAD 0: TOTAL RUNNING TIME: 0 SECONDS"
    assert server.log.debug_lines == [
        "A-ASSOCIATE-RQ Packet Dump",
        "\tNumber of Proposed Presentation Contexts: 3",
        "Server Command   := 0030",
        "Message ID       := 0001",
    ]


def test_many_echoes_on_one_association(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        assert [client.echo(number) for number in range(1, 50)] == [0] * 49
        client.release()


def test_a_store_arrives_whole_with_what_the_association_says(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        client.send(store_message(OBJECT, 9, "1.2.3.4"))
        answer, _ = client.response()
        client.release()
    (asked, data), *others = server.archive.stored
    assert not others
    assert data == OBJECT
    assert (asked.sop_class_uid, asked.sop_instance_uid, asked.transfer_syntax) == (CT, "1.2.3.4", EVLE)
    assert (asked.calling_ae, asked.called_ae) == ("TESTSCU", "ORACLE")
    assert answer.number(dimse.STATUS) == 0
    assert answer.uid(dimse.AFFECTED_SOP_INSTANCE) == "1.2.3.4"
    assert server.log.users == [("C-Store", "TESTSCU")]
    assert server.archive.aborted == []


@pytest.mark.parametrize("size", [0, 1, 2, 100, 4090, 131066, 131067, 1_000_003])
@pytest.mark.parametrize("maximum", [64, 4096, 131072])
def test_objects_of_any_size_in_pdus_of_any_size(server: Running, size: int, maximum: int) -> None:
    data = bytes(itertools.islice(itertools.cycle(range(251)), min(size, 40_000 if maximum == 64 else size)))
    with RawClient(server.port) as client:
        client.associate()
        for number in (1, 2):
            client.send(store_message(data, number, max_length=maximum))
            assert client.status() == 0
        client.release()
    assert [stored for _, stored in server.archive.stored] == [data, data]


def test_no_more_than_one_buffer_is_handed_over_at_once(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        client.send(store_message(bytes(5_000_000), max_length=131072))
        assert client.status() == 0
        client.release()
    assert 0 < server.archive.largest_write <= RECEIVE_BUFFER


def test_bytes_one_by_one(start_server: StartServer) -> None:
    server = start_server(PATIENT)
    with RawClient(server.port) as client:
        for byte in pdu.encode_request(request()) + echo_message() + store_message(OBJECT[:300]):
            client.send(bytes((byte,)))
        assert client.receive()[0] == pdu.ASSOCIATE_AC
        assert client.status() == client.status() == 0
        client.release()
    assert server.archive.stored[0][1] == OBJECT[:300]


def test_many_fragments_in_one_pdu_and_many_messages_in_one_send(server: Running) -> None:
    store = command(dimse.C_STORE, 1, data_set=True)
    whole = p_data(
        pdv(CT_CONTEXT, 1, store[:20]),
        pdv(CT_CONTEXT, 1, b""),
        pdv(CT_CONTEXT, 3, store[20:]),
        *(pdv(CT_CONTEXT, 0, OBJECT[at : at + 3]) for at in range(0, 3000, 3)),
        pdv(CT_CONTEXT, 2, b""),
    )
    with RawClient(server.port) as client:
        client.associate()
        client.send(whole + echo_message() + whole + echo_message())
        assert [client.status() for _ in range(4)] == [0] * 4
        client.release()
    assert [data for _, data in server.archive.stored] == [OBJECT[:3000]] * 2


def test_two_messages_in_one_pdu(server: Running) -> None:
    echo = pdv(ECHO_CONTEXT, 3, command(dimse.C_ECHO))
    with RawClient(server.port) as client:
        client.associate()
        client.send(p_data(echo, echo))
        assert client.status() == client.status() == 0
        client.release()


def test_a_failed_store_has_the_archives_status_and_no_user_line(server: Running) -> None:
    server.archive.status = 0x0110
    with RawClient(server.port) as client:
        client.associate()
        client.send(store_message(OBJECT))
        assert client.status() == 0x0110
        client.release()
    assert server.log.users == []


def test_a_store_without_a_data_set_fails(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        client.send(p_data(pdv(CT_CONTEXT, 3, command(dimse.C_STORE))))
        assert client.status() == 0x0110
        client.release()
    assert server.archive.stored == []


def test_find_sends_what_the_archive_finds(server: Running) -> None:
    asked = []

    def finder(model: str, identifier: bytes, syntax: str) -> Iterator[bytes]:
        asked.append((model, identifier, syntax))
        return iter((b"first ", b"second"))

    server.archive.finder = finder
    with RawClient(server.port) as client:
        client.associate()
        client.send(find_message(b"identifier"))
        answers = [client.response() for _ in range(3)]
        client.release()
    assert asked == [("study", b"identifier", "1.2.840.10008.1.2")]
    assert [(a.number(dimse.STATUS), data) for a, data in answers] == [
        (0xFF00, b"first "),
        (0xFF00, b"second"),
        (0x0000, None),
    ]


def test_a_failing_query_ends_with_its_status(server: Running) -> None:
    def finder(*_: object) -> Iterator[bytes]:
        yield b"one match"
        raise QueryFailure(0xC001, "no such level")

    server.archive.finder = finder
    with RawClient(server.port) as client:
        client.associate()
        client.send(find_message(b"identifier"))
        assert [client.response()[0].number(dimse.STATUS) for _ in range(2)] == [0xFF00, 0xC001]
        client.release()


def test_identifiers_have_a_bound(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        client.send(dimse.encode_message(FIND_CONTEXT, command(dimse.C_FIND, data_set=True), bytes(1_100_000), 131072))
        assert client.status() == 0xC001
        assert client.echo() == 0
        client.release()


def test_an_unknown_information_model_is_answered(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        client.send(find_message(b"identifier", sop="1.2.840.10008.5.1.4.32"))
        assert client.status() == 0x0122
        client.release()


def test_a_cancelled_query_stops(server: Running) -> None:
    given = itertools.count()
    server.archive.finder = lambda *_: (b"%20d" % next(given) * 100 for _ in range(100_000))
    with RawClient(server.port) as client:
        client.associate()
        client.send(find_message(b"identifier", 4))
        assert client.status() == 0xFF00
        client.send(dimse.encode_message(FIND_CONTEXT, command(dimse.C_CANCEL, 4), None, 0))
        status = 0xFF00
        while status == 0xFF00:
            status = client.status()
        assert status == 0xFE00
        assert client.echo() == 0
        client.release()
    assert next(given) < 100_000
    assert "Cancel request" in server.log.lines


def test_a_late_cancel_is_ignored(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        client.send(dimse.encode_message(FIND_CONTEXT, command(dimse.C_CANCEL, 4), None, 0))
        assert client.echo() == 0
        client.release()


def test_answers_respect_a_small_maximum(server: Running) -> None:
    server.archive.finder = lambda *_: iter((OBJECT,))
    with RawClient(server.port) as client:
        client.associate(request(max_length=64))
        client.send(find_message(b"identifier"))
        assert client.response()[1] == OBJECT
        assert client.status() == 0
        client.release()


def test_the_idle_time_ends_an_association(start_server: StartServer) -> None:
    server = start_server(idle=0.3)
    with RawClient(server.port) as client:
        client.associate()
        assert client.echo() == 0
        assert client.receive() == (0, b"")
    server.wait_until_empty()


def test_stopping_ends_idle_associations_with_an_abort(server: Running) -> None:
    with RawClient(server.port) as client:
        client.associate()
        assert client.echo() == 0
        server.wait_for(lambda: len(server.log.debug_lines) >= 4)
        server.door.drain()
        assert client.receive() == (pdu.ABORT, b"\0\0\2\0")
    server.wait_until_empty()


def test_stopping_lets_a_store_in_flight_finish(server: Running) -> None:
    import threading

    message = store_message(OBJECT, max_length=4096)
    with RawClient(server.port) as client:
        client.associate()
        client.send(message[:8000])
        server.wait_for(lambda: server.log.debug_lines[-1:] == ["Message ID       := 0001"])
        stopper = threading.Thread(target=server.door.drain)
        stopper.start()
        server.wait_for(lambda: server.door.draining)
        client.send(message[8000:])
        assert client.status() == 0
        assert client.receive()[0] == pdu.ABORT
        stopper.join(10)
    assert server.archive.stored[0][1] == OBJECT
