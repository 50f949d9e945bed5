"""A DICOM node that takes what is sent to it, and remembers by whom and how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification  # type: ignore[attr-defined]

from tests.ports import free_port

if TYPE_CHECKING:
    import pydicom

SYNTAXES = [
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
]  # fmt: skip


@dataclass
class Receiver:
    """`status` is the answer to each C-STORE."""

    port: int
    status: int = 0
    requests: list[tuple[str, str, list[tuple[str, list[str]]]]] = field(default_factory=list)
    """Of each association: calling title, called title, proposed SOP classes with their transfer syntaxes."""
    objects: list[pydicom.Dataset] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    @property
    def quiet(self) -> bool:
        """Whether every association has ended."""
        return len(self.ended) == len(self.requests)

    def forget(self) -> None:
        """Begin anew; to be called when it is quiet."""
        self.status = 0
        for seen in (self.requests, self.objects, self.ended):
            seen.clear()

    def _requested(self, event: Any) -> None:
        request = event.assoc.requestor.primitive
        proposed = [
            (str(context.abstract_syntax), [str(syntax) for syntax in context.transfer_syntax])
            for context in event.assoc.requestor.requested_contexts
        ]
        self.requests.append((str(request.calling_ae_title), str(request.called_ae_title), proposed))

    def _stored(self, event: Any) -> int:
        self.objects.append(event.dataset)
        return self.status


@contextmanager
def receiver(*sops: Any) -> Iterator[Receiver]:
    """One that takes CT and MR images, or what is named."""
    made = Receiver(free_port())
    ae = AE("RECV")
    ae.require_called_aet = False
    for sop in (Verification, *(sops or (CTImageStorage, MRImageStorage))):
        ae.add_supported_context(sop, SYNTAXES)
    handlers: list[Any] = [
        (evt.EVT_REQUESTED, made._requested),
        (evt.EVT_C_STORE, made._stored),
        (evt.EVT_RELEASED, lambda _event: made.ended.append("released")),
    ]
    server = ae.start_server(("127.0.0.1", made.port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield made
    finally:
        server.shutdown()
