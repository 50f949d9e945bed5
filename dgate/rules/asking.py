"""The hooks of queries and retrievals (conquest-converters.md 10)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import encoding_of
from dgate.encoding.part10 import NotDicomError
from dgate.forward.parcel import Content
from dgate.interfaces import QueryFailure, RetrieveFailure
from dgate.rules.interfaces import Association
from dgate.rules.objects import load
from dgate.rules.outcome import Outcome
from dgate.rules.subject import STATION, Subject

if TYPE_CHECKING:
    from dgate.interfaces import Asker, Buffers, QueryModel
    from dgate.rules.converters import Converters

Find = Callable[["QueryModel", bytes, str], Iterator[bytes]]

QUERY_BLOCKED, RETRIEVE_BLOCKED = 0xC011, 0xC013
QUERY, WORKLIST_QUERY, RETRIEVE = "QueryConverter", "WorkListQueryConverter", "RetrieveConverter"
RESULT, WORKLIST_RESULT = "QueryResultConverter", "ModalityWorkListQueryResultConverter"
SENT = "RetrieveResultConverter"


def find(
    converters: Converters, asker: Asker, model: QueryModel, identifier: bytes, transfer_syntax: str, search: Find
) -> Iterator[bytes]:
    """The answers to a query, both changed by their hooks. Raises `QueryFailure`."""
    before, after = (WORKLIST_QUERY, WORKLIST_RESULT) if model == "worklist" else (QUERY, RESULT)
    keys = keys_for(converters, asker, before, identifier, transfer_syntax, blocked=QUERY_BLOCKED)
    answers = search(model, keys, transfer_syntax)
    if not converters.has(after):
        yield from answers
        return
    for answer in answers:
        changed = _changed(converters, asker, after, answer, transfer_syntax)
        if changed is not None:
            yield changed


def keys_for(
    converters: Converters, asker: Asker, hook: str, identifier: bytes, transfer_syntax: str, *, blocked: int,
    destination: str = "",
) -> bytes:  # fmt: skip
    """The keys as the hook leaves them. Raises `QueryFailure` with the status `blocked` if it destroys them."""
    asker.session.servers = None
    changed = _changed(converters, asker, hook, identifier, transfer_syntax, destination)
    if changed is None:
        raise QueryFailure(blocked, "operation blocked by script")
    return changed


def _changed(
    converters: Converters, asker: Asker, hook: str, data: bytes, transfer_syntax: str, destination: str = ""
) -> bytes | None:
    """A data set as a hook leaves it; None if that destroys it. What cannot be taken apart stays as it is."""
    if not converters.has(hook):
        return data
    subject = Subject(data, encoding_of(transfer_syntax), transfer_syntax, converters.services.terms.get())
    if destination:
        subject.tell(STATION, destination)
    try:
        if converters.run_hook(hook, subject, _association(asker)) is Outcome.DESTROYED:
            return None
        return b"".join(subject.pieces())
    except DataSetError:
        return data


def _association(asker: Asker) -> Association:
    return Association(asker.calling_ae, asker.called_ae, asker.session)


class Sent:
    """A stored object as `RetrieveResultConverter0` leaves it; implements `Outgoing` of dgate.interfaces.

    Owns the descriptor. Raises `RetrieveFailure` for what cannot be read.
    """

    def __init__(self, converters: Converters, asker: Asker, descriptor: int, path: str, destination: str) -> None:
        self._descriptor = descriptor
        try:
            subject = load(descriptor, converters.services.terms.get())
            subject.tell(STATION, destination)
            converters.run_hook(SENT, subject, _association(asker))
            self._content = Content(subject, path)
        except (OSError, NotDicomError, DataSetError) as fault:
            os.close(descriptor)
            raise RetrieveFailure(f"{path} cannot be read: {fault}") from fault
        self.path = path
        self.transfer_syntax = subject.transfer_syntax

    def pieces(self, transfer_syntax: str, buffers: Buffers) -> Iterator[memoryview]:
        """See `Outgoing`."""
        return self._content.pieces(transfer_syntax, buffers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
