"""A destination of C-MOVE that notes what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pynetdicom import AE, evt

from .raw import CT, IVLE


@dataclass
class Received:
    """What a pynetdicom destination was told."""

    port: int = 0
    requests: list[Any] = field(default_factory=list)
    datasets: list[tuple[str, bytes]] = field(default_factory=list)
    callers: list[tuple[str, str]] = field(default_factory=list)
    proposed: list[tuple[str, list[str]]] = field(default_factory=list)
    status: Callable[[int], int] = lambda _: 0


@contextmanager
def destination(*classes: str, syntaxes: list[str] | None = None, max_length: int = 16382) -> Iterator[Received]:
    received = Received()

    def store(event: evt.Event) -> int:
        request: Any = event.request
        received.requests.append(request)
        received.datasets.append((event.context.transfer_syntax, request.DataSet.getvalue()))
        return received.status(len(received.requests))

    def requested(event: evt.Event) -> None:
        primitive: Any = event.assoc.requestor.primitive
        received.callers.append((primitive.calling_ae_title, primitive.called_ae_title))
        for context in event.assoc.requestor.requested_contexts:
            received.proposed.append((str(context.abstract_syntax), [str(uid) for uid in context.transfer_syntax]))

    ae = AE("DEST")
    ae.maximum_pdu_size = max_length
    for uid in classes or (CT,):
        ae.add_supported_context(uid, syntaxes or [IVLE])
    handlers: list[Any] = [(evt.EVT_C_STORE, store), (evt.EVT_REQUESTED, requested)]
    scp: Any = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    received.port = scp.socket.getsockname()[1]
    try:
        yield received
    finally:
        scp.shutdown()
