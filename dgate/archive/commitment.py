"""Storage commitment (PS3.4 annex J): which objects a requester names, and whether each is really and safely there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import DEFLATED, IMPLICIT, IMPLICIT_LITTLE, Encoding, encode_element, encoding_of
from dgate.encoding.sequences import encode_sequence
from dgate.interfaces import ActionFailure, QueryFailure, RetrieveFailure, StoredObject
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.query.retrieve import Retriever

TRANSACTION, FAILED_SEQUENCE, REFERENCED_SEQUENCE, FAILURE_REASON = 0x00081195, 0x00081198, 0x00081199, 0x00081197
REFERENCED_CLASS, REFERENCED_INSTANCE, SOP_INSTANCE = 0x00081150, 0x00081155, 0x00080018
PROCESSING_FAILURE, NO_SUCH_OBJECT, CLASS_CONFLICT = 0x0110, 0x0112, 0x0119
"""Failure reasons (PS3.3 C.14.1.1)."""
ALL_THERE, SOME_FAILED = 1, 2
"""Event types (PS3.4 J.3.3)."""
INVALID_ARGUMENT = 0x0115

MAX_UID = 64
BATCH = 500
"""Objects looked up at once."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object as the requester names it."""

    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that is not committed to, and why."""

    reference: Reference
    reason: int


@dataclass(frozen=True, slots=True)
class Request:
    """The action information of an N-ACTION-RQ."""

    transaction: str
    references: tuple[Reference, ...]


def parse_request(data: bytes, transfer_syntax: str) -> Request:
    """Read action information (PS3.4 table J.3-1). Pure. Raises `ActionFailure`."""
    if transfer_syntax == DEFLATED:
        raise ActionFailure(INVALID_ARGUMENT, "deflated action information is not supported")
    try:
        found = DataSet.parse(data, encoding_of(transfer_syntax))
    except DataSetError as fault:
        raise ActionFailure(INVALID_ARGUMENT, f"action information cannot be parsed: {fault}") from fault
    transaction = _uid(found, TRANSACTION)
    items = found.items(REFERENCED_SEQUENCE) or ()
    references = tuple(Reference(_uid(item, REFERENCED_CLASS), _uid(item, REFERENCED_INSTANCE)) for item in items)
    if not transaction or not references:
        raise ActionFailure(INVALID_ARGUMENT, f"no {'transaction UID' if references else 'object'} is named")
    return Request(transaction, references)


def _uid(data_set: DataSet, tag: int) -> str:
    """A UID of at most the allowed length, so that an answer never gets longer than its question."""
    value = data_set.raw(tag) or b""
    return value.split(b"\0", 1)[0].strip(b" ").decode("latin-1")[:MAX_UID]


def encode_report(
    transaction: str, committed: Iterable[Reference], failed: Sequence[Failure], encoding: Encoding
) -> tuple[int, bytes]:
    """Event type and event information of the N-EVENT-REPORT-RQ (PS3.4 table J.3-2). Pure."""
    parts = [encode_element(TRANSACTION, b"UI", transaction.encode("latin-1"), encoding)]
    if failed:
        parts.append(
            encode_sequence(FAILED_SEQUENCE, (_failed_item(failure, encoding) for failure in failed), encoding)
        )
    items = [_item(reference, encoding) for reference in committed]
    if items:
        parts.append(encode_sequence(REFERENCED_SEQUENCE, items, encoding))
    return SOME_FAILED if failed else ALL_THERE, b"".join(parts)


def _item(reference: Reference, encoding: Encoding) -> bytes:
    sop_class = encode_element(REFERENCED_CLASS, b"UI", reference.sop_class.encode("latin-1"), encoding)
    return sop_class + encode_element(REFERENCED_INSTANCE, b"UI", reference.sop_instance.encode("latin-1"), encoding)


def _failed_item(failure: Failure, encoding: Encoding) -> bytes:
    reason = failure.reason.to_bytes(2, "big" if encoding.big_endian else "little")
    return _item(failure.reference, encoding) + encode_element(FAILURE_REASON, b"US", reason, encoding)


class Transaction:
    """One request for commitment; implements `Commitment` of dgate.interfaces."""

    def __init__(self, request: Request, retriever: Retriever, sync_database: Callable[[], None]) -> None:
        self.uid = request.transaction
        self.count = len(request.references)
        self._references = request.references
        self._retriever = retriever
        self._sync_database = sync_database
        self._committed: list[Reference] = []
        self._failed: list[Failure] = []

    @property
    def failures(self) -> int:
        """See `Commitment`."""
        return len(self._failed)

    def carry_out(self) -> None:
        """See `Commitment`."""
        folders: set[str] = set()
        reasons = self._sync_files(folders)
        try:
            for folder in folders:
                _sync(folder)
            self._sync_database()
        except OSError:  # then nothing can be promised
            reasons = [reason or PROCESSING_FAILURE for reason in reasons]
        for reference, reason in zip(self._references, reasons, strict=True):
            if reason:
                self._failed.append(Failure(reference, reason))
            else:
                self._committed.append(reference)

    def report(self, transfer_syntax: str) -> tuple[int, bytes]:
        """See `Commitment`."""
        return encode_report(self.uid, self._committed, self._failed, encoding_of(transfer_syntax))

    def _sync_files(self, folders: set[str]) -> list[int]:
        """The failure reason of each object, 0 for those whose file is on stable storage now."""
        reasons: list[int] = []
        for start in range(0, self.count, BATCH):
            batch = self._references[start : start + BATCH]
            try:
                known = self._known(batch)
            except QueryFailure:
                reasons += [PROCESSING_FAILURE] * len(batch)
                continue
            reasons += [self._sync(reference, known.get(reference.sop_instance), folders) for reference in batch]
        return reasons

    def _known(self, references: Iterable[Reference]) -> dict[str, StoredObject]:
        """What the index has of these objects. Raises `QueryFailure`."""
        uids = {reference.sop_instance for reference in references if _is_uid(reference.sop_instance)}
        if not uids:
            return {}
        key = encode_element(SOP_INSTANCE, b"UI", "\\".join(sorted(uids)).encode(), IMPLICIT)
        found = self._retriever.select(key, IMPLICIT_LITTLE)
        return {stored.sop_instance_uid: stored for stored in found}

    def _sync(self, reference: Reference, stored: StoredObject | None, folders: set[str]) -> int:
        if stored is None:
            return NO_SUCH_OBJECT
        if stored.sop_class_uid != reference.sop_class:
            return CLASS_CONFLICT
        try:
            with self._retriever.open(stored) as file:
                file.sync()
                folders.update(_folders(file.path, stored.path.count(b"/") + 1))
        except RetrieveFailure:
            return NO_SUCH_OBJECT
        except OSError:
            return PROCESSING_FAILURE
        return 0


def _is_uid(text: str) -> bool:
    """No wildcard, no list."""
    return text.isascii() and text.replace(".", "").isdigit()


def _folders(path: str, count: int) -> Iterator[str]:
    """The folders a file is found through, from its own up to the device's."""
    for _ in range(count):
        path = os.path.dirname(path)
        yield path


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
