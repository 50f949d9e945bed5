"""What all objects on their way in share, and why one of them is not stored."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

from dgate.archive.devices import Devices
from dgate.archive.filename import Syntax
from dgate.archive.placing import Original
from dgate.archive.writer import Location, Writer
from dgate.config.archiveoptions import ArchiveOptions
from dgate.encoding.vrs import VRFile
from dgate.index.rows import RowMaker
from dgate.index.tables import Tables
from dgate.interfaces import Log, StoreRequest
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.index.database.base import Executing
    from dgate.rules.converters import Converters


class Ticket(Protocol):
    """What is queued with one object's rows."""

    def put(self, connection: Executing, where: Location) -> None:
        """Queue it, in the transaction of the rows."""

    def settle(self, *, stored: bool) -> None:
        """The object is stored, or it is not."""


class Exports(Protocol):
    """Who wants to know of each object that is stored."""

    def entering(self, request: StoreRequest, uid: bytes) -> Ticket | None:
        """This object is about to be entered."""

    def finished(self) -> None:
        """This thread has done with an object, stored or not."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What all incoming objects share."""

    options: ArchiveOptions
    tables: Tables
    devices: Devices
    writer: Writer
    rows: RowMaker
    syntax: Syntax
    wanted: frozenset[int]
    log: Log
    counter: itertools.count[int]
    vrs: VRFile
    converters: Converters | None = None
    exports: Exports | None = None
    original: Original | None = None
    """What the next object was made of, if it is to take the place of a stored one."""


class StoreFault(Exception):  # noqa: N818 - the object's fault, not ours
    """Why this object is not stored; the text is the log line."""


class UnreadableFault(StoreFault):
    """The object cannot be taken apart."""

    def __init__(self, why: object) -> None:
        super().__init__(f"***Object cannot be parsed: {why}")
