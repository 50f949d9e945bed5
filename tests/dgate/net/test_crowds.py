"""Too many at once: silent ones, associations beyond the cap, and what comes after a rush."""

from __future__ import annotations

import pytest

from dgate.net import pdu

from .conftest import (
    PATIENT,
    StartServer,
    still_serves,
)
from .raw import (
    RawClient,
    request,
)

REQUEST = pdu.encode_request(request())


def test_silent_connections_do_not_lock_real_clients_out(start_server: StartServer) -> None:
    server = start_server(PATIENT, pending=40, pending_per_address=30)
    silent = [RawClient(server.port) for _ in range(200)]
    try:
        for _ in range(5):
            still_serves(server)
        assert server.door.counts()[0] <= 41
    finally:
        for client in silent:
            client.sock.close()
    server.wait_until_empty()


def test_those_who_said_something_stay_when_silent_ones_are_dropped(start_server: StartServer) -> None:
    server = start_server(PATIENT, pending=8, pending_per_address=8)
    with RawClient(server.port) as slow:
        slow.send(REQUEST[:20])
        server.wait_for(lambda: any(not c.silent for c in list(server.door._pending)))
        silent = [RawClient(server.port) for _ in range(30)]
        still_serves(server)
        slow.send(REQUEST[20:])
        assert slow.receive()[0] == pdu.ASSOCIATE_AC
        for client in silent:
            client.sock.close()


def test_whoever_was_told_of_the_release_finds_the_place_free(start_server: StartServer) -> None:
    """It was given back when the thread had ended, which a peer that came again at once did not wait for."""
    server = start_server(PATIENT, per_address=1)
    with RawClient(server.port) as lingering:
        lingering.associate()
        lingering.send(pdu.RELEASE_RQ_PDU)
        assert lingering.receive()[0] == pdu.RELEASE_RP
        with RawClient(server.port) as client:
            client.associate()
            client.release()
    server.wait_until_empty()


@pytest.mark.parametrize("limits", [{"per_address": 10}, {"associations": 10}])
def test_associations_beyond_the_cap_are_refused_and_it_recovers(
    start_server: StartServer, limits: dict[str, int]
) -> None:
    server = start_server(**limits)
    clients = [RawClient(server.port) for _ in range(15)]
    kinds = []
    for client in clients:
        client.send(REQUEST)
        kinds.append(client.receive())
    assert [kind for kind, _ in kinds] == [pdu.ASSOCIATE_AC] * 10 + [pdu.ASSOCIATE_RJ] * 5
    assert {body for kind, body in kinds if kind == pdu.ASSOCIATE_RJ} == {b"\0\2\3\2"}
    assert clients[0].echo() == 0
    for client in clients:
        client.sock.close()
    server.wait_until_empty()
    still_serves(server)


def test_threads_come_back_after_a_rush(start_server: StartServer) -> None:
    server = start_server(PATIENT)
    clients = [RawClient(server.port) for _ in range(50)]
    for client in clients:
        client.associate()
    assert server.listener.threads >= 50
    for client in clients:
        client.release()
        client.sock.close()
    server.wait_for(lambda: server.listener.threads <= 6)
    still_serves(server)
