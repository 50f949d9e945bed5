"""Association requests that are wrong, strange, or too many."""

from __future__ import annotations

import struct
from contextlib import ExitStack

import pytest

from dgate.net import dimse, pdu
from tests.dgate.net.raw import (
    APPLICATION_CONTEXT,
    CT,
    ECHO_CONTEXT,
    EVLE,
    IVLE,
    VERIFICATION,
    command,
    p_data,
    pdv,
    request,
)

from .client import REQUEST, Client
from .conftest import StartSite, harmless
from .site import Site

ECHO = command(dimse.C_ECHO)
SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(50, 90))
LOCAL_LIMIT = (pdu.ASSOCIATE_RJ, b"\0\2\3\2")
PER_ADDRESS = 128


def test_five_hundred_associations_from_one_address(served: Site) -> None:
    with ExitStack() as all_of_them:
        clients = [all_of_them.enter_context(Client(served.port, associated=False)) for _ in range(PER_ADDRESS)]
        for client in clients:
            client.associate()
        for _ in range(500 - PER_ADDRESS):
            with Client(served.port, associated=False) as refused:
                refused.send(REQUEST)
                assert refused.receive() == LOCAL_LIMIT
                assert refused.everything() == b""
        for client in clients[:10]:
            assert client.echo() == 0
        clients[-1].release()
        served.still_serves()


def test_memory_does_not_grow_with_the_number_of_associations(served: Site) -> None:
    """Each has a receive buffer of 128 KB, which was kept until the garbage collector ran: it hardly ever does."""
    for _ in range(300):
        served.still_serves()


def asked(contexts: list[pdu.ProposedContext]) -> pdu.AssociateRequest:
    return request(contexts)


def test_128_contexts(served: Site) -> None:
    contexts = [pdu.ProposedContext(number, CT, (*SYNTAXES, EVLE)) for number in range(1, 256, 2)]
    with Client(served.port, associated=False) as client:
        accept = client.associate(asked(contexts))
        assert [context.id for context in accept.contexts] == list(range(1, 256, 2))
        assert {context.result for context in accept.contexts} == {0}
        client.send(p_data(pdv(255, 3, ECHO)))
        assert client.status() == 0
        client.release()


def test_more_contexts_than_there_can_be(served: Site) -> None:
    contexts = [pdu.ProposedContext(number % 256, CT, (EVLE,)) for number in range(300)]
    with Client(served.port, associated=False) as client:
        client.send(pdu.encode_request(asked(contexts)))
        assert client.abort_reason() == pdu.INVALID_PARAMETER


def test_duplicate_context_ids_are_answered_once(served: Site) -> None:
    contexts = [pdu.ProposedContext(1, VERIFICATION, (IVLE,)), pdu.ProposedContext(1, CT, (EVLE,))]
    with Client(served.port, associated=False) as client:
        accept = client.associate(asked(contexts))
        assert [(context.id, context.result) for context in accept.contexts] == [(1, 0)]
        assert client.echo() == 0
        client.release()


@pytest.mark.parametrize("number", [0, 2, 254])
def test_even_context_ids_are_refused(served: Site, number: int) -> None:
    contexts = [pdu.ProposedContext(number, CT, (EVLE,)), pdu.ProposedContext(ECHO_CONTEXT, VERIFICATION, (IVLE,))]
    with Client(served.port, associated=False) as client:
        accept = client.associate(asked(contexts))
        assert [context.result for context in accept.contexts] == [2, 0]
        client.send(p_data(pdv(number, 3, ECHO)))
        assert client.abort_reason() == pdu.INVALID_PARAMETER


def item_positions() -> list[int]:
    """Where the items of the request begin, sub-items included."""
    body = REQUEST[6:]
    found: list[int] = []

    def walk(start: int, end: int) -> None:
        while start < end:
            kind, length = struct.unpack_from(">BxH", body, start)
            found.append(start)
            if kind in (pdu.CONTEXT_RQ, pdu.USER_INFORMATION):
                walk(start + (8 if kind == pdu.CONTEXT_RQ else 4), start + 4 + length)
            start += 4 + length

    walk(68, len(body))
    return found


@pytest.mark.parametrize("length", [0, 1, 3, 0x7FFF, 0xFFFF])
def test_broken_item_lengths(served: Site, length: int) -> None:
    """Each item in turn gets this length: an orderly answer, or an abort that says what was wrong."""
    for position in item_positions():
        body = bytearray(REQUEST[6:])
        struct.pack_into(">H", body, position + 2, length)
        with Client(served.port, associated=False) as client:
            client.send(pdu.HEADER.pack(pdu.ASSOCIATE_RQ, len(body)) + body)
            kind, answer = client.receive()
            if kind == pdu.ABORT:
                assert answer == bytes((0, 0, pdu.SOURCE_PROVIDER, pdu.INVALID_PARAMETER))
            else:
                assert kind in (pdu.ASSOCIATE_AC, pdu.ASSOCIATE_RJ)


@pytest.mark.parametrize("size", range(0, len(REQUEST) - 6, 7))
def test_a_request_that_is_cut_but_says_so(served: Site, size: int) -> None:
    body = REQUEST[6 : 6 + size]
    with Client(served.port, associated=False) as client:
        client.send(pdu.HEADER.pack(pdu.ASSOCIATE_RQ, size) + body)
        assert client.receive()[0] in (pdu.ASSOCIATE_AC, pdu.ASSOCIATE_RJ, pdu.ABORT)


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        (request(application=""), b"\0\1\1\2"),
        (request(version=0), b"\0\1\2\2"),
        (request(version=0xFFFE), b"\0\1\2\2"),
    ],
)
def test_no_application_context_and_wrong_versions(served: Site, wrong: pdu.AssociateRequest, answer: bytes) -> None:
    with Client(served.port, associated=False) as client:
        client.send(pdu.encode_request(wrong))
        assert client.receive() == (pdu.ASSOCIATE_RJ, answer)
        assert client.everything() == b""


def test_a_wrong_application_context(start_site: StartSite) -> None:
    """Refused where dgatesop.lst names the right one. The delivered list names none, which lets every one in."""
    site = start_site(sops=f"DICOM {APPLICATION_CONTEXT} application\n")
    with harmless(site), Client(site.port, associated=False) as client:
        client.send(pdu.encode_request(request(application="1.2.3")))
        assert client.receive() == (pdu.ASSOCIATE_RJ, b"\0\1\1\2")


@pytest.mark.parametrize("first", [p_data(pdv(ECHO_CONTEXT, 3, ECHO)), pdu.RELEASE_RQ_PDU, pdu.encode_abort(0, 0)])
def test_data_before_a_request(served: Site, first: bytes) -> None:
    with Client(served.port, associated=False) as client:
        client.send(first)
        assert client.abort_reason() == pdu.UNEXPECTED_PDU


def test_a_second_request(served: Site) -> None:
    with Client(served.port) as client:
        client.send(pdu.encode_request(request([])))
        assert client.abort_reason() == pdu.UNEXPECTED_PDU


def test_names_that_try_to_write_the_log(served: Site) -> None:
    """AE titles with line ends and escape sequences are shown, not obeyed."""
    evil = request(calling="A\nC-Echo\x1b[2J", called="B\r\n***x")
    with Client(served.port, associated=False) as client:
        client.associate(evil)
        assert client.echo() == 0
        client.release()
    served.wait_for_line("\\x0aC-Echo\\x1b[2J")
    assert "\x1b" not in served.log()
