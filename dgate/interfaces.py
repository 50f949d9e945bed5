"""The seams between the rooms of the server: what the network layer asks of the archive, and where log lines go.

`net` knows these protocols only; `archive` implements them; `server` puts the two together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

QueryModel = Literal["patient", "study", "patient_study"]


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What a C-STORE-RQ and its association say about the object that follows. UIDs are stripped, not yet trusted."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    calling_ae: str
    called_ae: str


class Incoming(Protocol):
    """One object on its way into the archive; used by one thread. Exactly one of `finish` and `abort` ends it."""

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


class Archive(Protocol):
    """The store and its index, shared by all associations."""

    def begin_store(self, request: StoreRequest) -> Incoming:
        """Start receiving an object."""

    def find(self, model: QueryModel, identifier: bytes, transfer_syntax: str) -> Iterator[bytes]:
        """C-FIND: encoded response identifiers in the same transfer syntax. Raises `QueryFailure`."""

    def close(self) -> None:
        """Commit what is pending and close the database."""


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
