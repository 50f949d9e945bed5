"""Compression codes of acrnema.map: what is proposed, and which of the accepted contexts an object takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgate.net.negotiation import Context
from dgate.net.proposing import BIG, IMPLICIT, LITTLE, Offers, code_for, propose

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
J = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"


@pytest.mark.parametrize(
    ("code", "coded"),
    [
        ("j1", ["57", "70"]), ("j2", ["57", "70"]), ("JR", ["57", "70"]), ("j3", ["51", "50"]), ("j475", ["51", "50"]),
        ("j5", ["53", "51", "50"]), ("j6", ["55", "51", "50"]), ("jk", ["90"]), ("jl80", ["91", "90"]), ("js", ["80"]),
        ("j7", ["81", "80"]),
    ],
)  # fmt: skip
def test_codes_that_ask_for_a_codec(code: str, coded: list[str]) -> None:
    expected = tuple(J + end for end in coded)
    assert propose(code, {CT: ()}) == [(CT, (*expected, IMPLICIT)), (CT, (IMPLICIT,))]
    assert propose(code + "!", {CT: ()}) == [(CT, expected)]


@pytest.mark.parametrize("code", ["un", "ui", "uj", "n1", "n4", "nj", "k4", "s0", "", "what"])
def test_everything_else_is_implicit_little_endian(code: str) -> None:
    assert propose(code, {CT: (), MR: ()}) == [(CT, (IMPLICIT,)), (MR, (IMPLICIT,))]


def test_as_stored() -> None:
    assert propose("as", {CT: {RLE, IMPLICIT}, MR: {LITTLE}}) == [
        (CT, (RLE,)), (CT, (IMPLICIT,)), (MR, (LITTLE,)), (MR, (IMPLICIT,)),
    ]  # fmt: skip


def test_there_are_no_more_contexts_than_numbers() -> None:
    assert len(propose("un", {f"1.2.{number}": () for number in range(300)})) == 128


@pytest.mark.parametrize(
    ("stored", "accepted", "chosen"),
    [
        (LITTLE, [IMPLICIT, LITTLE], LITTLE),
        (IMPLICIT, [LITTLE, IMPLICIT], IMPLICIT),
        (IMPLICIT, [BIG, LITTLE], LITTLE),
        (LITTLE, [BIG, J + "70"], BIG),
        (LITTLE, [J + "70"], None),
        (J + "70", [IMPLICIT, LITTLE, J + "57"], None),
        (J + "70", [IMPLICIT, J + "70"], J + "70"),
        (RLE, [], None),
    ],
)
def test_the_choice(stored: str, accepted: list[str], chosen: str | None) -> None:
    offers = Offers(Context(number, CT, syntax) for number, syntax in enumerate(accepted))
    context = offers.choose(CT, stored)
    assert (context.transfer_syntax if context else None) == chosen
    assert offers.takes(CT) == bool(accepted)
    assert not offers.takes(MR)
    assert offers.choose(MR, stored) is None


def test_the_called_title_goes_first() -> None:
    assert code_for("ORACLE~j2", "un") == "j2"
    assert code_for("ORACLE", "un") == "un"
    assert code_for("ORACLE~", "un") == "un"


@given(st.text(max_size=8), st.lists(st.text(max_size=5), max_size=5))
def test_no_code_is_a_fault(code: str, syntaxes: list[str]) -> None:
    for abstract, transfers in propose(code, {CT: syntaxes}):
        assert abstract == CT
        assert transfers
