"""Cutting a data set into PDUs: whatever the pieces and the room, it arrives whole and marked once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.net import dimse, pdu
from dgate.net.connection import Connection
from dgate.net.sending import Origin, fragments, store_request


def one_after_the_other(data: bytes, size: int) -> Iterator[memoryview]:
    """Pieces in two buffers that are used in turn, as reading a file gives them."""
    buffers = [bytearray(size), bytearray(size)]
    for turn, start in enumerate(range(0, len(data), size)):
        part = data[start : start + size]
        buffers[turn % 2][: len(part)] = part
        yield memoryview(buffers[turn % 2])[: len(part)]


def received(batches: Iterator[list[bytes | memoryview]]) -> list[tuple[int, int, bytes]]:
    """Context, control and data of each PDU; a batch is copied before the next is asked for, as a socket does."""
    stream = b"".join(b"".join(batch) for batch in batches)
    found, position = [], 0
    while position < len(stream):
        kind, length = pdu.HEADER.unpack_from(stream, position)
        body = stream[position + 6 : position + 6 + length]
        assert kind == pdu.P_DATA
        assert int.from_bytes(body[:4], "big") == len(body) - 4
        found.append((body[4], body[5], body[6:]))
        position += 6 + length
    return found


@given(st.binary(max_size=600), st.integers(1, 64), st.data())
@settings(max_examples=200, deadline=None)
def test_pieces_in_two_buffers(data: bytes, size: int, draw: st.DataObject) -> None:
    room = draw.draw(st.integers(1, size))
    check(received(fragments(one_after_the_other(data, size), 3, room)), data, room)


@given(st.lists(st.binary(max_size=50)), st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_pieces_of_any_size_that_stay(pieces: list[bytes], room: int) -> None:
    check(received(fragments(map(memoryview, pieces), 3, room)), b"".join(pieces), room)


def check(pdus: list[tuple[int, int, bytes]], data: bytes, room: int) -> None:
    assert b"".join(part for _, _, part in pdus) == data
    assert {context for context, _, _ in pdus} == {3}
    assert [control for _, control, _ in pdus] == [0] * (len(pdus) - 1) + [dimse.LAST]
    assert all(len(part) == room for _, _, part in pdus[:-1])
    assert len(pdus[-1][2]) <= room
    assert pdus[-1][2] or not data


def test_the_request_of_a_move_names_its_origin() -> None:
    command = dimse.parse_command(store_request("1.2.840.1", "1.2.3", 65535, Origin("ODD", 7)))
    assert command.elements[dimse.MOVE_ORIGINATOR] == b"ODD "
    assert command.number(dimse.MOVE_ORIGINATOR_ID) == 7
    assert command.message_id == 65535
    assert command.has_data_set
    assert dimse.MOVE_ORIGINATOR not in dimse.parse_command(store_request("1.2", "1.2", 1, None)).elements


class Reluctant:
    """A socket whose gathering send takes half."""

    def __init__(self) -> None:
        self.taken = b""

    def setsockopt(self, *_: object) -> None:
        pass

    def sendmsg(self, parts: list[bytes]) -> int:
        data = b"".join(parts)
        half = data[: len(data) // 2]
        self.taken += half
        return len(half)

    def sendall(self, data: bytes) -> None:
        self.taken += data


def test_what_the_system_does_not_take_at_once_follows() -> None:
    sock: Any = Reluctant()
    connection = Connection(sock, "test")
    parts = [bytes((number % 256,)) * 3 for number in range(3000)]
    connection.send_parts(parts, 1.0)
    assert sock.taken == b"".join(parts)


@given(st.integers(64, 200), st.binary(max_size=500))
def test_fragments_of_a_message_are_even_whatever_the_maximum(max_length: int, data: bytes) -> None:
    message = dimse.encode_message(1, bytes(80), data, max_length)
    position = 0
    while position < len(message):
        _, length = pdu.HEADER.unpack_from(message, position)
        assert length <= max_length
        assert length % 2 == 0 or position + 6 + length == len(message)
        position += 6 + length
