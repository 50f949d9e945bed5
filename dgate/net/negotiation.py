"""What an association may do: request + dgatesop.lst -> accept or reject (conquest-server.md section 4). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.net.pdu import ROLE_SELECTION, AssociateAccept, AssociateReject, ContextResult, UserInformation
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.config.soplist import SopList
    from dgate.net.pdu import AssociateRequest, ProposedContext

IMPLEMENTATION_CLASS_UID = "1.2.826.0.1.3680043.2.135.1066.101"
IMPLEMENTATION_VERSION = "1.5.0/OTHER"

ACCEPTED, NO_REASON, ABSTRACT_REFUSED, TRANSFER_REFUSED = 0, 2, 3, 4
"""Results of a presentation context (PS3.8 table 9-18)."""

STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
"""Push model: the one SOP class that dicom.ini decides about, not dgatesop.lst."""

BAD_APPLICATION_CONTEXT = AssociateReject(1, 1, 2)
BAD_CALLING_AE = AssociateReject(1, 1, 3)
BAD_CALLED_AE = AssociateReject(1, 1, 7)
BAD_PROTOCOL_VERSION = AssociateReject(1, 2, 2)
LOCAL_LIMIT = AssociateReject(2, 3, 2)


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context."""

    id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """An accepted association. Not `viable`: say so and close, no context had a usable transfer syntax."""

    reply: AssociateAccept
    contexts: dict[int, Context]
    viable: bool
    enabled: frozenset[str] = frozenset()
    """The proposed SOP classes that are on the list, whatever became of their contexts."""


def negotiate(request: AssociateRequest, sops: SopList, max_length: int) -> Agreement | AssociateReject:
    """Decide on a request; `max_length` is what we announce for P-DATA-TF bodies."""
    refusal = _refusal(request, sops)
    if refusal is not None:
        return refusal
    results: dict[int, ContextResult] = {}
    accepted: dict[int, Context] = {}
    for proposed in request.contexts:
        if proposed.id in results:
            continue  # the peer could not tell two answers with one number apart
        result = _decide(proposed, sops)
        results[proposed.id] = result
        if result.result == ACCEPTED:
            accepted[proposed.id] = Context(proposed.id, proposed.abstract_syntax, result.transfer_syntax)
    viable = any(result.result in {ACCEPTED, ABSTRACT_REFUSED} for result in results.values())
    reply = _accept(request, tuple(results.values()), max_length if viable else None)
    proposed_classes = {proposed.abstract_syntax for proposed in request.contexts}
    return Agreement(reply, accepted, viable, frozenset(filter(sops.accepts_abstract_syntax, proposed_classes)))


def _refusal(request: AssociateRequest, sops: SopList) -> AssociateReject | None:
    if not request.protocol_version & 1:
        return BAD_PROTOCOL_VERSION
    if not request.application_context or not sops.accepts_application_context(request.application_context):
        return BAD_APPLICATION_CONTEXT
    if not sops.accepts_calling_ae(request.calling_ae):
        return BAD_CALLING_AE
    if not sops.accepts_called_ae(request.called_ae):
        return BAD_CALLED_AE
    return None


def _decide(proposed: ProposedContext, sops: SopList) -> ContextResult:
    """First fit in the proposer's order, the transfer syntax judged before the SOP class."""
    if proposed.id % 2 == 0:
        return ContextResult(proposed.id, NO_REASON)  # PS3.8 9.3.2.2 allows odd numbers only
    syntax = next((uid for uid in proposed.transfer_syntaxes if sops.accepts_transfer_syntax(uid)), None)
    if syntax is None:
        return ContextResult(proposed.id, TRANSFER_REFUSED)
    if not sops.accepts_abstract_syntax(proposed.abstract_syntax):
        return ContextResult(proposed.id, ABSTRACT_REFUSED)
    return ContextResult(proposed.id, ACCEPTED, syntax)


def _accept(request: AssociateRequest, results: tuple[ContextResult, ...], max_length: int | None) -> AssociateAccept:
    """Role selections are echoed; with nothing to offer Conquest repeats all of the requestor's user information."""
    user = request.user
    if max_length is not None:
        roles = tuple(item for item in request.user.others if item[0] == ROLE_SELECTION)
        user = UserInformation(max_length, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, roles)
    return AssociateAccept(
        request.called, request.calling, request.reserved, request.application_context, results, user
    )
