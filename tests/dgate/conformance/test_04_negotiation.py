"""Section 4: dgatesop.lst and the negotiation of an association."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from pydicom.uid import UID
from pynetdicom import AE, PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from tests import dcmtk

from .conftest import StartNode
from .node import Node, program
from .objects import CT, EVBE, EVLE, IVLE, another, encode
from .scu import FIND, GET, MOVE, VERIFICATION, associated, both_roles, find, send

J = "1.2.840.10008.1.2.4."
RLE, DEFLATED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99"
TRANSFERS = (IVLE, EVLE, EVBE, *(J + end for end in ("50", "51", "53", "55", "57", "70", "80", "81", "90", "91")))
PRIVATE = "1.2.826.0.1.3680043.2.135.1066.5.1.4.1.2."
WORKLIST = "1.2.840.10008.5.1.4.31"


class Offer(NamedTuple):
    """One presentation context and what becomes of it: the result, and the transfer syntax if it is accepted."""

    abstract: str
    transfers: Sequence[str]
    result: int
    transfer: str = ""


OFFERS = (
    Offer(VERIFICATION, (IVLE,), 0, IVLE),
    Offer(VERIFICATION, (J + "50", IVLE), 0, J + "50"),
    Offer(FIND["study"], (J + "70",), 0, J + "70"),
    Offer(CT, (EVLE, IVLE), 0, EVLE),
    Offer(CT, (IVLE, EVLE), 0, IVLE),
    Offer(CT, (RLE, DEFLATED, EVBE, IVLE), 0, EVBE),
    *(Offer(CT, (syntax,), 0, syntax) for syntax in TRANSFERS),
    *(Offer(model, (IVLE,), 0, IVLE) for models in (FIND, MOVE, GET) for model in models.values()),
    *(Offer(f"{PRIVATE}{number}.2", (IVLE,), 0, IVLE) for number in (1, 2, 3)),
    Offer(CT, (RLE,), 4),
    Offer(CT, (DEFLATED,), 4),
    Offer(CT, ("1.2.3",), 4),
    Offer("1.2.3.4.5.6.7.8.9", (IVLE,), 3),
    Offer("1.2.3.4.5.6.7.8.9", (RLE,), 4),
    Offer("1.2.840.10008.1.20.1", (IVLE,), 3),
    Offer("1.2.840.10008.3.1.2.3.3", (IVLE,), 3),
    Offer("1.2.840.10008.5.1.4.33", (IVLE,), 3),
    Offer("1.2.840.10008.5.1.4.34.6.1", (IVLE,), 3),
)


@pytest.mark.parametrize("first", range(0, len(OFFERS), 20))
def test_4_first_fit_in_the_proposers_order(node: Node, first: int) -> None:
    from pynetdicom.presentation import build_context

    offers = OFFERS[first : first + 20]
    ae = AE()
    ae.requested_contexts = [build_context(offer.abstract, list(offer.transfers)) for offer in offers]
    ae.add_requested_context(VERIFICATION, IVLE)
    association = ae.associate("127.0.0.1", node.port, ae_title="ANYBODY")
    assert association.is_established
    found = [
        (context.result, str(context.transfer_syntax[0]) if context.result == 0 else "")
        for context in sorted(
            [*association.accepted_contexts, *association.rejected_contexts],
            key=lambda context: context.context_id or 0,
        )
    ]
    association.release()
    assert found[: len(offers)] == [(offer.result, offer.transfer) for offer in offers]


def test_4_the_accept(node: Node) -> None:
    with associated(node.port, [(CT, [IVLE])], calling="X" * 16, called="whoever", ext_neg=[both_roles(CT)]) as found:
        accept = found.acceptor.primitive
    assert accept is not None
    assert (accept.calling_ae_title, accept.called_ae_title) == ("X" * 16, "whoever")
    assert found.acceptor.implementation_class_uid == "1.2.826.0.1.3680043.2.135.1066.101"
    assert found.acceptor.implementation_version_name == "1.5.0/OTHER"
    assert found.acceptor.asynchronous_operations == (1, 1)
    assert found.acceptor.sop_class_extended == {}
    assert {uid: (role.scu_role, role.scp_role) for uid, role in found.acceptor.role_selection.items()} == {
        CT: (True, True)
    }


def test_4_what_else_a_peer_offers_is_not_taken_up(node: Node) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 5
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = UID(FIND["study"]), b"\1\1\1"
    user = UserIdentityNegotiation()
    user.user_identity_type, user.primary_field, user.positive_response_requested = 1, b"somebody", True
    with associated(node.port, [(FIND["study"], [IVLE])], ext_neg=[window, extended, user]) as found:
        accept = found.acceptor.primitive
    assert accept is not None
    assert sorted(type(item).__name__ for item in accept.user_information) == [
        "ImplementationClassUIDNotification",
        "ImplementationVersionNameNotification",
        "MaximumLengthNotification",
    ]


answers: list[A_ASSOCIATE] = []
"""What peers without an accepted context were answered."""


def refused(port: int, contexts: Sequence[tuple[str, Sequence[str]]], **titles: str) -> object:
    """An association that does not come about, or not for long; how it ended. The accept of it, if there was one."""
    ae = AE(ae_title=titles.get("calling", "TESTSCU"))
    for abstract, transfers in contexts:
        ae.add_requested_context(abstract, list(transfers))
    association = ae.associate("127.0.0.1", port, ae_title=titles.get("called", "ORACLE"))
    if not association.accepted_contexts and association.acceptor.primitive is not None:
        answers.append(association.acceptor.primitive)
    rejected, primitive = association.is_rejected, association.acceptor.primitive
    if association.is_established:
        association.release()
    if rejected and primitive is not None:
        return primitive.result, primitive.result_source, primitive.diagnostic
    return "closed"


def test_4_without_any_transfer_syntax_the_connection_is_closed(node: Node) -> None:
    before = node.mark()
    assert refused(node.port, [(CT, [RLE, DEFLATED]), (VERIFICATION, [RLE])]) == "closed"
    assert answers.pop().implementation_class_uid == PYNETDICOM_IMPLEMENTATION_UID  # the peer's own, repeated
    node.line("*** multiplex: connection terminated", before)
    assert [line for line in node.lines(before) if "***" in line] == [
        "***No valid presentation contexts/transfer syntax found in 3 candidates",
        "***In 2 presentation contexts",
        "***#Possible transfer syntaxes: 13",
        "*** multiplex: connection terminated",
    ]


def test_4_a_connection_without_a_request(node: Node) -> None:
    before = node.mark()
    socket.create_connection(("127.0.0.1", node.port)).close()
    node.line("*** multiplex: connection terminated", before)
    assert [line for line in node.lines(before) if "***" in line] == [
        "***No valid presentation contexts/transfer syntax found in 0 candidates",
        "***In 0 presentation contexts",
        "***#Possible transfer syntaxes: 13",
        "*** multiplex: connection terminated",
    ]


def test_4_only_sop_classes_refused(node: Node) -> None:
    before = node.mark()
    refused(node.port, [("1.2.3.4.5.6.7.8.9", [IVLE])])
    node.line("*** Association rejected: you may need to add the listed presentation context as sop to", before)
    assert "*** Association rejected: you may need to add the listed presentation context as sop to dgatesop.lst" in (
        node.lines(before)
    )
    assert not any(line.startswith("***No valid") for line in node.lines(before))


def test_4_released_without_a_command(node: Node) -> None:
    before = node.mark()
    with associated(node.port, [(VERIFICATION, [IVLE])]):
        pass
    node.line("*** connection terminated", before)
    assert [line for line in node.lines(before) if line] == ["*** connection terminated"]


@pytest.fixture(scope="module")
def changing(start_node: StartNode) -> Node:
    """A server whose dgatesop.lst is written anew for each case."""
    return start_node()


SHORT = f"Verification {VERIFICATION} sop\nCT {CT} sop\nimplicit {IVLE} transfer\n"


class Listed(NamedTuple):
    name: str
    lines: str | None
    """None: there is no file."""
    accepted: bool
    abstract: str = CT
    transfer: str = IVLE


LISTS = (
    Listed("as delivered in small", SHORT, accepted=True),
    Listed("a SOP class that is not listed", SHORT, accepted=False, abstract="1.2.840.10008.5.1.4.1.1.4"),
    Listed(
        "abstract means sop",
        f"MR 1.2.840.10008.5.1.4.1.1.4 ABSTRACT more words\n{SHORT}",
        accepted=True,
        abstract="1.2.840.10008.5.1.4.1.1.4",
    ),
    Listed("RLE is enabled by a line", f"RLE {RLE} Transfer\n{SHORT}", accepted=True, transfer=RLE),
    Listed("comments and blanks", f"#CT {CT} sop\n\n#x\nVerification {VERIFICATION} sop\n", accepted=False),
    Listed("no line of a kind: everything of it", f"CT {CT} sop\n", accepted=True, transfer=RLE),
    Listed("no line of the other kind", f"implicit {IVLE} transfer\n", accepted=True, abstract="1.2.3.4.5.6.7.8.9"),
    Listed("no file", None, accepted=True, abstract="1.2.3.4.5.6.7.8.9", transfer="1.2.3.4.5.6.7.8.8"),
)


@pytest.mark.parametrize("case", LISTS, ids=[case.name for case in LISTS])
def test_4_the_list_is_read_for_each_association(changing: Node, case: Listed) -> None:
    path = changing.folder / "dgatesop.lst"
    path.unlink(missing_ok=True)
    if case.lines is not None:
        path.write_text(case.lines)
    ae = AE()
    ae.add_requested_context(case.abstract, case.transfer)
    association = ae.associate("127.0.0.1", changing.port)
    accepted = len(association.accepted_contexts) == 1
    if association.is_established:
        association.release()
    assert accepted == case.accepted


TITLES = (
    ("MODALITY", "ORACLE", "closed", ""),
    ("modality", "ORACLE", (1, 1, 3), "***Calling AE title not accepted"),
    ("SOMEBODY", "ORACLE", (1, 1, 3), "***Calling AE title not accepted"),
    ("MODALITY", "OTHER", (1, 1, 7), "***Called AE title not accepted"),
)


@pytest.mark.parametrize(("calling", "called", "expected", "line"), TITLES)
def test_4_ae_titles_of_the_list(changing: Node, calling: str, called: str, expected: object, line: str) -> None:
    (changing.folder / "dgatesop.lst").write_text(f"{SHORT}a MODALITY RemoteAE\nb ORACLE LocalAE\n")
    before = changing.mark()
    assert refused(changing.port, [(VERIFICATION, [IVLE])], calling=calling, called=called) == expected
    if line:
        assert changing.line(line, before) == line


def test_4_with_such_a_list_the_servers_own_command_line_fails_too(changing: Node) -> None:
    (changing.folder / "dgatesop.lst").write_text(f"{SHORT}a MODALITY RemoteAE\n")
    assert program(changing.folder, "--display_status:").returncode == 1
    (changing.folder / "dgatesop.lst").write_text(SHORT)
    assert program(changing.folder, "--display_status:").returncode == 255


def test_4_a_deflated_store_drops_the_connection(start_node: StartNode) -> None:
    node = start_node(sops=f"deflated {DEFLATED} transfer\nrle {RLE} transfer\n")
    with associated(node.port, [(CT, [DEFLATED])]) as association:
        assert send(association, b"\x4b\x04\x00", CT, "1.2.3").status is None
    rle = encode(another(1, t7FE00010=None))
    with associated(node.port, [(CT, [RLE])]) as association:
        assert send(association, rle, CT, "1.2.3").status == 0


@pytest.mark.peer
@pytest.mark.skipif(not dcmtk.find("findscu"), reason="dcmtk is not installed")
def test_4_any_answer_fits_the_peers_maximum(node: Node) -> None:
    """One PDV per PDU, none longer than what the peer takes."""
    assert find(node.port, "study", {"QueryRetrieveLevel": "STUDY", "PatientID": ""})[0] == 0
    done = subprocess.run(
        [dcmtk.path("findscu"), "-d", "--max-pdu", "4096", "-S", "-k", "0008,0052=STUDY", "-k", "0020,000D",
         "127.0.0.1", str(node.port)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
