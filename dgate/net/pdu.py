"""Upper layer protocol data units other than P-DATA-TF: encoding and bounded parsing (PS3.8 section 9.3).

Everything here is pure. Bodies come without their 6 byte header; encoded PDUs include it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dgate.record import dataclass

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
"""PDU types, the first byte of each PDU."""

HEADER = struct.Struct(">BxI")
"""Type and length of what follows: the first 6 bytes of each PDU."""

SOURCE_USER, SOURCE_PROVIDER = 0, 2
NOT_SPECIFIED, UNRECOGNIZED_PDU, UNEXPECTED_PDU = 0, 1, 2
UNRECOGNIZED_PARAMETER, UNEXPECTED_PARAMETER, INVALID_PARAMETER = 4, 5, 6
"""Reasons of an A-ABORT by the provider (PS3.8 table 9-26)."""

MAX_CONTEXTS = 128
"""There are no more odd numbers in one byte."""

APPLICATION_CONTEXT, CONTEXT_RQ, CONTEXT_AC, USER_INFORMATION = 0x10, 0x20, 0x21, 0x50
ABSTRACT_SYNTAX, TRANSFER_SYNTAX = 0x30, 0x40
MAX_LENGTH, IMPLEMENTATION_CLASS, ROLE_SELECTION, IMPLEMENTATION_VERSION = 0x51, 0x52, 0x54, 0x55

_FIXED = struct.Struct(">H2x16s16s32s")
_ITEM = struct.Struct(">BxH")
_ULONG = struct.Struct(">I")

RELEASE_RQ_PDU = HEADER.pack(RELEASE_RQ, 4) + bytes(4)
RELEASE_RP_PDU = HEADER.pack(RELEASE_RP, 4) + bytes(4)


class PduError(Exception):
    """The peer broke the protocol; `reason` goes into the A-ABORT that answers it."""

    def __init__(self, message: str, reason: int = INVALID_PARAMETER) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as the requestor offers it."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextResult:
    """The answer to one proposed context. 0 accepts; 1 to 4 refuse (PS3.8 table 9-18)."""

    id: int
    result: int
    transfer_syntax: str = ""


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information item; sub-items without a field here stay raw in `others`, in their order."""

    max_length: int = 0
    """Longest P-DATA-TF body the sender of this item wants to receive; 0 means any."""
    implementation_class_uid: str = ""
    implementation_version: str = ""
    others: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ. AE titles are the 16 bytes as sent."""

    called: bytes
    calling: bytes
    application_context: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation
    protocol_version: int = 1
    reserved: bytes = bytes(32)

    @property
    def called_ae(self) -> str:
        """The called AE title without its padding."""
        return text(self.called)

    @property
    def calling_ae(self) -> str:
        """The calling AE title without its padding."""
        return text(self.calling)


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC; the first three fields repeat the request (PS3.8 table 9-17)."""

    called: bytes
    calling: bytes
    reserved: bytes
    application_context: str
    contexts: tuple[ContextResult, ...]
    user: UserInformation


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class Abort:
    """A-ABORT."""

    source: int
    reason: int


def text(raw: bytes) -> str:
    """A UID or AE title without its padding. Never fails: every byte is a latin-1 character."""
    return raw.decode("latin-1").strip(" \0")


def ae_field(title: str) -> bytes:
    """The 16 bytes of an AE title."""
    return title.encode("latin-1", "replace")[:16].ljust(16)


def encode_request(request: AssociateRequest) -> bytes:
    """A whole A-ASSOCIATE-RQ."""
    contexts = b"".join(_encode_proposed(context) for context in request.contexts)
    items = _item(APPLICATION_CONTEXT, request.application_context.encode("latin-1")) + contexts + _user(request.user)
    fixed = _FIXED.pack(request.protocol_version, request.called, request.calling, request.reserved)
    return _pdu(ASSOCIATE_RQ, fixed + items)


def encode_accept(accept: AssociateAccept) -> bytes:
    """A whole A-ASSOCIATE-AC."""
    contexts = b"".join(_encode_result(context) for context in accept.contexts)
    items = _item(APPLICATION_CONTEXT, accept.application_context.encode("latin-1")) + contexts + _user(accept.user)
    return _pdu(ASSOCIATE_AC, _FIXED.pack(1, accept.called, accept.calling, accept.reserved) + items)


def encode_reject(reject: AssociateReject) -> bytes:
    """A whole A-ASSOCIATE-RJ."""
    return _pdu(ASSOCIATE_RJ, bytes((0, reject.result, reject.source, reject.reason)))


def encode_abort(source: int, reason: int) -> bytes:
    """A whole A-ABORT."""
    return _pdu(ABORT, bytes((0, 0, source, reason)))


def parse_request(body: bytes) -> AssociateRequest:
    """Read an A-ASSOCIATE-RQ. Raises `PduError` for any length that does not fit and for too many contexts."""
    version, called, calling, reserved = _fixed(body)
    application = ""
    user = UserInformation()
    contexts: list[ProposedContext] = []
    for kind, value in _items(body[_FIXED.size :]):
        if kind == APPLICATION_CONTEXT:
            application = text(value)
        elif kind == CONTEXT_RQ:
            contexts.append(_parse_proposed(value))
        elif kind == USER_INFORMATION:
            user = _parse_user(value)
        if len(contexts) > 2 * MAX_CONTEXTS:
            raise PduError("too many presentation contexts")
    return AssociateRequest(called, calling, application, tuple(contexts), user, version, reserved)


def parse_accept(body: bytes) -> AssociateAccept:
    """Read an A-ASSOCIATE-AC. Raises `PduError`."""
    _, called, calling, reserved = _fixed(body)
    application = ""
    user = UserInformation()
    contexts: list[ContextResult] = []
    for kind, value in _items(body[_FIXED.size :]):
        if kind == APPLICATION_CONTEXT:
            application = text(value)
        elif kind == CONTEXT_AC:
            contexts.append(_parse_result(value))
        elif kind == USER_INFORMATION:
            user = _parse_user(value)
    return AssociateAccept(called, calling, reserved, application, tuple(contexts), user)


def parse_reject(body: bytes) -> AssociateReject:
    """Read an A-ASSOCIATE-RJ. Raises `PduError`."""
    if len(body) < 4:
        raise PduError("A-ASSOCIATE-RJ is too short")
    return AssociateReject(body[1], body[2], body[3])


def parse_abort(body: bytes) -> Abort:
    """Read an A-ABORT. Raises `PduError`."""
    if len(body) < 4:
        raise PduError("A-ABORT is too short")
    return Abort(body[2], body[3])


def _fixed(body: bytes) -> tuple[int, bytes, bytes, bytes]:
    if len(body) < _FIXED.size:
        raise PduError("association PDU is too short")
    version, called, calling, reserved = _FIXED.unpack_from(body)
    return version, called, calling, reserved


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each item. Unknown types are the caller's to skip (PS3.8 9.3.1)."""
    position = 0
    while position < len(data):
        if len(data) - position < _ITEM.size:
            raise PduError("the last item is cut off")
        kind, length = _ITEM.unpack_from(data, position)
        position += _ITEM.size
        if length > len(data) - position:
            raise PduError(f"item {kind:02x} is longer than what holds it")
        yield kind, data[position : position + length]
        position += length


def _parse_proposed(value: bytes) -> ProposedContext:
    if len(value) < 4:
        raise PduError("presentation context is too short")
    abstract = ""
    transfers: list[str] = []
    for kind, sub in _items(value[4:]):
        if kind == ABSTRACT_SYNTAX:
            abstract = text(sub)
        elif kind == TRANSFER_SYNTAX:
            transfers.append(text(sub))
    return ProposedContext(value[0], abstract, tuple(transfers))


def _parse_result(value: bytes) -> ContextResult:
    if len(value) < 4:
        raise PduError("presentation context is too short")
    transfer = next((text(sub) for kind, sub in _items(value[4:]) if kind == TRANSFER_SYNTAX), "")
    return ContextResult(value[0], value[2], transfer)


def _parse_user(value: bytes) -> UserInformation:
    max_length, class_uid, version = 0, "", ""
    others: list[tuple[int, bytes]] = []
    for kind, sub in _items(value):
        if kind == MAX_LENGTH:
            if len(sub) != _ULONG.size:
                raise PduError("maximum length item does not have 4 bytes")
            max_length = _ULONG.unpack(sub)[0]
        elif kind == IMPLEMENTATION_CLASS:
            class_uid = text(sub)
        elif kind == IMPLEMENTATION_VERSION:
            version = text(sub)
        else:
            others.append((kind, sub))
    return UserInformation(max_length, class_uid, version, tuple(others))


def _pdu(kind: int, body: bytes) -> bytes:
    return HEADER.pack(kind, len(body)) + body


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _encode_proposed(context: ProposedContext) -> bytes:
    transfers = b"".join(_item(TRANSFER_SYNTAX, uid.encode("latin-1")) for uid in context.transfer_syntaxes)
    abstract = _item(ABSTRACT_SYNTAX, context.abstract_syntax.encode("latin-1"))
    return _item(CONTEXT_RQ, bytes((context.id, 0, 0, 0)) + abstract + transfers)


def _encode_result(context: ContextResult) -> bytes:
    """A refusal carries no transfer syntax item, as Conquest does it (PS3.8 says it is not significant then)."""
    head = bytes((context.id, 0, context.result, 0))
    syntax = context.transfer_syntax
    return _item(CONTEXT_AC, head + (_item(TRANSFER_SYNTAX, syntax.encode("latin-1")) if syntax else b""))


def _user(user: UserInformation) -> bytes:
    """Sub-items in ascending order of type, as PS3.8 annex D lists them."""
    items = [(MAX_LENGTH, _ULONG.pack(user.max_length)), *user.others]
    if user.implementation_class_uid:
        items.append((IMPLEMENTATION_CLASS, user.implementation_class_uid.encode("latin-1")))
    if user.implementation_version:
        items.append((IMPLEMENTATION_VERSION, user.implementation_version.encode("latin-1")))
    items.sort(key=lambda item: item[0])
    return _item(USER_INFORMATION, b"".join(_item(kind, value) for kind, value in items))
