"""From an accepted connection to an association, or to a clean refusal (conquest-server.md section 4)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from dgate.net import pdu
from dgate.net.negotiation import BAD_CALLED_AE, BAD_CALLING_AE, LOCAL_LIMIT, STORAGE_COMMITMENT, Agreement, negotiate
from dgate.net.strangers import HTTP_ANSWER, is_http, is_tls
from dgate.record import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dgate.config.soplist import SopList
    from dgate.net.connection import Connection
    from dgate.net.negotiation import Context
    from dgate.net.node import Node
    from dgate.net.pdu import AssociateReject, AssociateRequest, ProposedContext

MAX_REQUEST = 1 << 20
MIN_PEER_LENGTH = 64
"""A peer that wants shorter PDUs than this would make us send ten times what it reads."""

_REFUSALS = {BAD_CALLING_AE: "***Calling AE title not accepted", BAD_CALLED_AE: "***Called AE title not accepted"}


@dataclass(frozen=True, slots=True)
class Established:
    """An association that was accepted; the answer has been sent."""

    request: AssociateRequest
    contexts: dict[int, Context]
    enabled: frozenset[str]
    """The proposed SOP classes that dgatesop.lst has."""


def establish(connection: Connection, node: Node) -> Established | None:
    """Read the request and answer it. None: it was answered with something other than an association.

    Raises `ConnectionLost` and `PduError`; the whole of it has one deadline, set when the connection was accepted.
    """
    connection.need(6)
    start = connection.peek(6)
    if is_http(start):
        node.log.console(f"***HTTP request on the DICOM port from {connection.address}")
        connection.send(HTTP_ANSWER, node.limits.send)
        return None
    if is_tls(start):
        node.log.console(f"***TLS handshake on the DICOM port from {connection.address}")
        return None
    request = pdu.parse_request(_request_body(connection))
    if 0 < request.user.max_length < MIN_PEER_LENGTH:
        raise pdu.PduError(f"a maximum length of {request.user.max_length} bytes is too short to work with")
    agreement = _decide(request, connection, node)
    if isinstance(agreement, Agreement):
        return _accept(request, agreement, connection, node)
    connection.send(pdu.encode_reject(agreement), node.limits.send)
    return None


def _request_body(connection: Connection) -> bytes:
    kind, length = connection.header()
    if kind != pdu.ASSOCIATE_RQ:
        known = pdu.ASSOCIATE_RQ <= kind <= pdu.ABORT
        reason = pdu.UNEXPECTED_PDU if known else pdu.UNRECOGNIZED_PDU
        raise pdu.PduError(f"PDU type {kind:02x} before an association", reason)
    if length > MAX_REQUEST:
        raise pdu.PduError(f"association request of {length} bytes")
    return connection.take_all(length)


def _decide(request: AssociateRequest, connection: Connection, node: Node) -> Agreement | AssociateReject:
    agreement = negotiate(request, _sop_list(node), node.limits.max_length)
    if not isinstance(agreement, Agreement):
        node.log.console(_REFUSALS.get(agreement, "***Association request not understood"))
        node.log.console(f"Association refused{_who(request, connection)}")
    elif not node.door.promote(connection):
        node.log.console("***Too many associations, refused" + _who(request, connection))
        return LOCAL_LIMIT
    return agreement


def _sop_list(node: Node) -> SopList:
    """dgatesop.lst, and storage commitment where dicom.ini asks for it."""
    sops = node.config.sop_list
    if sops.abstract is None or not node.config.settings.storage_commitment:
        return sops
    return replace(sops, abstract=sops.abstract | {STORAGE_COMMITMENT})


def _accept(request: AssociateRequest, agreement: Agreement, connection: Connection, node: Node) -> Established | None:
    connection.send(pdu.encode_accept(agreement.reply), node.limits.send)
    if agreement.viable:
        return Established(request, agreement.contexts, agreement.enabled)
    report_nothing_usable(request.contexts, node)
    return None


def report_nothing_usable(contexts: Sequence[ProposedContext], node: Node) -> None:
    """What the log says of an association without a usable transfer syntax, and of a connection without a request."""
    log, known = node.log, node.config.sop_list.transfer
    candidates = sum(len(context.transfer_syntaxes) for context in contexts)
    log.console(f"***No valid presentation contexts/transfer syntax found in {candidates} candidates")
    log.console(f"***In {len(contexts)} presentation contexts")
    log.console(f"***#Possible transfer syntaxes: {len(known or ())}")
    log.console("*** multiplex: connection terminated")


def _who(request: AssociateRequest, connection: Connection) -> str:
    return f' ("{request.calling_ae}" at {connection.address} calls "{request.called_ae}")'


def refuse_politely(connection: Connection, fault: pdu.PduError, node: Node) -> None:
    """Tell the peer what it broke. Raises `ConnectionLost`."""
    node.log.console(f"***Protocol error from {connection.address}: {fault}")
    connection.deadline = monotonic() + node.limits.send
    connection.send(pdu.encode_abort(pdu.SOURCE_PROVIDER, fault.reason), node.limits.send)
