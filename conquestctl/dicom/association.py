"""One association as a client, through pynetdicom, with a record of what really happened on the wire.

pynetdicom tells a caller that an association failed but hardly why; the recorder listens to its events and keeps
the facts that `verdict` turns into words. It also holds every wait to a deadline: pynetdicom reads from a socket
without one once the connection stands, so a peer that sends half a PDU would hold it for ever.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from conquestctl.dicom.target import CALLING, EchoTarget
from conquestctl.dicom.verdict import Facts

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext

A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ABORT = 2, 3, 7
SHORTEST_AC = 6 + 68
"""Header and fixed fields of an A-ASSOCIATE-AC (PS3.8 9.3.3); pynetdicom would take any length."""
INVALID_PDU = "Evt19"
"""Event of the upper layer state machine: unrecognised or invalid PDU received (PS3.8 table 9-10)."""

IDLE = "Sta1"
"""State of the same machine: no connection."""


@dataclass(frozen=True, slots=True)
class Link:
    """How to reach the peer and how long to wait."""

    target: EchoTarget
    calling: str = CALLING
    timeout: float = 5.0
    """Seconds for the whole exchange with `total`, else for each wait for the peer."""
    total: bool = False


class Recorder:
    """Collects the facts of one association from pynetdicom's threads."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.unresolved = ""
        self.connect_errno: int | None = None
        self.rejected: tuple[int, int, int] | None = None
        self.aborted: tuple[int, int] | None = None
        self.garbage = self.accepted = self.expired = self.closed = False
        self.contexts = 0
        self.status: int | None = None
        self.socket: socket.socket | None = None
        self._timer: threading.Timer | None = None

    def facts(self) -> Facts:
        """Return what is known now."""
        return Facts(
            called=self.link.target.ae_title,
            calling=self.link.calling,
            timeout=self.link.timeout,
            unresolved=self.unresolved,
            connect_errno=self.connect_errno,
            expired=self.expired,
            rejected=self.rejected,
            aborted=self.aborted,
            garbage=self.garbage,
            accepted=self.accepted,
            contexts=self.contexts,
            status=self.status,
        )

    def handlers(self) -> list[Any]:
        """Return the event handlers to bind."""
        from pynetdicom import evt

        return [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_DATA_RECV, self._received),
            (evt.EVT_PDU_RECV, self._decoded),
            (evt.EVT_FSM_TRANSITION, self._moved),
        ]

    def cancel(self) -> None:
        """End the watch over the deadline."""
        if self._timer:
            self._timer.cancel()

    def _opened(self, event: Any) -> None:
        """Put the connection under a deadline as soon as it stands."""
        self.socket = event.assoc.dul.socket.socket
        self.socket.settimeout(self.link.timeout)
        if self.link.total:
            self._timer = threading.Timer(self.link.timeout, self._expire)
            self._timer.daemon = True
            self._timer.start()

    def _received(self, event: Any) -> None:
        """Note the PDUs that say how the association went; the layouts are those of PS3.8 9.3.3, 9.3.4, 9.3.8."""
        pdu = event.data
        if pdu[0] == A_ASSOCIATE_AC:
            self.accepted = len(pdu) >= SHORTEST_AC
            self.garbage = not self.accepted
        elif pdu[0] == A_ASSOCIATE_RJ and len(pdu) >= 10:
            self.rejected = (pdu[7], pdu[8], pdu[9])
        elif pdu[0] == A_ABORT and len(pdu) >= 10:
            self.aborted = (pdu[8], pdu[9])

    def _decoded(self, event: Any) -> None:
        """Turn an unreadable PDU into an abort by the provider.

        pynetdicom's reactor thread dies with a traceback on a field outside the standard, and its caller then waits
        for the timeout. What the peer really said is in the record already.
        """
        pdu: Any = event.pdu
        if isinstance(pdu, _pdus_with_fields()) and not _is_readable(pdu):
            self.garbage = True
            pdu.to_primitive = _provider_abort

    def _moved(self, event: Any) -> None:
        """Note garbage; and wake whoever waits for a DIMSE answer that cannot come any more.

        pynetdicom waits for the whole timeout although the peer aborted or closed.
        """
        self.garbage = self.garbage or event.fsm_event == INVALID_PDU
        if event.next_state == IDLE:
            self.closed = True
            event.assoc.dimse.msg_queue.put((None, None))

    def _expire(self) -> None:
        """Wake whoever reads from the socket: the peer had its time."""
        self.expired = True
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # closed meanwhile, which is what we want


def _pdus_with_fields() -> Any:
    from pynetdicom import pdu

    return pdu.A_ASSOCIATE_AC, pdu.A_ASSOCIATE_RJ, pdu.A_ABORT_RQ


def _is_readable(pdu: Any) -> bool:
    """Whether pynetdicom can work with it: an acceptance must name a maximum length (PS3.8 annex D.1.2)."""
    acceptance, *_ = _pdus_with_fields()
    try:
        primitive = pdu.to_primitive()
    except Exception:  # noqa: BLE001 -- whatever it stumbles over, the PDU is unreadable
        return False
    return not isinstance(pdu, acceptance) or primitive.maximum_length_received is not None


def _provider_abort() -> Any:
    from pynetdicom.pdu_primitives import A_P_ABORT

    primitive = A_P_ABORT()
    primitive.provider_reason = 0
    return primitive


@contextmanager
def association(link: Link, contexts: Sequence[PresentationContext]) -> Iterator[tuple[Association | None, Recorder]]:
    """Open an association, give it out (None when there is none) with its record, release it."""
    recorder = Recorder(link)
    address = _resolve(link.target, recorder)
    established = _request(link, contexts, address, recorder) if address else None
    hold = None if established is None else _hold(established)
    try:
        yield established, recorder
    finally:
        if established is not None and established.is_established and not recorder.closed:
            established.release()
        if hold is not None:
            hold.let_go()
        recorder.cancel()


class _Hold(threading.Event):
    """Keeps the thread of an association from looking for messages.

    pynetdicom stops that thread for each question and lets it go on after the answer. When the next question comes at
    once the thread may be just waking up: it takes the answer for a request of the peer, and whoever asked waits in
    vain until the time is over. A requestor has no use for the thread before the association has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held = True
        self.reached = threading.Event()

    def set(self) -> None:
        """Has no effect until `let_go`."""
        if not self._held:
            super().set()

    def wait(self, timeout: float | None = None) -> bool:
        """See `threading.Event`."""
        self.reached.set()
        return super().wait(timeout)

    def let_go(self) -> None:
        """Let the thread run to its end."""
        self._held = False
        self.set()


def _hold(established: Association) -> _Hold:
    hold = _Hold()
    established._reactor_checkpoint = hold  # noqa: SLF001 - there is no other way to stop it for good
    while established.is_alive() and not hold.reached.wait(0.05):
        continue
    return hold


def _resolve(target: EchoTarget, recorder: Recorder) -> str | None:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        recorder.unresolved = f"'{target.host}': {getattr(error, 'strerror', None) or error}"
        return None
    return str(found[0][4][0])


def _request(
    link: Link, contexts: Sequence[PresentationContext], address: str, recorder: Recorder
) -> Association | None:
    """Ask for the association; whatever came of it is in the record."""
    from pynetdicom import AE, _config

    _config.LOG_HANDLER_LEVEL = "none"  # its messages go nowhere here, and formatting them costs more than an echo
    ae = AE(ae_title=link.calling)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = link.timeout
    ae.network_timeout = None
    start = monotonic()
    found = ae.associate(
        address,
        link.target.port,
        contexts=list(contexts),
        ae_title=link.target.ae_title,
        evt_handlers=recorder.handlers(),
    )
    if recorder.socket is None:
        late = monotonic() - start >= link.timeout
        recorder.connect_errno = errno.ETIMEDOUT if late else _connect_error(address, link)
    recorder.contexts = len(found.accepted_contexts)
    if found.is_established:
        return found
    recorder.expired = recorder.expired or not (found.is_rejected or found.is_aborted)
    return None


def _connect_error(address: str, link: Link) -> int:
    """Connect once more to learn the reason, which pynetdicom keeps to itself."""
    try:
        with socket.create_connection((address, link.target.port), link.timeout):
            return errno.ECONNRESET  # it works now, so something cut it the first time
    except OSError as error:
        return error.errno or errno.ETIMEDOUT
