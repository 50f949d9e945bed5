"""Those at the other end of a C-MOVE or C-GET may say anything as well, and then nothing."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given

from dgate.net import dimse, pdu
from tests.dgate.archive.support import CT1, UID, dataset
from tests.dgate.net.raw import CT_CONTEXT, command

from .client import SOP_UID, Client
from .conftest import harmless
from .conversations import damaged, pdus
from .site import Site
from .test_fuzz import bounded, chances

STOPPED = 0xFE00
STUDY = {0x0020000D: UID.encode()}
COUNT = 3
"""Objects of the study."""


@dataclass
class Wild:
    """A server that has the study, and the listening socket of the destination it knows as WILD."""

    site: Site
    listening: socket.socket


@pytest.fixture(scope="module")
def wild(site: Site) -> Iterator[Wild]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        site.know(f"WILD 127.0.0.1 {listening.getsockname()[1]} un")
        with Client(site.port) as client:
            for number in range(1, COUNT):
                assert client.store(dataset({**CT1, SOP_UID: (b"UI", b"1.9.%d" % number)})) == 0
            client.release()
        with harmless(site):
            yield Wild(site, listening)


def accept_for(request: pdu.AssociateRequest) -> bytes:
    results = tuple(pdu.ContextResult(context.id, 0, context.transfer_syntaxes[0]) for context in request.contexts)
    user = pdu.UserInformation(16384, "1.2.3", "WILD")
    accept = pdu.AssociateAccept(request.called, request.calling, bytes(32), request.application_context, results, user)
    return pdu.encode_accept(accept)


def answers(context: int) -> list[bytes]:
    """The C-STORE responses that are due, each a PDU."""
    asked = [dimse.parse_command(command(dimse.C_STORE, 2 * number + 1)) for number in range(COUNT)]
    return [
        unit
        for one in asked
        for unit in pdus(dimse.encode_message(context, dimse.response(one, 0, instance=True), None, 0))
    ]


def last_status(client: Client) -> int:
    """Of the final response; requests of the server that come before it stay without an answer."""
    while True:
        answer, _ = client.response()
        if answer.field & dimse.RESPONSE and answer.number(dimse.STATUS) != dimse.PENDING:
            return answer.number(dimse.STATUS)


@contextmanager
def called(wild: Wild) -> Iterator[tuple[socket.socket, pdu.AssociateRequest]]:
    """The server calls WILD: the connection, and what it proposes."""
    peer, _ = wild.listening.accept()
    with peer:
        peer.settimeout(20)
        head = peer.recv(6, socket.MSG_WAITALL)
        yield peer, pdu.parse_request(peer.recv(pdu.HEADER.unpack(head)[1], socket.MSG_WAITALL))


@contextmanager
def accepted(wild: Wild) -> Iterator[tuple[socket.socket, int]]:
    """The same, accepted: the connection, and the first context."""
    with called(wild) as (peer, request):
        peer.sendall(accept_for(request))
        yield peer, request.contexts[0].id


@bounded
@given(chances)
def test_destinations_that_answer_anything(wild: Wild, chance: Random) -> None:
    """The C-MOVE ends with a final response whatever the destination says."""
    with Client(wild.site.port) as client:
        client.ask_to_move("WILD", STUDY)
        with called(wild) as (peer, request), contextlib.suppress(OSError):
            valid = [accept_for(request), *answers(request.contexts[0].id), pdu.RELEASE_RP_PDU]
            peer.sendall(b"".join(damaged(valid, chance)))
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                continue
        assert last_status(client) != dimse.PENDING
        assert client.echo() == 0
        client.release()


@bounded
@given(chances)
def test_requesters_that_answer_anything(wild: Wild, chance: Random) -> None:
    """What a C-GET gets back costs its own association at most."""
    with Client(wild.site.port) as client, contextlib.suppress(OSError):
        client.ask_for_objects(STUDY)
        for unit in damaged(answers(CT_CONTEXT), chance):
            client.receive()
            client.send(unit)
        client.sock.shutdown(socket.SHUT_WR)
        client.everything()


def test_a_destination_that_says_everything_at_once(wild: Wild) -> None:
    """All right answers before any object has been sent: each is taken for the request it belongs to."""
    with Client(wild.site.port) as client:
        client.ask_to_move("WILD", STUDY)
        with accepted(wild) as (peer, context):
            peer.sendall(b"".join([*answers(context), pdu.RELEASE_RP_PDU]))
            while peer.recv(65536):
                continue
        assert last_status(client) == 0
        client.release()


def test_a_requester_that_never_answers(wild: Wild) -> None:
    with Client(wild.site.port) as client:
        client.ask_for_objects(STUDY)
        client.everything()
    wild.site.still_serves()


@pytest.mark.parametrize("status", [None, b"", b"\0", b"\0\0\0\0"])
def test_a_destination_that_answers_without_a_status(wild: Wild, status: bytes | None) -> None:
    """That ends the C-MOVE with a failure; it used to end the association of whoever had asked for it."""
    elements = [(dimse.COMMAND_FIELD, dimse.ushort(0x8001)), (dimse.RESPONDED_TO, dimse.ushort(1))]
    elements.append((dimse.DATA_SET_TYPE, dimse.ushort(dimse.NO_DATA_SET)))
    answer = dimse.encode_command([*elements, *([] if status is None else [(dimse.STATUS, status)])])
    with Client(wild.site.port) as client:
        client.ask_to_move("WILD", STUDY)
        with accepted(wild) as (peer, context):
            peer.sendall(dimse.encode_message(context, answer, None, 0))
            while peer.recv(65536):
                continue
        assert last_status(client) == STOPPED
        assert client.echo() == 0
        client.release()
