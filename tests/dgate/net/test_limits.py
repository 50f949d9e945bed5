from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from dgate.net.connection import Connection
from dgate.net.limits import Doorkeeper, Limits


class Hall:
    """Connections of a socket pair each, with an address of our choice."""

    def __init__(self) -> None:
        self.peers: list[socket.socket] = []
        self.connections: list[Connection] = []

    def enter(self, address: str, deadline: float = 100.0) -> Connection:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.peers.append(socket.create_connection(listening.getsockname()))
            sock, _ = listening.accept()
        self.connections.append(Connection(sock, address, deadline))
        return self.connections[-1]


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall()
    yield hall
    for connection in hall.connections:
        connection.close()
    for peer in hall.peers:
        peer.close()


def test_the_oldest_silent_stranger_makes_room(hall: Hall) -> None:
    door = Doorkeeper(Limits(pending=3, pending_per_address=3))
    first, second, third, fourth = (hall.enter(f"10.0.0.{n}") for n in range(4))
    first.silent = False
    for connection in (first, second, third, fourth):
        door.admit(connection)
    assert [bool(c.closing) for c in (first, second, third, fourth)] == [False, True, False, False]


def test_one_address_pushes_out_its_own(hall: Hall) -> None:
    door = Doorkeeper(Limits(pending=10, pending_per_address=2))
    stranger = hall.enter("10.0.0.1")
    crowd = [hall.enter("10.0.0.2") for _ in range(3)]
    for connection in (stranger, *crowd):
        door.admit(connection)
    assert [bool(c.closing) for c in (stranger, *crowd)] == [False, True, False, False]


def test_caps_count_associations_and_give_places_back(hall: Hall) -> None:
    door = Doorkeeper(Limits(associations=2, per_address=1))
    one, twin, other, third = (hall.enter(address) for address in ("a", "a", "b", "c"))
    assert [door.promote(c) for c in (one, twin, other, third)] == [True, False, True, False]
    door.leave(one)
    door.leave(one)
    assert door.promote(twin)
    assert door.counts() == (0, 2)


def test_only_those_past_their_deadline_are_ended(hall: Hall) -> None:
    door = Doorkeeper(Limits())
    early, late = hall.enter("a", deadline=5.0), hall.enter("a", deadline=50.0)
    door.admit(early)
    assert door.promote(late)
    door.sweep(10.0)
    assert (early.closing, late.closing) == ("timed out", "")


def test_deadlines_are_looked_at_often_enough() -> None:
    assert Limits().tick == 1.0
    assert Limits(pdu=0.5).tick == pytest.approx(0.1)
    assert Limits(pdu=0.0).tick == pytest.approx(0.02)


def test_a_released_association_is_a_connection_like_another(hall: Hall) -> None:
    door = Doorkeeper(Limits(per_address=1))
    one, two = hall.enter("a"), hall.enter("a")
    door.demote(one)
    assert door.counts() == (0, 0), "it had no association"
    assert door.promote(one)
    door.demote(one)
    assert door.counts() == (1, 0)
    assert door.promote(two)
    door.leave(one)
    assert door.counts() == (0, 1)
