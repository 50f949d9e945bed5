from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgate.config.soplist import EVERYTHING, SopList
from dgate.net import negotiation
from dgate.net.negotiation import Agreement, negotiate
from dgate.net.pdu import AssociateReject, AssociateRequest, ProposedContext

from .raw import APPLICATION_CONTEXT, CT, EVLE, IVLE, VERIFICATION, request
from .test_pdu import REQUESTS

LISTED = SopList(
    abstract=frozenset({VERIFICATION, CT}),
    transfer=frozenset({IVLE, EVLE}),
    application=frozenset({APPLICATION_CONTEXT}),
)
RLE = "1.2.840.10008.1.2.5"
MR = "1.2.840.10008.5.1.4.1.1.4"


def agree(asked: AssociateRequest, sops: SopList = LISTED) -> Agreement:
    agreement = negotiate(asked, sops, 131072)
    assert isinstance(agreement, Agreement)
    return agreement


def results(*contexts: ProposedContext, sops: SopList = LISTED) -> list[tuple[int, int, str]]:
    return [(c.id, c.result, c.transfer_syntax) for c in agree(request(contexts), sops).reply.contexts]


def test_the_first_acceptable_transfer_syntax_in_the_proposers_order_wins() -> None:
    assert results(ProposedContext(1, CT, (RLE, EVLE, IVLE))) == [(1, 0, EVLE)]
    assert results(ProposedContext(1, CT, (IVLE, EVLE))) == [(1, 0, IVLE)]


def test_refusals_say_why() -> None:
    got = results(ProposedContext(1, CT, (RLE,)), ProposedContext(3, MR, (IVLE,)), ProposedContext(5, CT, (IVLE,)))
    assert got == [(1, 4, ""), (3, 3, ""), (5, 0, IVLE)]


def test_without_lists_everything_of_the_right_length_is_accepted() -> None:
    got = results(ProposedContext(1, MR, (RLE,)), ProposedContext(3, "1.2.3", (IVLE,)), sops=EVERYTHING)
    assert got == [(1, 0, RLE), (3, 3, "")]


def test_even_context_numbers_are_refused_and_repeated_ones_answered_once() -> None:
    got = results(ProposedContext(2, CT, (IVLE,)), ProposedContext(1, CT, (IVLE,)), ProposedContext(1, MR, (RLE,)))
    assert got == [(2, 2, ""), (1, 0, IVLE)]


def test_all_128_contexts_are_answered() -> None:
    contexts = [ProposedContext(number, CT, (IVLE,)) for number in range(1, 256, 2)]
    agreement = agree(request(contexts))
    assert len(agreement.reply.contexts) == len(agreement.contexts) == 128


def test_the_answer_repeats_the_titles_and_names_the_original_implementation() -> None:
    role = (0x54, b"\x00\x021.\x01\x01")
    asked = request(others=((0x53, b"\0\1\0\1"), role, (0x58, b"secret")))
    reply = agree(asked, EVERYTHING).reply
    assert (reply.called, reply.calling, reply.reserved) == (asked.called, asked.calling, asked.reserved)
    assert reply.user.max_length == 131072
    assert reply.user.implementation_class_uid == "1.2.826.0.1.3680043.2.135.1066.101"
    assert reply.user.implementation_version == "1.5.0/OTHER"
    assert reply.user.others == (role,)


@pytest.mark.parametrize("contexts", [(), (ProposedContext(1, CT, (RLE,)),), (ProposedContext(1, CT, ()),)])
def test_no_usable_transfer_syntax_at_all_is_an_accept_that_repeats_the_request(
    contexts: tuple[ProposedContext, ...],
) -> None:
    asked = request(contexts)
    agreement = agree(asked)
    assert not agreement.viable
    assert agreement.reply.user == asked.user


def test_refused_sop_classes_alone_leave_the_association_alive() -> None:
    agreement = agree(request((ProposedContext(1, MR, (IVLE,)),)))
    assert agreement.viable
    assert agreement.contexts == {}


@pytest.mark.parametrize(
    ("asked", "sops", "expected"),
    [
        (request(version=2), LISTED, AssociateReject(1, 2, 2)),
        (request(version=0), LISTED, AssociateReject(1, 2, 2)),
        (request(application="1.2.3"), LISTED, AssociateReject(1, 1, 2)),
        (request(application=""), EVERYTHING, AssociateReject(1, 1, 2)),
        (request(calling="EVIL"), SopList(remote_ae=frozenset({"GOOD"})), AssociateReject(1, 1, 3)),
        (request(called="OTHER"), SopList(local_ae=frozenset({"ORACLE"})), AssociateReject(1, 1, 7)),
    ],
)
def test_rejections(asked: AssociateRequest, sops: SopList, expected: AssociateReject) -> None:
    assert negotiate(asked, sops, 131072) == expected


def test_any_title_is_served_unless_there_are_lists() -> None:
    assert agree(request(calling="ANYBODY", called="ANYTHING")).viable
    assert agree(request(calling="GOOD"), SopList(remote_ae=frozenset({"GOOD"}))).viable


def test_protocol_versions_beyond_the_first_do_not_matter() -> None:
    assert agree(request(version=3)).viable


@settings(max_examples=200)
@given(REQUESTS, st.sampled_from([EVERYTHING, LISTED]))
def test_every_context_is_answered_once_and_only_odd_ones_accepted(asked: AssociateRequest, sops: SopList) -> None:
    agreement = negotiate(asked, sops, 131072)
    if isinstance(agreement, AssociateReject):
        return
    ids = [context.id for context in agreement.reply.contexts]
    assert len(ids) == len(set(ids))
    assert set(ids) == {context.id for context in asked.contexts}
    accepted = {c.id for c in agreement.reply.contexts if c.result == negotiation.ACCEPTED}
    assert set(agreement.contexts) == accepted
    assert all(number % 2 for number in accepted)
