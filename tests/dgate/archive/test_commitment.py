"""Action information of storage commitment: read whatever comes, answer in the requester's encoding."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset

from dgate.archive.commitment import (
    MAX_UID,
    NO_SUCH_OBJECT,
    REFERENCED_CLASS,
    REFERENCED_INSTANCE,
    REFERENCED_SEQUENCE,
    TRANSACTION,
    Failure,
    Reference,
    encode_report,
    parse_request,
)
from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, encode_element, encoding_of
from dgate.encoding.sequences import encode_sequence
from dgate.interfaces import ActionFailure

SYNTAXES = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG]
uids = st.text("0123456789.", min_size=1, max_size=MAX_UID)
references = st.builds(Reference, uids, uids)


def information(transaction: str, named: list[Reference], syntax: str) -> bytes:
    encoding = encoding_of(syntax)
    items = [
        encode_element(REFERENCED_CLASS, b"UI", reference.sop_class.encode(), encoding)
        + encode_element(REFERENCED_INSTANCE, b"UI", reference.sop_instance.encode(), encoding)
        for reference in named
    ]
    head = encode_element(TRANSACTION, b"UI", transaction.encode(), encoding)
    return head + encode_sequence(REFERENCED_SEQUENCE, items, encoding)


@given(uids, st.lists(references, min_size=1, max_size=5), st.sampled_from(SYNTAXES))
def test_what_is_asked_is_understood(transaction: str, named: list[Reference], syntax: str) -> None:
    found = parse_request(information(transaction, named, syntax), syntax)
    assert (found.transaction, list(found.references)) == (transaction, named)


@given(st.binary(max_size=300), st.sampled_from(SYNTAXES))
def test_any_bytes_are_a_request_or_a_failure(data: bytes, syntax: str) -> None:
    for start in (b"", information("1.2", [Reference("1.3", "1.4")], syntax)):
        try:
            found = parse_request(start + data, syntax)
        except ActionFailure:
            continue
        assert found.references


@given(uids, st.lists(references, max_size=3), st.lists(references, max_size=3), st.sampled_from(SYNTAXES))
def test_a_report_says_the_same_in_every_encoding(
    transaction: str, good: list[Reference], bad: list[Reference], syntax: str
) -> None:
    failed = [Failure(reference, NO_SUCH_OBJECT) for reference in bad]
    event_type, data = encode_report(transaction, good, failed, encoding_of(syntax))
    found = read_dataset(io.BytesIO(data), syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG)
    assert event_type == (2 if bad else 1)
    assert found.TransactionUID == transaction
    assert [item.ReferencedSOPInstanceUID for item in found.get("ReferencedSOPSequence", ())] == [
        reference.sop_instance for reference in good
    ]
    assert [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in found.get("FailedSOPSequence", ())] == [
        (reference.sop_instance, NO_SUCH_OBJECT) for reference in bad
    ]


@pytest.mark.parametrize("text", ["1" * 65, "1" * 100_000])
def test_no_uid_is_longer_than_a_uid(text: str) -> None:
    named = [Reference("1.2", text)]
    (found,) = parse_request(information("1.2", named, IMPLICIT_LITTLE), IMPLICIT_LITTLE).references
    assert len(found.sop_instance) == MAX_UID
