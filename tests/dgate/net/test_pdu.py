from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.net import pdu
from dgate.net.pdu import AssociateRequest, ContextResult, PduError, ProposedContext, UserInformation

from .raw import request

UIDS = st.text("0123456789.", min_size=1, max_size=64)
AE = st.binary(min_size=16, max_size=16)
CONTEXTS = st.builds(ProposedContext, st.integers(0, 255), UIDS, st.lists(UIDS, max_size=4).map(tuple))
USERS = st.builds(
    UserInformation,
    st.integers(0, 2**32 - 1),
    UIDS,
    UIDS,
    st.lists(st.tuples(st.sampled_from([0x53, 0x54, 0x56, 0x58]), st.binary(max_size=40)), max_size=3).map(
        lambda items: tuple(sorted(items, key=lambda item: item[0]))
    ),
)
REQUESTS = st.builds(
    AssociateRequest,
    AE,
    AE,
    UIDS,
    st.lists(CONTEXTS, max_size=5).map(tuple),
    USERS,
    st.integers(0, 65535),
    st.binary(min_size=32, max_size=32),
)


@settings(max_examples=200)
@given(REQUESTS)
def test_request_survives_the_round_trip(original: AssociateRequest) -> None:
    encoded = pdu.encode_request(original)
    kind, length = pdu.HEADER.unpack_from(encoded)
    assert (kind, length) == (pdu.ASSOCIATE_RQ, len(encoded) - 6)
    assert pdu.parse_request(encoded[6:]) == original


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    for parse in (pdu.parse_request, pdu.parse_accept, pdu.parse_reject, pdu.parse_abort):
        with contextlib.suppress(PduError):
            parse(body)


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_request_is_parsed_or_refused(data: st.DataObject) -> None:
    body = bytearray(pdu.encode_request(request(others=((0x54, b"\0\x011\0\1"),)))[6:])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    try:
        parsed = pdu.parse_request(bytes(body))
    except PduError:
        return
    assert len(parsed.called) == len(parsed.calling) == 16


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b"\x20\0\0", "the last item is cut off"),
        (b"\x20\0\0\x05\1\0\0\0", "item 20 is longer than what holds it"),
        (b"\x20\0\0\x03\1\0\0", "presentation context is too short"),
        (b"\x20\0\0\x09\1\0\0\0\x30\0\0\x02x", "item 30 is longer than what holds it"),
        (b"\x50\0\0\x06\x51\0\0\x02\0\0", "maximum length item does not have 4 bytes"),
        (b"\x20\0\0\x04\1\0\0\0" * 257, "too many presentation contexts"),
    ],
)
def test_broken_items_are_named(tail: bytes, message: str) -> None:
    body = pdu.encode_request(request(()))[6:] + tail
    with pytest.raises(PduError, match=message) as caught:
        pdu.parse_request(body)
    assert caught.value.reason == pdu.INVALID_PARAMETER


def test_unknown_items_are_skipped() -> None:
    body = pdu.encode_request(request())[6:]
    assert pdu.parse_request(body + b"\x77\0\0\x02ab") == pdu.parse_request(body)


def test_a_request_shorter_than_its_fixed_part_is_refused() -> None:
    with pytest.raises(PduError, match="too short"):
        pdu.parse_request(bytes(67))


def test_a_refused_context_has_no_transfer_syntax_item() -> None:
    accept = pdu.AssociateAccept(
        bytes(16), bytes(16), bytes(32), "1.2", (ContextResult(1, 4), ContextResult(3, 0, "1.2.840")), UserInformation()
    )
    encoded = pdu.encode_accept(accept)
    assert b"\x21\x00\x00\x04\x01\x00\x04\x00\x21" in encoded
    assert pdu.parse_accept(encoded[6:]) == accept


def test_fixed_pdus() -> None:
    assert pdu.encode_reject(pdu.AssociateReject(2, 3, 2)) == bytes.fromhex("0300 00000004 00020302")
    assert pdu.encode_abort(2, 6) == bytes.fromhex("0700 00000004 00000206")
    assert bytes.fromhex("0600 00000004 00000000") == pdu.RELEASE_RP_PDU
    assert pdu.parse_reject(b"\0\2\3\2") == pdu.AssociateReject(2, 3, 2)
    assert pdu.parse_abort(b"\0\0\2\6") == pdu.Abort(2, 6)


def test_ae_titles_are_padded_and_stripped() -> None:
    assert pdu.ae_field("CT1") == b"CT1             "
    assert pdu.ae_field("x" * 20) == b"x" * 16
    assert pdu.text(b" CT1\0\0  ") == "CT1"
