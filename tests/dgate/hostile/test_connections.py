"""Connections that stall, lie about lengths, break off, or are too many."""

from __future__ import annotations

import select
import socket
import struct

import pytest

from dgate.net import dimse, pdu
from tests.dgate.archive.support import CT1, dataset
from tests.dgate.net.conftest import wait_for
from tests.dgate.net.raw import CT_CONTEXT, ECHO_CONTEXT, RawClient, command, p_data, pdv, store_message

from .client import REQUEST, SOP_UID, Client
from .conftest import StartSite, harmless
from .site import SHORT, Site

TYPES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF]
LARGE = {**CT1, SOP_UID: (b"UI", b"1.9.9"), 0x7FE00010: (b"OW", bytes(50_000))}
HUGE = b"\xff\xff\xff\xff"


@pytest.mark.parametrize("associated", [False, True])
def test_a_header_and_then_silence(served: Site, associated: bool) -> None:
    """Every type of PDU at once: whatever is still open when its deadline comes is closed then."""
    before = served.log().count("timed out")
    clients = [Client(served.port, associated=associated) for _ in TYPES]
    for kind, client in zip(TYPES, clients, strict=True):
        client.send(bytes((kind, 0)) + struct.pack(">I", 100))
    for client in clients:
        client.everything()
        client.sock.close()
    wait_for(lambda: served.log().count("timed out") > before)


@pytest.mark.parametrize("associated", [False, True])
def test_one_byte_at_a_time(served: Site, associated: bool) -> None:
    """Each byte comes within any pause that is allowed; the PDU as a whole does not."""
    message = store_message(dataset(CT1) * 10) if associated else REQUEST
    with Client(served.port, associated=associated) as client:
        sent = 0
        for byte in message:
            if select.select([client.sock], [], [], 0.03)[0]:
                break
            client.send(bytes((byte,)))
            sent += 1
        assert client.everything() == b""
    assert sent < len(message)


@pytest.mark.parametrize("associated", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_four_gigabytes(served: Site, kind: int, associated: bool) -> None:
    """Refused at its header, and nothing is allocated for it."""
    memory = served.forget_peak()
    with Client(served.port, associated=associated) as client:
        client.send(bytes((kind, 0)) + HUGE)
        assert client.abort_reason() in {pdu.UNRECOGNIZED_PDU, pdu.UNEXPECTED_PDU, pdu.INVALID_PARAMETER}
    assert served.peak() < memory + 4096


def test_a_pdv_and_a_command_element_of_four_gigabytes(served: Site) -> None:
    memory = served.forget_peak()
    bodies = [HUGE + bytes((ECHO_CONTEXT, 3)) + bytes(100), pdv(ECHO_CONTEXT, 3, b"\0\0\2\0" + HUGE + bytes(100))]
    for body in bodies:
        with Client(served.port) as client:
            client.send(pdu.HEADER.pack(pdu.P_DATA, len(body)) + body)
            client.everything()
    assert served.peak() < memory + 4096


@pytest.mark.parametrize("cut", [1, 5, 6, 7, 80, len(REQUEST) - 1])
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_an_end_inside_a_request(served: Site, cut: int, how: str) -> None:
    with Client(served.port, associated=False) as client:
        client.send(REQUEST[:cut])
        end(client, how)


@pytest.mark.parametrize("cut", [1, 6, 13, 80, 200, 700, 20_000])
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_an_end_inside_a_data_set(served: Site, cut: int, how: str) -> None:
    images = served.images()
    with Client(served.port) as client:
        client.send(store_message(dataset(LARGE))[:cut])
        end(client, how)
    served.still_serves()
    assert served.images() == images


def end(client: RawClient, how: str) -> None:
    if how == "fin":
        client.sock.shutdown(socket.SHUT_WR)
        assert client.everything() == b""
    else:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()


def test_five_hundred_silent_connections_while_a_client_works(start_site: StartSite) -> None:
    """Nobody's deadline helps here: the silent ones are dropped for those who speak."""
    site = start_site(times={**SHORT, "handshake": 60.0})
    with harmless(site):
        silent = [RawClient(site.port) for _ in range(500)]
        for number in range(10):
            uid = f"1.9.{number}"
            with Client(site.port) as client:
                assert client.store(dataset({**CT1, SOP_UID: (b"UI", uid.encode())}), uid) == 0
                assert len(client.find("IMAGE", {SOP_UID: uid.encode()})[1]) == 1
                client.release()
        for stranger in silent:
            stranger.sock.close()


def test_an_association_goes_on_while_strangers_come_and_go(served: Site) -> None:
    with Client(served.port) as working:
        for _ in range(20):
            strangers = [RawClient(served.port) for _ in range(10)]
            for stranger in strangers:
                stranger.send(b"\1\0\0\0\1\0half a request")
            assert working.store(dataset(CT1)) == 0
            for stranger in strangers:
                stranger.sock.close()
        working.release()


def test_a_message_that_stops_between_two_pdus(served: Site) -> None:
    with Client(served.port) as client:
        start = p_data(pdv(CT_CONTEXT, 3, command(dimse.C_STORE, data_set=True)))
        client.send(start + p_data(pdv(CT_CONTEXT, 0, dataset(CT1)[:-20])))
        assert client.everything() == b""
    served.wait_for_line("timed out")
