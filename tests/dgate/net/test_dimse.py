from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.net import dimse
from dgate.net.dimse import DimseError

from .raw import CT, command


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        dimse.parse_command(data)
    except DimseError:
        return


@settings(max_examples=200)
@given(st.dictionaries(st.integers(1, 0xFFFF), st.binary(max_size=40)))
def test_elements_survive_the_round_trip(elements: dict[int, bytes]) -> None:
    elements |= {dimse.COMMAND_FIELD: b"\1\0", dimse.DATA_SET_TYPE: b"\1\1"}
    parsed = dimse.parse_command(dimse.encode_command(sorted(elements.items())))
    del parsed.elements[0]
    assert parsed.elements == {tag: value + bytes(len(value) & 1) for tag, value in elements.items()}


def test_a_store_request_is_read() -> None:
    store = dimse.parse_command(command(dimse.C_STORE, 7, data_set=True, uid="1.2.3"))
    assert (store.field, store.message_id, store.has_data_set) == (dimse.C_STORE, 7, True)
    assert (store.uid(dimse.AFFECTED_SOP_CLASS), store.uid(dimse.AFFECTED_SOP_INSTANCE)) == (CT, "1.2.3")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\0",
        struct.pack("<HHI", 0, 0x100, 0xFFFFFFFF),
        struct.pack("<HHI", 0, 0x100, 4) + b"\1\0\0\0",
        struct.pack("<HHIH", 0, 0x100, 2, 1),  # no data set type
        struct.pack("<HHI", 0, 0x100, 2) + b"\1",
    ],
)
def test_absurd_command_sets_are_refused(data: bytes) -> None:
    with pytest.raises(DimseError):
        dimse.parse_command(data)


def test_a_missing_message_id_is_refused_when_it_is_asked_for() -> None:
    parsed = dimse.parse_command(dimse.encode_command(((0x100, b"\x30\0"), (0x800, b"\1\1"))))
    with pytest.raises(DimseError, match="0110"):
        _ = parsed.message_id


def test_the_store_response_has_the_elements_of_the_original() -> None:
    store = dimse.parse_command(command(dimse.C_STORE, 7, data_set=True, uid="1.2.3"))
    answer = dimse.parse_command(dimse.response(store, 0x0110, instance=True))
    assert list(answer.elements) == [0, 0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x1000]
    assert answer.field == 0x8001
    assert answer.number(dimse.RESPONDED_TO) == 7
    assert answer.number(dimse.STATUS) == 0x0110
    assert not answer.has_data_set


@settings(max_examples=100)
@given(st.binary(min_size=1, max_size=500), st.binary(max_size=500), st.integers(64, 300))
def test_messages_are_cut_to_the_peers_maximum(head: bytes, data: bytes, maximum: int) -> None:
    encoded = dimse.encode_message(5, head, data, maximum)
    got = {0: b"", 1: b""}
    position, ends = 0, []
    while position < len(encoded):
        kind, length, size, context, control = struct.unpack_from(">BxIIBB", encoded, position)
        assert (kind, context, size) == (4, 5, length - 4)
        assert length <= maximum
        got[control & 1] += encoded[position + 12 : position + 6 + length]
        if control & 2:
            ends.append(control & 1)
        position += 6 + length
    assert got == {1: head, 0: data}
    assert ends == [1, 0]
