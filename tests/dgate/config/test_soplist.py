from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.soplist import EVERYTHING, SopList

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT = "1.2.840.10008.1.2"


@pytest.mark.parametrize("kind", ["sop", "SOP", "abstract", "Abstract extra words"])
def test_listed_sop_classes_are_accepted_and_no_others(kind: str) -> None:
    found = SopList.parse(f"CTStorage\t{CT}  {kind}\r\n".encode())
    assert found.accepts_abstract_syntax(CT)
    assert not found.accepts_abstract_syntax(MR)
    assert found.accepts_transfer_syntax(IMPLICIT)


def test_transfer_syntaxes() -> None:
    found = SopList.parse(f"IVLE {IMPLICIT} transfer LittleEndianImplicit".encode())
    assert found.accepts_transfer_syntax(IMPLICIT)
    assert not found.accepts_transfer_syntax(IMPLICIT + ".1")


def test_ae_titles_are_compared_exactly_but_for_padding() -> None:
    found = SopList.parse(b"one CALLER RemoteAE\ntwo ME localae\n")
    assert found.accepts_calling_ae("CALLER          ")
    assert not found.accepts_calling_ae("caller")
    assert found.accepts_called_ae("ME")
    assert not found.accepts_called_ae("CALLER")


def test_application_context() -> None:
    found = SopList.parse(b"dicom 1.2.840.10008.3.1.1.1 application\n")
    assert found.accepts_application_context("1.2.840.10008.3.1.1.1")
    assert not found.accepts_application_context("1.2")


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", b"#CT %s sop" % CT.encode(), b"two words", b"CT %s storage" % CT.encode()]
)
def test_a_kind_without_a_line_accepts_everything(data: bytes) -> None:
    assert SopList.parse(data) == EVERYTHING
    assert EVERYTHING.accepts_abstract_syntax(MR)
    assert EVERYTHING.accepts_calling_ae("ANY")


def test_short_uids_are_never_accepted() -> None:
    assert not EVERYTHING.accepts_abstract_syntax("1.2.840.10008.1.")
    assert not EVERYTHING.accepts_transfer_syntax("1.2")


def test_a_line_is_read_up_to_255_characters() -> None:
    assert SopList.parse(b"x" * 250 + b" " + CT.encode() + b" sop") == EVERYTHING


_UID = st.from_regex(r"1\.2\.840\.[0-9]{9,20}", fullmatch=True)


@given(st.sets(_UID, min_size=1, max_size=5), _UID)
@settings(max_examples=100)
def test_exactly_the_listed_ones_are_accepted(listed: set[str], asked: str) -> None:
    found = SopList.parse("\n".join(f"name {uid} sop" for uid in listed).encode())
    assert found.accepts_abstract_syntax(asked) == (asked in listed)


@given(st.binary(max_size=300))
@settings(max_examples=150)
def test_any_bytes_can_be_parsed(data: bytes) -> None:
    assert isinstance(SopList.parse(data).accepts_abstract_syntax(CT), bool)
