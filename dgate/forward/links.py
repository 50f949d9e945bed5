"""Associations for forwarding that stay open from object to object (conquest-converters.md 6.1)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import ExitStack, suppress
from time import monotonic
from typing import TYPE_CHECKING

from dgate.interfaces import RetrieveFailure
from dgate.net import dimse
from dgate.net.counters import SENT
from dgate.net.echo import VERIFICATION
from dgate.net.proposing import IMPLICIT, Offers, propose
from dgate.net.requestor import Destination, NoAssociation, NothingAccepted, PeerLost, association
from dgate.net.sending import SendingBroken, send_object, store_request
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.config.settings import Settings
    from dgate.forward.parcel import Parcel
    from dgate.net.counters import Counters
    from dgate.net.limits import Doorkeeper
    from dgate.net.requestor import Requested

GLOBAL = "GLOBAL"
_LARGEST = 0xFFFF
_WARNING = 0xB000
_NO_BUFFERS = (memoryview(b""), memoryview(b""))
"""What a subject's bytes are read into is its own."""


class NotForwardedError(Exception):
    """The object has not arrived; the text is for the log. `lasting`: it would not arrive the next time either."""

    lasting = False


class UnreachableError(NotForwardedError):
    """There is no association."""


class NotAcceptedError(NotForwardedError):
    """There is one, but not for such objects."""

    lasting = True


class NotSentError(NotForwardedError):
    """The association broke while the object was on its way."""


class RefusedError(NotForwardedError):
    """The other side answered with a failure."""

    lasting = True


class UnreadableError(NotForwardedError):
    """The object cannot be read or converted."""

    lasting = True


@dataclass(frozen=True, slots=True)
class Route:
    """Whom to call, and the compression that is wanted."""

    destination: Destination
    code: str


@dataclass(frozen=True, slots=True)
class Policy:
    """How long an association is kept."""

    level: str
    close_delay: int
    refresh_delay: int
    release: bool


def policy_of(settings: Settings) -> Policy:
    """What dicom.ini says; a level that is none of the six means STUDY."""
    level = settings.forward_association_level.strip().upper()
    known = level in (GLOBAL, "SOPCLASS", "PATIENT", "STUDY", "SERIES", "IMAGE")
    return Policy(
        level if known else "STUDY",
        max(settings.forward_association_close_delay, 0),
        max(settings.forward_association_refresh_delay, 1),
        settings.forward_association_release,
    )


class Link:
    """One association at most. Used by who holds `lock`."""

    def __init__(self, door: Doorkeeper, counters: Counters) -> None:
        self.lock = threading.Lock()
        self.last_used = 0.0
        self.policy: Policy | None = None
        self._door = door
        self._counters = counters
        self._stack = ExitStack()
        self._peer: Requested | None = None
        self._offers = Offers(())
        self._for: tuple[Route, str] | None = None
        """Whom it leads to and whose objects it carries."""
        self._class = ""
        self._opened = 0.0
        self._messages = 0

    @property
    def is_open(self) -> bool:
        """Whether there is an association."""
        return self._peer is not None

    def send(self, route: Route, parcel: Parcel, policy: Policy, closed: Callable[[str], None]) -> None:
        """Send one object, over the open association where that is right. Raises `NotForwardedError`.

        `closed` is told why one that was open was closed first.
        """
        self.policy = policy
        self._leave_what_is_wrong(route, parcel, closed)
        reused = self.is_open
        try:
            self._send(route, parcel)
        except NotSentError:
            if not reused:
                raise
            self._send(route, parcel)  # the other side may have closed it while nobody looked
        self.last_used = monotonic()
        self._counters.add(SENT)

    def close(self) -> None:
        """Release it, or just end it where ForwardAssociationRelease says so."""
        if self.policy is not None and not self.policy.release:
            self._break(PeerLost("not released"))
        self._peer = None
        self._stack.close()

    def _leave_what_is_wrong(self, route: Route, parcel: Parcel, closed: Callable[[str], None]) -> None:
        policy = self.policy
        if not self.is_open or policy is None:
            return
        wanted = (route, parcel.levels.get(policy.level, ""))
        if self._for is not None and self._for[1] != wanted[1]:
            self.close()
            closed(policy.level)
        elif (
            self._for != wanted or self._class != parcel.sop_class or monotonic() - self._opened > policy.refresh_delay
        ):
            self.close()

    def _open(self, route: Route, parcel: Parcel) -> Requested:
        proposals = propose(route.code, {parcel.sop_class: {parcel.content.transfer_syntax}})
        proposals.append((VERIFICATION, (IMPLICIT,)))
        try:
            peer = self._stack.enter_context(association(route.destination, proposals, self._door.limits, self._door))
        except NothingAccepted as fault:
            raise NotAcceptedError(str(fault)) from fault
        except NoAssociation as fault:
            raise UnreachableError(str(fault)) from fault
        level = self.policy.level if self.policy is not None else GLOBAL
        self._peer, self._offers, self._opened = peer, Offers(peer.contexts.values()), monotonic()
        self._for, self._class = (route, parcel.levels.get(level, "")), parcel.sop_class
        return peer

    def _send(self, route: Route, parcel: Parcel) -> None:
        peer = self._peer or self._open(route, parcel)
        context = self._offers.choose(parcel.sop_class, parcel.content.transfer_syntax)
        if context is None:
            raise NotAcceptedError(f"{parcel.sop_class} in {parcel.content.transfer_syntax} is not accepted")
        self._messages = (self._messages + 1) & _LARGEST or 1
        command = store_request(parcel.sop_class, parcel.sop_instance, self._messages, None)
        try:
            send_object(peer, context, command, parcel.content, _NO_BUFFERS)
            status = peer.response(self._messages).number(dimse.STATUS)
        except RetrieveFailure as fault:
            raise UnreadableError(str(fault)) from fault
        except SendingBroken as fault:
            self._break(fault)
            raise UnreadableError(str(fault)) from fault
        except PeerLost as fault:
            self._break(fault)
            raise NotSentError(str(fault)) from fault
        if status != dimse.SUCCESS and status & 0xF000 != _WARNING:
            raise RefusedError(f"answered with status {status:04X}")

    def _break(self, fault: Exception) -> None:
        """Abort it: what was raised inside it ends it."""
        self._peer = None
        with suppress(type(fault)):
            self._stack.__exit__(type(fault), fault, fault.__traceback__)


class Links:
    """The associations of one user, by converter and channel. Thread-safe."""

    def __init__(self, door: Doorkeeper, counters: Counters) -> None:
        self._door = door
        self._counters = counters
        self._lock = threading.Lock()
        self._links: dict[Hashable, Link] = {}

    def send(self, key: Hashable, route: Route, parcel: Parcel, policy: Policy, closed: Callable[[str], None]) -> None:
        """Send over the association of this key; over one for this object alone while another thread uses that.

        Raises `NotForwardedError`.
        """
        with self._lock:
            link = self._links.setdefault(key, Link(self._door, self._counters))
            mine = link.lock.acquire(blocking=False)
        if not mine:
            self._send_alone(route, parcel, policy)
            return
        try:
            link.send(route, parcel, policy, closed)
        finally:
            link.lock.release()

    def _send_alone(self, route: Route, parcel: Parcel, policy: Policy) -> None:
        link = Link(self._door, self._counters)
        try:
            link.send(route, parcel, policy, lambda _level: None)
        finally:
            link.close()

    def close_idle(self, now: float) -> float | None:
        """Close what has been idle for long enough; when the next one will have been, None if none is open."""
        soonest: float | None = None
        for link in self._free():
            if link.is_open and link.policy is not None:
                until = link.last_used + link.policy.close_delay
                if until <= now:
                    link.close()
                else:
                    soonest = until if soonest is None else min(soonest, until)
            link.lock.release()
        return soonest

    def close(self) -> None:
        """Close all that nobody is using."""
        for link in self._free():
            link.close()
            link.lock.release()

    @property
    def any_open(self) -> bool:
        """Whether there is an association."""
        with self._lock:
            return any(link.is_open for link in self._links.values())

    def _free(self) -> list[Link]:
        """Those that nobody uses, locked."""
        with self._lock:
            return [link for link in self._links.values() if link.lock.acquire(blocking=False)]
