"""The seams between the rooms of the server: what the network layer asks of the archive, and where log lines go.

`net` knows these protocols only; `archive` implements them; `server` puts the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol, Self

from dgate.record import dataclass, field

QueryModel = Literal["patient", "study", "patient_study", "worklist"]
Buffers = tuple[memoryview, memoryview]
"""Memory of one sender that is filled in turn, so that none is allocated for each object."""


class Session:
    """What is remembered for the length of one association, for rules and scripts. Used by its thread alone."""

    __slots__ = ("command", "ending", "number", "scripts", "servers", "variables")

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        """`%x`, `%y` and `%z` (conquest-converters.md 4)."""
        self.ending: list[Callable[[], None]] = []
        """What is to be given back at its end."""
        self.number = 0
        """That of the association."""
        self.command: object = None
        """The command set at hand."""
        self.servers: int | None = None
        """Which virtual servers the query at hand asks, one bit for each; None for all."""
        self.scripts: object = None
        """The state of its scripts."""

    def end(self) -> None:
        """The association is over."""
        while self.ending:
            self.ending.pop()()


class Asker(Protocol):
    """Who asks for something: the association."""

    calling_ae: str
    called_ae: str
    session: Session


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What a C-STORE-RQ and its association say about the object that follows. UIDs are stripped, not yet trusted."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    calling_ae: str
    called_ae: str
    session: Session | None = field(default=None, compare=False)
    fetched: bool = False
    """We have asked for the object ourselves: no converter runs."""
    """That of the association; an object that comes another way has one of its own."""


class Incoming(Protocol):
    """One object on its way into the archive; used by one thread. Exactly one of `finish` and `abort` ends it."""

    unreadable: bool
    """After a failure: these bytes are no data set."""

    def write(self, fragments: Sequence[memoryview]) -> None:
        """Take the next bytes of the data set, in order. The views are only valid during the call.

        Never raises for a bad object or a full disk: the first fault is remembered, later bytes are dropped, and
        `finish` returns the status.
        """

    def finish(self) -> int:
        """All bytes are there: file in place, rows committed. Returns the DIMSE status (0x0000 or a failure)."""

    def abort(self) -> None:
        """The association died: leave no file and no row behind."""


class QueryFailure(Exception):  # noqa: N818 - a DIMSE outcome, not a programming error
    """A query that ends with a failure status; the text is for the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the archive as the index names it."""

    sop_class_uid: str
    sop_instance_uid: str
    device: bytes
    path: bytes
    """Below the device."""


class RetrieveFailure(Exception):  # noqa: N818 - the object's fault, not ours
    """A stored object that cannot be read or converted; the text is for the log."""


class Outgoing(Protocol):
    """One stored object on its way out; used by one thread, as a context manager that closes it."""

    transfer_syntax: str
    """As it is stored."""
    path: str
    """Of its file, for the log."""

    def pieces(self, transfer_syntax: str, buffers: Buffers) -> Iterator[memoryview]:
        """The data set in this transfer syntax: the stored one, or one uncompressed one made from another.

        A piece stays valid until the next but one is asked for. Raises `RetrieveFailure`, also midway.
        """

    def __enter__(self) -> Self:
        """The object itself."""

    def __exit__(self, *_: object) -> None:
        """Close the file."""


class ActionFailure(Exception):  # noqa: N818 - a DIMSE outcome, not a programming error
    """An N-ACTION that ends with a failure status; the text is for the log and the requester."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Commitment(Protocol):
    """One request for storage commitment; used by one thread at a time."""

    count: int
    """Objects it names."""

    @property
    def failures(self) -> int:
        """Those that are not committed to, after `carry_out`."""

    def carry_out(self) -> None:
        """Look for each object and put it on stable storage. Never raises."""

    def report(self, transfer_syntax: str) -> tuple[int, bytes]:
        """Event type and encoded event information, after `carry_out`."""


class Others(Protocol):
    """Nodes whose archives count as part of this one. Thread-safe."""

    def find(
        self,
        model: QueryModel,
        identifier: bytes,
        transfer_syntax: str,
        asker: Asker,
        search: Callable[[QueryModel, bytes, str], Iterator[bytes]],
    ) -> Iterator[bytes]:
        """Our own answers, which `search` gives, and then theirs. Raises `QueryFailure` as that does."""

    def fetch(self, identifier: bytes, transfer_syntax: str, asker: Asker) -> None:
        """Have them send us what they have of this and we have not. Never raises for what they do."""


class Archive(Protocol):
    """The store and its index, shared by all associations."""

    def begin_store(self, request: StoreRequest) -> Incoming:
        """Start receiving an object."""

    def find(
        self, model: QueryModel, identifier: bytes, transfer_syntax: str, asker: Asker | None = None
    ) -> Iterator[bytes]:
        """C-FIND: encoded response identifiers in the same transfer syntax. Raises `QueryFailure`.

        The rules for queries are for those of an `asker`.
        """

    def select(
        self, identifier: bytes, transfer_syntax: str, asker: Asker | None = None, destination: str = ""
    ) -> list[StoredObject]:
        """C-MOVE and C-GET: the objects that match the keys, all of them without keys. Raises `QueryFailure`."""

    def open(self, stored: StoredObject, asker: Asker | None = None, destination: str = "") -> Outgoing:
        """A stored object to be sent, as the rules for this destination have it. Raises `RetrieveFailure`."""

    def commitment(self, information: bytes, transfer_syntax: str) -> Commitment:
        """N-ACTION of storage commitment, understood but not carried out. Raises `ActionFailure`."""

    def close(self) -> None:
        """Commit what is pending and close the database."""


class Commands(Protocol):
    """Server commands (conquest-server.md 11.2). Thread-safe."""

    def accepts(self, address: str) -> bool:
        """Whether a peer at this address may send commands."""

    def run(self, text: bytes, upload: bytes | None) -> bytes:
        """Carry out a command; its output, empty where there is none. Never raises for a wrong command."""


class Log(Protocol):
    """Where lines go (conquest-server.md section 10). Thread-safe; never raises."""

    def console(self, line: str) -> None:
        """A normal line. One that contains `***` goes to PacsTrouble.log as well."""

    def debug(self, line: str) -> None:
        """A line shown only with `-v` and friends."""

    def trouble(self, line: str) -> None:
        """A line for PacsTrouble.log only."""

    def user(self, operation: str, calling_ae: str) -> None:
        """A line for PacsUser.log: `operation` is padded to 7 characters, `calling_ae` to 16."""

    def hold(self) -> None:
        """This thread's lines may wait from now on, to be written together: a write per line costs more than an echo.

        What begins with `***` goes to PacsTrouble.log at once all the same.
        """

    def flush(self) -> None:
        """Write the lines that wait; to be called before the thread waits for anything."""

    def release(self) -> None:
        """Write the lines that wait; from now on none of this thread do."""
