"""The archive of a server without dicom.sql: it refuses everything.

The original echoes then and crashes at the first store (conquest-server.md 1), which nobody can depend on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from dgate.interfaces import ActionFailure, QueryFailure, RetrieveFailure
from dgate.query.identifier import BAD_IDENTIFIER

if TYPE_CHECKING:
    from dgate.config.settings import Settings
    from dgate.interfaces import Asker, Commitment, Incoming, Log, Outgoing, QueryModel, StoredObject, StoreRequest

PROCESSING_FAILURE = 0x0110


class Nowhere:
    """Implements `Archive` of dgate.interfaces."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._status = settings.storage_failed_error_code & 0xFFFF
        self._reason = f"without {settings.kfactor_file} nobody knows what the database holds"
        self._log = log

    def begin_store(self, request: StoreRequest) -> Incoming:
        """See `Archive`."""
        return _Refused(self._status, f"***Object {request.sop_instance_uid} not stored: {self._reason}", self._log)

    def find(
        self, model: QueryModel, identifier: bytes, transfer_syntax: str, asker: Asker | None = None
    ) -> Iterator[bytes]:
        """See `Archive`."""
        self._refuse(model, identifier, transfer_syntax, asker)

    def select(
        self, identifier: bytes, transfer_syntax: str, asker: Asker | None = None, destination: str = ""
    ) -> list[StoredObject]:
        """See `Archive`."""
        self._refuse(identifier, transfer_syntax, asker, destination)

    def open(self, stored: StoredObject, asker: Asker | None = None, destination: str = "") -> Outgoing:
        """See `Archive`."""
        del stored, asker, destination
        raise RetrieveFailure(self._reason)

    def commitment(self, information: bytes, transfer_syntax: str) -> Commitment:
        """See `Archive`."""
        del information, transfer_syntax
        raise ActionFailure(PROCESSING_FAILURE, self._reason)

    def close(self) -> None:
        """Nothing is open."""

    def _refuse(self, *_: object) -> NoReturn:
        raise QueryFailure(BAD_IDENTIFIER, self._reason)


class _Refused:
    """Implements `Incoming` of dgate.interfaces."""

    unreadable = False

    def __init__(self, status: int, line: str, log: Log) -> None:
        self._status = status
        self._line = line
        self._log = log

    def write(self, fragments: Sequence[memoryview]) -> None:
        """See `Incoming`."""

    def finish(self) -> int:
        """See `Incoming`."""
        self._log.console(self._line)
        return self._status

    def abort(self) -> None:
        """See `Incoming`."""
