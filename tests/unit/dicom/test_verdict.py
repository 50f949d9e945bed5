"""From facts to words."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conquestctl.dicom.verdict import Facts, Layer, verdict

FACTS = Facts("CT1", "CONQUESTCTL", 5.0)


@pytest.mark.parametrize(
    ("facts", "layer", "detail"),
    [
        (replace(FACTS, accepted=True, contexts=1, status=0), Layer.NONE, ""),
        (replace(FACTS, unresolved="'x': Name or service not known"), Layer.NAME, "'x': Name or service not known"),
        (replace(FACTS, connect_errno=errno.ECONNREFUSED), Layer.REFUSED, "nothing listens on this port"),
        (replace(FACTS, connect_errno=errno.ETIMEDOUT), Layer.TIMED_OUT, "no TCP connection within 5 s"),
        (replace(FACTS, connect_errno=errno.EHOSTUNREACH), Layer.UNREACHABLE, "No route to host"),
        (
            replace(FACTS, expired=True),
            Layer.TIMED_OUT,
            "connected, but no answer to the association request within 5 s",
        ),
        (replace(FACTS, garbage=True), Layer.NOT_DICOM, "the answer to the association request is no DICOM message"),
        (
            replace(FACTS, rejected=(1, 1, 7)),
            Layer.REJECTED,
            "'CT1' rejected 'CONQUESTCTL' permanently: called AE title not recognised (said by its DICOM application)",
        ),
        (
            replace(FACTS, rejected=(2, 3, 2)),
            Layer.REJECTED,
            "'CT1' rejected 'CONQUESTCTL' for now (transient): local limit exceeded (said by its presentation layer)",
        ),
        (
            replace(FACTS, rejected=(9, 8, 7)),
            Layer.REJECTED,
            "'CT1' rejected 'CONQUESTCTL' with unknown result 9: reason 7 (said by unknown source 8)",
        ),
        (replace(FACTS, aborted=(0, 0)), Layer.ABORTED, "'CT1' aborted (said by its DICOM application)"),
        (replace(FACTS, aborted=(2, 2)), Layer.ABORTED, "'CT1' aborted (said by its upper layer): unexpected PDU"),
        (FACTS, Layer.ABORTED, "the connection was closed without an answer to the association request"),
        (replace(FACTS, accepted=True), Layer.NO_CONTEXT, "'CT1' accepted the association but not C-ECHO"),
        (replace(FACTS, accepted=True, contexts=1, status=0x0211), Layer.STATUS, "C-ECHO answered with status 0x0211"),
        (
            replace(FACTS, accepted=True, contexts=1, expired=True),
            Layer.TIMED_OUT,
            "connected, but no answer to C-ECHO within 5 s",
        ),
    ],
)
def test_words(facts: Facts, layer: Layer, detail: str) -> None:
    assert verdict(facts) == (layer, detail)


BYTE = st.integers(0, 255)


@given(
    st.builds(
        Facts,
        called=st.just("CT1"),
        calling=st.just("ME"),
        timeout=st.just(5.0),
        unresolved=st.sampled_from(["", "gone"]),
        connect_errno=st.none() | st.integers(1, 130),
        expired=st.booleans(),
        rejected=st.none() | st.tuples(BYTE, BYTE, BYTE),
        aborted=st.none() | st.tuples(BYTE, BYTE),
        garbage=st.booleans(),
        accepted=st.booleans(),
        contexts=st.integers(0, 2),
        status=st.none() | st.integers(0, 0xFFFF),
    )
)
def test_only_a_success_status_is_success_and_every_failure_has_words(facts: Facts) -> None:
    layer, detail = verdict(facts)
    connected = not facts.unresolved and facts.connect_errno is None
    assert (layer is Layer.NONE) == (connected and facts.status == 0)
    assert bool(detail) == (layer is not Layer.NONE)
