"""One DICOM node asked step by step: name, TCP, association, C-ECHO; and what was seen on the way, as facts.

Whoever asked turns the facts into words. Nothing beyond the server's own imports.
"""

from __future__ import annotations

import errno
import socket
from time import monotonic

from dgate.net import dimse, pdu
from dgate.net.negotiation import ACCEPTED
from dgate.net.scu import MAX_ANSWER, EchoError, echo_command, exactly, verification_request
from dgate.record import dataclass, field


@dataclass(slots=True)
class Facts:
    """What one attempt saw, in the order of the layers; filled in while it goes on."""

    called: str
    calling: str
    timeout: float
    addresses: list[str] = field(default_factory=list)
    """What the host name resolved to."""
    unresolved: str = ""
    """The resolver's words when it has no address."""
    connected: str = ""
    """The address that took the TCP connection."""
    connect_error: str = ""
    """Name of the error number of the TCP connection, `ECONNREFUSED`: the numbers differ between systems."""
    expired: bool = False
    rejected: tuple[int, int, int] | None = None
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
    aborted: tuple[int, int] | None = None
    """Source and reason of an A-ABORT (PS3.8 table 9-26)."""
    garbage: bool = False
    """What came is no PDU, or none that can be read."""
    accepted: bool = False
    contexts: int = 0
    """Presentation contexts accepted."""
    status: int | None = None
    """DIMSE status of the C-ECHO response; None when none came."""
    seconds: float = 0.0


def probe(host: str, port: int, facts: Facts) -> None:
    """Ask one node, within `facts.timeout` seconds but for the resolver, which has no deadline. Never raises."""
    start = monotonic()
    try:
        found = _resolve(host, port, facts)
        if found:
            _talk(found, facts, monotonic() + facts.timeout)
    except TimeoutError:
        facts.expired = True
    except (pdu.PduError, dimse.DimseError):
        facts.garbage = True
    except (EchoError, OSError):
        pass  # closed without a word: no fact says that it was answered
    facts.seconds = monotonic() - start


def _resolve(host: str, port: int, facts: Facts) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        facts.unresolved = error.strerror or str(error)
        return []
    except UnicodeError:
        facts.unresolved = "this cannot be a host name"
        return []
    facts.addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def _talk(found: list[tuple[socket.AddressFamily, tuple[str, int]]], facts: Facts, until: float) -> None:
    """Connect to the first address that takes it, associate and ask. Raises what breaks the conversation."""
    for family, address in found:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(max(0.001, until - monotonic()))
            try:
                sock.connect(address)
            except OSError as error:
                facts.connect_error = errno.errorcode.get(error.errno or errno.ETIMEDOUT, "ETIMEDOUT")
                continue
            facts.connected, facts.connect_error = address[0], ""
            _ask(sock, facts, until)
            return


def _ask(sock: socket.socket, facts: Facts, until: float) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(pdu.encode_request(verification_request(facts.calling, facts.called)))
    if not _accepted(*_pdu(sock, until), facts):
        return
    sock.sendall(dimse.encode_message(1, echo_command(), None, 0))
    kind, body = _pdu(sock, until)
    if kind == pdu.ABORT:
        _aborted(body, facts)
        return
    if kind != pdu.P_DATA or len(body) < 6:
        raise pdu.PduError("no answer to the echo")
    facts.status = dimse.parse_command(body[6:]).number(dimse.STATUS)
    sock.sendall(pdu.RELEASE_RQ_PDU)
    _pdu(sock, until)


def _accepted(kind: int, body: bytes, facts: Facts) -> bool:
    """Note the answer to the association request; whether a C-ECHO may follow. Raises `PduError`."""
    if kind == pdu.ASSOCIATE_RJ:
        reject = pdu.parse_reject(body)
        facts.rejected = (reject.result, reject.source, reject.reason)
    elif kind == pdu.ABORT:
        _aborted(body, facts)
    elif kind == pdu.ASSOCIATE_AC:
        contexts = pdu.parse_accept(body).contexts
        facts.accepted = True
        facts.contexts = sum(context.result == ACCEPTED for context in contexts)
    else:
        raise pdu.PduError("no answer to the association request")
    return facts.contexts > 0


def _aborted(body: bytes, facts: Facts) -> None:
    abort = pdu.parse_abort(body)
    facts.aborted = (abort.source, abort.reason)


def _pdu(sock: socket.socket, until: float) -> tuple[int, bytes]:
    """The next PDU. Raises `PduError` for what cannot be one, before waiting for its length to come true."""
    kind, length = pdu.HEADER.unpack(exactly(sock, 6, until))
    if not pdu.ASSOCIATE_RQ <= kind <= pdu.ABORT or length > MAX_ANSWER:
        raise pdu.PduError(f"PDU type {kind:02x} of {length} bytes")
    return kind, exactly(sock, length, until)
