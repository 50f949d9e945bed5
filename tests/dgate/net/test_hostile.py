"""What strangers do to a DICOM port. Each case has its outcome, and leaves the server as it was."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgate.interfaces import StoreRequest
from dgate.net import dimse, pdu
from dgate.net.limits import Doorkeeper
from dgate.net.listener import Listener, bind
from dgate.net.node import Node

from .conftest import (
    SHORT,
    MemoryArchive,
    MemoryIncoming,
    MemoryLog,
    Running,
    live_config,
    still_serves,
)
from .raw import (
    CT,
    CT_CONTEXT,
    ECHO_CONTEXT,
    IVLE,
    RawClient,
    command,
    echo_message,
    find_message,
    p_data,
    pdv,
    request,
    store_message,
)

REQUEST = pdu.encode_request(request())
ECHO = command(dimse.C_ECHO)
STORE = command(dimse.C_STORE, data_set=True)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def served(server: Running) -> Iterator[Running]:
    """The server answers others during and after, and forgets everything about the stranger."""
    still_serves(server)
    descriptors = open_files()
    yield server
    still_serves(server)
    server.wait_until_empty()
    server.wait_for(lambda: open_files() <= descriptors)
    server.wait_for(lambda: server.listener.threads <= 6)


# Slowness


@pytest.mark.parametrize("start", [b"", b"\1", b"\1\0\0\0\1\0", REQUEST[:100], b"\1\0\0\x0f\xff\xff" + bytes(70_000)])
def test_a_request_that_never_ends_is_closed(served: Running, start: bytes) -> None:
    with RawClient(served.port) as client:
        client.send(start)
        assert client.everything() == b""


@pytest.mark.parametrize(
    "start",
    [
        b"\4",
        b"\4\0\0\0\1\0",
        b"\5\0\0\0\0\4",
        p_data(pdv(ECHO_CONTEXT, 3, ECHO))[:-1],
        store_message(bytes(5000))[:900],
    ],
)
def test_a_pdu_that_never_ends_closes_the_association(served: Running, start: bytes) -> None:
    with RawClient(served.port) as client:
        client.associate()
        client.send(start)
        assert client.everything() == b""
    assert served.archive.stored == []
    served.wait_for(lambda: any("timed out" in line for line in served.log.lines))


@pytest.mark.parametrize("associated", [False, True])
def test_a_pdu_that_drips_is_closed_by_its_own_deadline(served: Running, associated: bool) -> None:
    """Each byte comes well within any pause that is allowed; the PDU as a whole does not."""
    message = REQUEST + bytes(1000)
    with RawClient(served.port) as client:
        if associated:
            client.associate()
            message = store_message(bytes(5000))
        for byte in message:
            if select.select([client.sock], [], [], 0.02)[0]:
                break
            client.send(bytes((byte,)))
        assert client.everything() == b""


def test_a_message_that_stops_between_two_pdus_is_dropped(served: Running) -> None:
    with RawClient(served.port) as client:
        client.associate()
        client.send(p_data(pdv(CT_CONTEXT, 3, STORE)) + p_data(pdv(CT_CONTEXT, 0, b"part")))
        assert client.everything() == b""
    served.wait_for(lambda: len(served.archive.aborted) == 1)
    assert served.archive.stored == []


def test_a_client_that_asks_for_everything_and_never_reads(served: Running) -> None:
    served.archive.finder = lambda *_: iter(lambda: bytes(1000), b"")
    with RawClient(served.port, receive_buffer=4096) as client:
        client.associate()
        client.send(find_message(b"identifier"))
        served.wait_for(lambda: served.door.counts()[1] == 1)
        served.wait_until_empty()


# Absurd lengths


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF])
def test_four_gigabytes_before_an_association(served: Running, kind: int) -> None:
    with RawClient(served.port) as client:
        client.send(bytes((kind, 0)) + b"\xff\xff\xff\xff")
        assert client.abort_reason() in {pdu.UNRECOGNIZED_PDU, pdu.UNEXPECTED_PDU, pdu.INVALID_PARAMETER}


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF])
def test_four_gigabytes_inside_an_association(served: Running, kind: int) -> None:
    with RawClient(served.port) as client:
        client.associate()
        client.send(bytes((kind, 0)) + b"\xff\xff\xff\xff")
        assert client.abort_reason() in {pdu.UNRECOGNIZED_PDU, pdu.UNEXPECTED_PDU, pdu.INVALID_PARAMETER}


def test_p_data_may_be_a_little_longer_than_announced_but_not_more(served: Running) -> None:
    limit = SHORT.max_length + SHORT.margin
    for length, expected in ((limit, dimse.SUCCESS), (limit + 1, None)):
        with RawClient(served.port) as client:
            client.associate()
            client.send(p_data(pdv(CT_CONTEXT, 3, STORE)) + p_data(pdv(CT_CONTEXT, 2, bytes(length - 6))))
            if expected is None:
                assert client.receive() == (pdu.ABORT, b"\0\0\2\6")
            else:
                assert client.status() == expected
                client.release()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        struct.pack(">IBB", 0, ECHO_CONTEXT, 3),
        struct.pack(">IBB", 1, ECHO_CONTEXT, 3),
        struct.pack(">IBB", 3, ECHO_CONTEXT, 3),
        struct.pack(">IBB", 0xFFFFFFFF, ECHO_CONTEXT, 3) + bytes(20),
        pdv(ECHO_CONTEXT, 1, ECHO) + b"\0\0\0",
    ],
)
def test_pdvs_that_do_not_fit_their_pdu(served: Running, body: bytes) -> None:
    with RawClient(served.port) as client:
        client.associate()
        client.send(pdu.HEADER.pack(pdu.P_DATA, len(body)) + body)
        assert client.abort_reason() == pdu.INVALID_PARAMETER


# The wrong thing at the wrong time


@pytest.mark.parametrize("first", [pdu.RELEASE_RQ_PDU, pdu.RELEASE_RP_PDU, echo_message(), pdu.encode_abort(0, 0)])
def test_other_pdus_before_a_request(served: Running, first: bytes) -> None:
    with RawClient(served.port) as client:
        client.send(first)
        assert client.abort_reason() == pdu.UNEXPECTED_PDU


@pytest.mark.parametrize("second", [REQUEST, pdu.encode_reject(pdu.AssociateReject(1, 1, 1)), pdu.RELEASE_RP_PDU])
def test_a_second_request_and_other_answers_inside_an_association(served: Running, second: bytes) -> None:
    with RawClient(served.port) as client:
        client.associate()
        client.send(second)
        assert client.abort_reason() == pdu.UNEXPECTED_PDU


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (p_data(pdv(99, 3, ECHO)), pdu.INVALID_PARAMETER),
        (p_data(pdv(0, 3, ECHO)), pdu.INVALID_PARAMETER),
        (p_data(pdv(CT_CONTEXT, 2, b"data set without a command")), pdu.UNEXPECTED_PDU),
        (p_data(pdv(CT_CONTEXT, 3, STORE), pdv(CT_CONTEXT, 3, ECHO)), pdu.UNEXPECTED_PDU),
        (p_data(pdv(CT_CONTEXT, 3, STORE), pdv(ECHO_CONTEXT, 2, b"in another context")), pdu.INVALID_PARAMETER),
        (p_data(pdv(ECHO_CONTEXT, 1, ECHO[:9]), pdv(CT_CONTEXT, 3, ECHO[9:])), pdu.INVALID_PARAMETER),
        (p_data(pdv(ECHO_CONTEXT, 1, ECHO), pdv(ECHO_CONTEXT, 2, b"early")), pdu.UNEXPECTED_PDU),
        (p_data(pdv(ECHO_CONTEXT, 1, bytes(60_000)), pdv(ECHO_CONTEXT, 1, bytes(60_000))), pdu.INVALID_PARAMETER),
    ],
)
def test_fragments_out_of_order(served: Running, message: bytes, reason: int) -> None:
    with RawClient(served.port) as client:
        client.associate()
        client.send(message)
        assert client.abort_reason() == reason
    served.wait_until_empty()
    assert served.archive.stored == []


@pytest.mark.parametrize("context", [1, 255])
def test_a_context_that_was_refused_cannot_be_used(served: Running, context: int) -> None:
    with RawClient(served.port) as client:
        asked = request([pdu.ProposedContext(1, "1.2.3", (IVLE,)), pdu.ProposedContext(3, CT, (IVLE,))])
        client.associate(asked)
        client.send(p_data(pdv(context, 3, ECHO)))
        assert client.abort_reason() == pdu.INVALID_PARAMETER


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\0",
        command(0x0FFE),
        command(0x8030),
        command(0xFFFF),
        command(0x0140, data_set=True),
        struct.pack("<HHI", 0, 0x100, 0xFFFFFFFF),
        dimse.encode_command(((0x100, b"\x30\0"), (0x800, b"\1\1"))),
        dimse.encode_command(((0x100, b"\x30\0\0\0"), (0x110, b"\1\0"), (0x800, b"\1\1"))),
        dimse.encode_command(((0x100, b"\x01\0"), (0x110, b""), (0x800, b"\2\1"))),
    ],
)
def test_commands_that_mean_nothing_close_the_association_without_a_word(served: Running, bad: bytes) -> None:
    with RawClient(served.port) as client:
        client.associate()
        client.send(p_data(pdv(ECHO_CONTEXT, 3, bad)))
        assert client.everything() == b""
    served.wait_for(lambda: "***Connection Terminated" in served.log.lines)
    assert any(line.startswith("***Client Error: ") for line in served.log.lines)


def test_the_log_names_an_unknown_command_as_the_original_does(served: Running) -> None:
    with RawClient(served.port) as client:
        client.associate()
        client.send(p_data(pdv(ECHO_CONTEXT, 3, command(0x0ABC))))
        assert client.everything() == b""
    served.wait_for(lambda: "***Client Error: command 0abc failed **" in served.log.lines)


def test_a_store_without_uids_is_the_archives_to_judge(served: Running) -> None:
    store = dimse.encode_command(((0x100, b"\1\0"), (0x110, b"\1\0"), (0x800, b"\2\1")))
    with RawClient(served.port) as client:
        client.associate()
        client.send(dimse.encode_message(CT_CONTEXT, store, b"data", 0))
        assert client.status() == 0
        client.release()
    assert served.archive.stored[0][0].sop_instance_uid == ""


def test_a_request_during_a_query_ends_the_association(served: Running) -> None:
    served.archive.finder = lambda *_: iter(lambda: bytes(1000), b"")
    with RawClient(served.port) as client:
        client.associate()
        client.send(find_message(b"identifier"))
        client.send(echo_message())
        client.everything()
    served.wait_for(lambda: "***Client Error: command 0030 before the answer to the last one" in served.log.lines)


# Dying in the middle


@pytest.mark.parametrize("cut", [1, 6, 50, len(REQUEST) - 1])
def test_fin_inside_a_request(served: Running, cut: int) -> None:
    with RawClient(served.port) as client:
        client.send(REQUEST[:cut])
        client.sock.shutdown(socket.SHUT_WR)
        assert client.everything() == b""


@pytest.mark.parametrize(
    ("how", "inside_pdu"),
    [
        ("fin", False), ("reset", False), ("abort", False), ("release", False), ("nonsense", False),
        ("fin", True), ("reset", True),
    ],
)  # fmt: skip
def test_dying_inside_a_data_set_leaves_nothing(served: Running, how: str, inside_pdu: bool) -> None:
    message = store_message(bytes(20_000), uid="1.2.3.4", max_length=1000)
    with RawClient(served.port) as client:
        client.associate()
        client.send(_whole_pdus(message) if not inside_pdu else message[:5000])
        served.wait_for(lambda: "Message ID       := 0001" in served.log.debug_lines[-1:])
        if how == "fin":
            client.sock.shutdown(socket.SHUT_WR)
        elif how == "reset":
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sock.close()
        elif how == "abort":
            client.send(pdu.encode_abort(0, 0))
        elif how == "release":
            client.send(pdu.RELEASE_RQ_PDU)
        else:
            client.send(b"\x99" * 100)
        served.wait_for(lambda: len(served.archive.aborted) == 1)
    assert served.archive.aborted[0].sop_instance_uid == "1.2.3.4"
    assert served.archive.stored == []


def _whole_pdus(message: bytes) -> bytes:
    """The first three PDUs of a message."""
    end = 0
    for _ in range(3):
        end += 6 + pdu.HEADER.unpack_from(message, end)[1]
    return message[:end]


class BrokenArchive(MemoryArchive):
    """An archive with a fault of its own, which its interface forbids."""

    def begin_store(self, request: StoreRequest) -> MemoryIncoming:
        raise ZeroDivisionError(request.sop_instance_uid)


def test_a_fault_of_our_own_costs_one_association(tmp_path: Path) -> None:
    door, log = Doorkeeper(SHORT), MemoryLog()
    listener = Listener(bind("127.0.0.1", 0), Node(BrokenArchive(), log, SHORT, door, live_config(tmp_path)))
    listener.start()
    try:
        with RawClient(listener.port) as client:
            client.associate()
            client.send(store_message(b"data"))
            assert client.abort_reason() == pdu.NOT_SPECIFIED
        still_serves(Running(listener, door, MemoryArchive(), log))
    finally:
        listener.stop()
    assert any("ZeroDivisionError" in line for line in log.lines)


# Not DICOM at all


@pytest.mark.parametrize(
    "method", ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /a HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n"]
)
def test_a_web_client_is_told_what_this_is(served: Running, method: str) -> None:
    with RawClient(served.port) as client:
        client.send(method.encode() + b"x" * 5000)
        answer = client.everything().decode()
    assert answer.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert "DICOM" in answer
    assert "ORACLE" not in answer
    served.wait_for(lambda: "***HTTP request on the DICOM port from 127.0.0.1" in served.log.lines)


def test_a_tls_hello_is_closed_with_one_line(served: Running) -> None:
    before = len(served.log.lines)
    with RawClient(served.port) as client:
        client.send(bytes.fromhex("16030100c8010000c40303") + bytes(190))
        assert client.everything() == b""
    served.wait_until_empty()
    assert [line for line in served.log.lines[before:] if line.startswith("***")] == [
        "***TLS handshake on the DICOM port from 127.0.0.1"
    ]


def test_other_talk_is_aborted(served: Running) -> None:
    with RawClient(served.port) as client:
        client.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        assert client.abort_reason() == pdu.UNRECOGNIZED_PDU


# Requests with something wrong in them


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (request(version=0), b"\0\1\2\2"),
        (request(application=""), b"\0\1\1\2"),
    ],
)
def test_rejected_requests(served: Running, asked: pdu.AssociateRequest, expected: bytes) -> None:
    with RawClient(served.port) as client:
        client.send(pdu.encode_request(asked))
        assert client.receive() == (pdu.ASSOCIATE_RJ, expected)
        assert client.everything() == b""


def test_a_broken_item_is_aborted(served: Running) -> None:
    body = REQUEST[6:] + b"\x20\0\xff\xff\1"
    with RawClient(served.port) as client:
        client.send(pdu.HEADER.pack(pdu.ASSOCIATE_RQ, len(body)) + body)
        assert client.abort_reason() == pdu.INVALID_PARAMETER


@pytest.mark.parametrize("maximum", [1, 6, 7, 63])
def test_a_maximum_that_nothing_fits_in_is_refused(served: Running, maximum: int) -> None:
    with RawClient(served.port) as client:
        client.send(pdu.encode_request(request(max_length=maximum)))
        assert client.abort_reason() == pdu.INVALID_PARAMETER


def test_no_usable_context_is_an_accept_and_then_the_end(served: Running) -> None:
    with RawClient(served.port) as client:
        accept = client.associate(request([pdu.ProposedContext(1, CT, ("1.2",))]))
        assert [context.result for context in accept.contexts] == [4]
        assert client.everything() == b""
    served.wait_for(lambda: "*** multiplex: connection terminated" in served.log.lines)
    assert "***No valid presentation contexts/transfer syntax found in 1 candidates" in served.log.lines
    assert "***In 1 presentation contexts" in served.log.lines


def test_a_request_with_128_contexts_of_many_syntaxes(served: Running) -> None:
    syntaxes = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(50, 80))
    contexts = [pdu.ProposedContext(number, CT, syntaxes) for number in range(1, 256, 2)]
    with RawClient(served.port) as client:
        accept = client.associate(request(contexts))
        assert len(accept.contexts) == 128
        client.send(p_data(pdv(255, 3, ECHO)))
        assert client.status() == 0
        client.release()


# Anything


@pytest.fixture(scope="module")
def sturdy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    config = live_config(tmp_path_factory.mktemp("sturdy"))
    listener = Listener(bind("127.0.0.1", 0), Node(MemoryArchive(), MemoryLog(), SHORT, Doorkeeper(SHORT), config))
    listener.start()
    before = threading.active_count()
    yield listener.port
    assert threading.active_count() <= before + 6
    listener.stop()


STREAM = echo_message() + store_message(bytes(300), max_length=100) + find_message(b"x" * 40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_a_damaged_stream_harms_nobody_else(sturdy: int, damage: list[tuple[int, int]], associated: bool) -> None:
    stream = bytearray(STREAM)
    for position, value in damage:
        stream[position] = value
    with RawClient(sturdy) as client:
        if associated:
            client.associate()
        with contextlib.suppress(OSError):  # it may have closed already
            client.send(bytes(stream))
            client.sock.shutdown(socket.SHUT_WR)
        client.everything()
    with RawClient(sturdy) as client:
        client.associate()
        assert client.echo() == 0
        client.release()
