"""Objects that are made here go into the archive: no converter sees them, and nothing is exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.archive.incoming import SUCCESS, IncomingObject
from dgate.interfaces import StoreRequest
from dgate.record import replace
from dgate.rules.subject import SOP_CLASS, SOP_UID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dgate.archive.stores import Stores
    from dgate.interfaces import Log
    from dgate.rules.subject import Subject


def store(
    stores: Stores, subject: Subject, calling: str, called: str, *, log: Log | None = None, sync: bool = False
) -> bool:
    """Store an object as it is now; False, with the reason in the log, where that cannot be done.

    `sync` has its bytes on disk before it counts. Raises `DataSetError`, OSError for what cannot be read.
    """
    request = StoreRequest(
        subject.attribute(SOP_CLASS), subject.attribute(SOP_UID), subject.transfer_syntax, calling, called
    )
    alone = replace(stores, log=log or stores.log, converters=None, exports=None)
    incoming = IncomingObject(alone, request, stores.options.incoming_compression, sync=sync)
    for piece in _pieces(subject):
        incoming.write([memoryview(piece)])
    return incoming.finish() == SUCCESS


def _pieces(subject: Subject) -> Iterator[bytes | memoryview]:
    yield from subject.pieces()
    if subject.rest is not None:
        yield from subject.rest.chunks()
