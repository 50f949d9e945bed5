"""From what was seen on the wire to words: which layer failed, and what it said. Pure."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Layer(StrEnum):
    """The layer at fault, in an operator's words."""

    NONE = ""
    NAME = "name not resolved"
    REFUSED = "refused"
    UNREACHABLE = "not reachable"
    TIMED_OUT = "timed out"
    NOT_DICOM = "not DICOM"
    REJECTED = "association rejected"
    ABORTED = "aborted"
    NO_CONTEXT = "no presentation context"
    STATUS = "failure status"


@dataclass(frozen=True, slots=True)
class Facts:
    """What one attempt at an association and a service saw, in the order of the layers."""

    called: str
    calling: str
    timeout: float
    unresolved: str = ""
    """The resolver's words when the host name has no address."""
    connect_errno: int | None = None
    """Error number of the TCP connection; None when it was opened."""
    expired: bool = False
    """The deadline passed."""
    rejected: tuple[int, int, int] | None = None
    """Result, source and reason of the A-ASSOCIATE-RJ."""
    aborted: tuple[int, int] | None = None
    """Source and reason of the peer's A-ABORT."""
    garbage: bool = False
    """The peer sent something that is no PDU, or one that cannot be read."""
    accepted: bool = False
    """An A-ASSOCIATE-AC came."""
    contexts: int = 0
    """Presentation contexts accepted."""
    status: int | None = None
    """DIMSE status of the response; None when none came."""


RESULTS = {1: "permanently", 2: "for now (transient)"}
"""PS3.8 table 9-21, field result."""

SOURCES = {1: "its DICOM application", 2: "its association layer (ACSE)", 3: "its presentation layer"}
"""PS3.8 table 9-21, field source, in words: service user, service provider (ACSE), service provider (presentation)."""

REJECT_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognised",
    (1, 7): "called AE title not recognised",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
"""PS3.8 table 9-21, field reason, by source."""

ABORT_SOURCES = {0: "its DICOM application", 2: "its upper layer"}
"""PS3.8 table 9-26, field source."""

ABORT_REASONS = {
    1: "unrecognised PDU",
    2: "unexpected PDU",
    4: "unrecognised PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter value",
}
"""PS3.8 table 9-26, field reason, where the source is the provider; 0 says nothing."""

TIMEOUTS = (errno.ETIMEDOUT, errno.EAGAIN, errno.EINPROGRESS)


def verdict(facts: Facts, service: str = "C-ECHO") -> tuple[Layer, str]:
    """Return the layer at fault and the detail; `Layer.NONE` and nothing when the service succeeded."""
    return connection_verdict(facts) or association_verdict(facts, service) or (Layer.NONE, "")


def connection_verdict(facts: Facts) -> tuple[Layer, str] | None:
    """Return what kept TCP from connecting, or None when it did not."""
    if facts.unresolved:
        return Layer.NAME, facts.unresolved
    if facts.connect_errno is None:
        return None
    if facts.connect_errno in TIMEOUTS:
        return Layer.TIMED_OUT, f"no TCP connection within {facts.timeout:g} s"
    if facts.connect_errno == errno.ECONNREFUSED:
        return Layer.REFUSED, "nothing listens on this port"
    return Layer.UNREACHABLE, os.strerror(facts.connect_errno)


def association_verdict(facts: Facts, service: str) -> tuple[Layer, str] | None:
    """Return what went wrong after TCP connected, or None when the service answered with success."""
    if facts.status is None:
        return silence_verdict(facts, service)
    return (Layer.STATUS, f"{service} answered with status 0x{facts.status:04X}") if facts.status else None


def silence_verdict(facts: Facts, service: str) -> tuple[Layer, str]:
    """Return why the service never answered."""
    if facts.rejected:
        return Layer.REJECTED, reject_words(facts.called, facts.calling, facts.rejected)
    if facts.aborted:
        return Layer.ABORTED, abort_words(facts.called, facts.aborted)
    asked = service if facts.accepted else "the association request"
    if facts.garbage:
        return Layer.NOT_DICOM, f"the answer to {asked} is no DICOM message"
    if facts.accepted and not facts.contexts:
        return Layer.NO_CONTEXT, f"'{facts.called}' accepted the association but not {service}"
    if facts.expired:
        return Layer.TIMED_OUT, f"connected, but no answer to {asked} within {facts.timeout:g} s"
    return Layer.ABORTED, f"the connection was closed without an answer to {asked}"


def reject_words(called: str, calling: str, rejected: Sequence[int]) -> str:
    """Say who rejected whom, how firmly and why."""
    result, source, reason = rejected
    who = SOURCES.get(source, f"unknown source {source}")
    how = RESULTS.get(result, f"with unknown result {result}")
    why = REJECT_REASONS.get((source, reason), f"reason {reason}")
    return f"'{called}' rejected '{calling}' {how}: {why} (said by {who})"


def abort_words(called: str, aborted: Sequence[int]) -> str:
    """Say who aborted and why."""
    source, reason = aborted
    who = ABORT_SOURCES.get(source, f"unknown source {source}")
    why = ABORT_REASONS.get(reason, "") if source == 2 else ""
    return f"'{called}' aborted (said by {who})" + (f": {why}" if why else "")
