from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.engine.base import PublishedPort
from conquestctl.errors import ConflictError
from conquestctl.fleet.allocate import FIRST_PORT, Wish, choose_ports, is_bound, taken_ports, this_host
from tests.unit.fleet.support import host


def wishes(*ports: int | None) -> list[Wish]:
    return [Wish(f"n{index}", "127.0.0.1", port) for index, port in enumerate(ports)]


PORTS = st.integers(FIRST_PORT, FIRST_PORT + 30)


@settings(max_examples=200)
@given(st.sets(PORTS), st.sets(PORTS), st.lists(st.one_of(st.none(), PORTS), max_size=8))
def test_chosen_ports_are_distinct_free_and_the_lowest(
    taken: set[int], bound: set[int], wanted: list[int | None]
) -> None:
    asked = [port for port in wanted if port is not None]
    possible = len(set(asked)) == len(asked) and not set(asked) & (taken | bound)
    owners = dict.fromkeys(taken, "somebody")
    if not possible:
        with pytest.raises(ConflictError):
            choose_ports(wishes(*wanted), owners, host(bound))
        return
    chosen = choose_ports(wishes(*wanted), owners, host(bound))
    automatic = [port for port, want in zip(chosen, wanted, strict=True) if want is None]
    assert [port for port, want in zip(chosen, wanted, strict=True) if want is not None] == asked
    free = (port for port in range(FIRST_PORT, FIRST_PORT + 60) if port not in taken | bound | set(asked))
    assert automatic == [next(free) for _ in automatic]


@pytest.mark.parametrize(
    ("taken", "bound", "holders", "who"),
    [
        ({6000: "instance ct1"}, (), {}, "instance ct1"),
        ({}, (6000,), {6000: "process 12 (nginx)"}, "process 12 (nginx)"),
        ({}, (6000,), {}, "a process that this user may not look at"),
    ],
)
def test_a_taken_port_says_by_whom(
    taken: dict[int, str], bound: tuple[int, ...], holders: dict[int, str], who: str
) -> None:
    with pytest.raises(ConflictError) as caught:
        choose_ports(wishes(6000), taken, host(bound, holders))
    assert caught.value.message == f"port 6000 is taken by {who}"
    assert caught.value.instance == "n0"


def test_the_same_port_twice_in_one_command() -> None:
    with pytest.raises(ConflictError, match="taken by n0, made in the same command"):
        choose_ports(wishes(6000, 6000), {}, host())


def test_instances_name_a_port_before_their_container_does() -> None:
    published = [PublishedPort("127.0.0.1", 5678, "container x"), PublishedPort("0.0.0.0", 80, "container web")]
    assert taken_ports([(5678, "instance ct1")], published) == {5678: "instance ct1", 80: "container web"}


def test_no_port_left() -> None:
    with pytest.raises(ConflictError, match="no port from 5678 to 65535 is free"):
        choose_ports(wishes(None), {}, host(range(65536)))


def test_a_real_listener_is_seen_and_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_bound("127.0.0.1", port)
        assert is_bound("0.0.0.0", port)
        with pytest.raises(ConflictError, match=f"port {port} is taken by .*process"):
            choose_ports(wishes(port), {}, this_host())
    assert not is_bound("127.0.0.1", port)


def test_an_address_of_another_machine_tells_nothing() -> None:
    assert not is_bound("192.0.2.1", FIRST_PORT)
