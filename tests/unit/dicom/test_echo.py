"""C-ECHO against a real node and against everything that is not one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage
from pynetdicom import AE

from conquestctl.dicom.echo import echo, echo_all
from conquestctl.dicom.target import EchoTarget
from conquestctl.dicom.verdict import REJECT_REASONS, Layer
from tests.unit.dicom import peers

SHORT = 0.5

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def test_a_node_that_answers_is_ok() -> None:
    with peers.node() as target:
        result = echo(target)
    assert (result.ok, result.layer, result.detail) == (True, "", "")
    assert result.target == target
    assert result.seconds > 0


def test_the_calling_and_called_titles_are_those_asked_for() -> None:
    ae = AE("NODE")
    ae.add_supported_context("1.2.840.10008.1.1")
    ae.require_called_aet = True
    ae.require_calling_aet = ["FRIEND"]
    with peers.node(ae) as target:
        friend = echo(target, calling="FRIEND")
        stranger = echo(target)
        mistaken = echo(replace(target, ae_title="OTHER"), calling="FRIEND")
    assert friend.ok
    assert stranger.layer == Layer.REJECTED
    assert "'NODE' rejected 'CONQUESTCTL' permanently: calling AE title not recognised" in stranger.detail
    assert "'OTHER' rejected 'FRIEND' permanently: called AE title not recognised" in mistaken.detail


def test_nobody_listens() -> None:
    assert echo(peers.unused_target()).layer == Layer.REFUSED


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70, "a..b", "\udc80"])
def test_a_name_that_does_not_resolve(host: str) -> None:
    result = echo(EchoTarget("x", "X", host, 104))
    assert result.layer == Layer.NAME
    assert result.detail


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "no answer to the association request within 0.5 s"),
        (b"\x02\x00\x00", "no answer to the association request"),
        (b"\x02\x00\xff\xff\xff\xff half a PDU", "no answer to the association request"),
    ],
)
def test_a_silent_peer_times_out(reply: bytes, words: str) -> None:
    with peers.peer(peers.answer(reply)) as target:
        result = echo(target, timeout=SHORT)
    assert result.layer == Layer.TIMED_OUT
    assert words in result.detail


def test_a_peer_that_never_accepts_the_connection_times_out() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        result = echo(EchoTarget("full", "FULL", *full.getsockname()), timeout=SHORT)
    assert result.layer == Layer.TIMED_OUT
    assert "TCP" in result.detail


@pytest.mark.parametrize("reply", [peers.HTTP_ANSWER, peers.TLS_ALERT, b"SSH-2.0-OpenSSH_9\r\n"])
@pytest.mark.parametrize("behaviour", [peers.answer, peers.answer_and_close])
def test_another_protocol_is_not_dicom(reply: bytes, behaviour: Callable[[bytes], peers.Behaviour]) -> None:
    with peers.peer(behaviour(reply)) as target:
        assert echo(target, timeout=SHORT).layer == Layer.NOT_DICOM


def test_a_pdu_that_cannot_be_read_is_not_dicom() -> None:
    with peers.peer(peers.answer(b"\x02\x00\x00\x00\x00\x04junk")) as target:
        assert echo(target, timeout=SHORT).layer == Layer.NOT_DICOM


def test_a_peer_that_closes_at_once() -> None:
    with peers.peer(peers.close_at_once) as target:
        result = echo(target, timeout=SHORT)
    assert result.layer == Layer.ABORTED
    assert "closed without an answer" in result.detail


@pytest.mark.parametrize(("source", "reason"), sorted(REJECT_REASONS))
@pytest.mark.parametrize("result", [1, 2])
def test_every_rejection_is_named(result: int, source: int, reason: int) -> None:
    with peers.peer(peers.answer(peers.reject(result, source, reason))) as target:
        found = echo(target, timeout=SHORT)
    assert found.layer == Layer.REJECTED
    assert REJECT_REASONS[source, reason] in found.detail
    assert "'PEER' rejected 'CONQUESTCTL'" in found.detail


@given(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)))
@settings(max_examples=15, deadline=None)
def test_a_rejection_outside_the_standard_is_still_a_rejection(fields: tuple[int, int, int]) -> None:
    with peers.peer(peers.answer(peers.reject(*fields))) as target:
        assert echo(target, timeout=SHORT).layer == Layer.REJECTED


@pytest.mark.parametrize("source", [0, 1, 2, 9])
@pytest.mark.parametrize("reason", [0, 2, 77])
def test_an_abort_is_an_abort(source: int, reason: int) -> None:
    with peers.peer(peers.answer(peers.abort(source, reason))) as target:
        result = echo(target, timeout=SHORT)
    assert result.layer == Layer.ABORTED
    assert "'PEER' aborted" in result.detail


def test_a_node_without_verification() -> None:
    ae = AE("NODE")
    ae.add_supported_context(CTImageStorage)
    with peers.node(ae) as target:
        assert echo(target).layer == Layer.NO_CONTEXT


def test_a_node_that_answers_with_a_failure_status() -> None:
    with peers.node(handlers=peers.failing_echo()) as target:
        result = echo(target)
    assert result.layer == Layer.STATUS
    assert "0x0122" in result.detail


def test_a_node_that_accepts_and_then_hangs() -> None:
    release = threading.Event()

    def hang(_event: object) -> int:
        release.wait(10)
        return 0

    from pynetdicom import evt

    with peers.node(handlers=[(evt.EVT_C_ECHO, hang)]) as target:
        result = echo(target, timeout=SHORT)
        release.set()
    assert result.layer == Layer.TIMED_OUT
    assert "C-ECHO" in result.detail


def test_many_come_back_in_the_order_asked_for() -> None:
    with peers.node() as good, peers.peer(peers.close_at_once) as bad:
        wanted = [replace(bad if i % 5 == 0 else good, label=str(i)) for i in range(25)]
        results = echo_all(wanted, timeout=SHORT * 10, workers=4)
    assert [r.target.label for r in results] == [str(i) for i in range(25)]
    assert [r.ok for r in results] == [i % 5 != 0 for i in range(25)]


def test_no_target_is_no_result() -> None:
    assert echo_all([]) == []


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    with peers.peer(peers.answer(b"\x02\x00\xff\xff\xff\xff half")) as target:
        echo_all([target] * 3, timeout=0.2)
        for thread in set(threading.enumerate()) - before:
            if "Association" in thread.name or "DUL" in type(thread).__name__:
                thread.join(5)
                assert not thread.is_alive()


def accepted(context_result: int = 0) -> bytes:
    """A-ASSOCIATE-AC for one context with implicit little endian, PS3.8 9.3.3."""
    syntax = b"1.2.840.10008.1.2"
    context = bytes([1, 0, context_result, 0, 0x40, 0]) + len(syntax).to_bytes(2, "big") + syntax
    user = b"\x51\x00\x00\x04\x00\x00\x40\x00" + b"\x52\x00\x00\x031.2"
    name = b"1.2.840.10008.3.1.1.1"
    items = b"\x10\x00" + len(name).to_bytes(2, "big") + name
    items += b"\x21\x00" + len(context).to_bytes(2, "big") + context + b"\x50\x00" + len(user).to_bytes(2, "big") + user
    body = b"\x00\x01\x00\x00" + b"PEER".ljust(16) + b"CONQUESTCTL".ljust(16) + bytes(32) + items
    return b"\x02\x00" + len(body).to_bytes(4, "big") + body


def test_the_hand_made_acceptance_is_one() -> None:
    with peers.peer(peers.answer_and_close(accepted())) as target:
        result = echo(target, timeout=SHORT)
    assert result.layer == Layer.ABORTED
    assert "without an answer to C-ECHO" in result.detail


def test_an_acceptance_without_a_maximum_length_is_not_dicom() -> None:
    reply = accepted().replace(b"\x51\x00\x00\x04", b"\x5f\x00\x00\x04")
    with peers.peer(peers.answer_and_close(reply)) as target:
        result = echo(target, timeout=SHORT)
    assert (result.ok, result.layer) == (False, Layer.NOT_DICOM)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_damaged_acceptance_is_survived(data: st.DataObject) -> None:
    reply = bytearray(accepted())
    for _ in range(data.draw(st.integers(1, 4))):
        reply[data.draw(st.integers(6, len(reply) - 1))] = data.draw(st.integers(0, 255))
    with peers.peer(peers.answer_and_close(bytes(reply))) as target:
        result = echo(target, timeout=SHORT)
    assert not result.ok
    assert result.layer in {Layer.NOT_DICOM, Layer.ABORTED, Layer.NO_CONTEXT, Layer.TIMED_OUT}
