"""One connection of libpq: statements out, results in, and what its errors mean.

Waiting is done here and not in libpq, so that other threads go on and a dead server is noticed.
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

from dgate.index.database.faults import (
    DatabaseError,
    ObjectFaultError,
    StatementError,
    UnknownOutcomeError,
    UnreachableError,
)
from dgate.index.database.servers import STATEMENT_SECONDS, one_line

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

Values = Sequence[bytes | None]
LOST = "the connection to the server is lost"

_GONE_STATES = ("08", "57P01", "57P02", "57P03")
_OBJECT_STATES = ("22", "23")
"""Classes of SQLSTATE: connection exceptions and shutdowns; data and integrity."""
_GOOD = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.SINGLE_TUPLE, ExecStatus.EMPTY_QUERY})


class Wire:
    """Statements and their results. `usable` until the connection broke or is in the middle of something."""

    def __init__(self, owner: psycopg.Connection[Any]) -> None:
        self._owner = owner
        self._raw = owner.pgconn
        self._prepared: dict[bytes, bytes] = {}
        self._poll = select.poll()
        self._poll.register(self._raw.socket, select.POLLIN)
        self.usable = True

    @contextmanager
    def talking(self, *, committing: bool = False) -> Iterator[None]:
        """While this lasts, what libpq reports as its own error is a lost connection."""
        try:
            yield
        except (psycopg.Error, UnreachableError) as error:
            self.usable = False
            kind = UnknownOutcomeError if committing else UnreachableError
            raise kind(one_line(str(error))) from error

    # -- one statement

    def run(self, text: bytes, values: Values | None) -> PGresult:
        """One statement from its beginning to its end."""
        self._raw.send_query_params(text, values)
        return self._only_result()

    def first_row(self, text: bytes, values: Values | None) -> PGresult:
        """Begin a SELECT whose rows come one by one; the rest with `next_row`."""
        self._raw.send_query_params(text, values)
        self._raw.set_single_row_mode()
        self.usable = False
        return self.next_row()

    def next_row(self) -> PGresult:
        """The next row; after the last one a result without."""
        result = _checked(self._result())
        if result.status != ExecStatus.SINGLE_TUPLE:
            self._end()
            self.usable = True
        return result

    def prepare(self, text: bytes) -> None:
        """Have the server think about a statement once."""
        if text not in self._prepared:
            name = b"s%d" % len(self._prepared)
            self._raw.send_prepare(name, text)
            self._only_result()
            self._prepared[text] = name

    # -- many statements

    def run_all(self, statements: Sequence[tuple[bytes, Values | None]]) -> list[PGresult]:
        """One way to the server and back for all of them; those that are prepared run as such.

        Raises the fault of the first that failed; those behind it were not carried out.
        """
        raw = self._raw
        raw.enter_pipeline_mode()
        for text, values in statements:
            name = self._prepared.get(text)
            if name is None:
                raw.send_query_params(text, values)
            else:
                raw.send_query_prepared(name, values)
        raw.pipeline_sync()
        results = [self._piped() for _ in statements]
        self._result()  # the end of the pipeline
        raw.exit_pipeline_mode()
        return [_checked(result) for result in results]

    def _piped(self) -> PGresult:
        result = self._result()
        if result is None:
            raise UnreachableError(LOST)
        if result.status == ExecStatus.FATAL_ERROR and isinstance(fault := _fault(result), UnreachableError):
            raise fault
        self._end()
        return result

    # -- results

    def _only_result(self) -> PGresult:
        result = self._result()
        self._end()
        return _checked(result)

    def _result(self) -> PGresult | None:
        """The next result, None at the end of a statement's."""
        raw = self._raw
        while raw.is_busy():
            if not self._poll.poll(STATEMENT_SECONDS * 1000):
                raise UnreachableError(f"the server has said nothing for {STATEMENT_SECONDS} seconds")
            raw.consume_input()
        return raw.get_result()

    def _end(self) -> None:
        while self._result() is not None:
            continue

    # -- the connection

    def is_open(self) -> bool:
        """A server that ends a connection says so unasked, and nobody else speaks unasked."""
        return self.usable and not self._owner.closed and not self._poll.poll(0)

    def close(self) -> None:
        """End it."""
        self.usable = False
        self._owner.close()


def _checked(result: PGresult | None) -> PGresult:
    """A result that is none of a fault. Raises `DatabaseError`."""
    if result is None:
        raise UnreachableError(LOST)
    if result.status not in _GOOD:
        raise _fault(result)
    return result


def _fault(result: PGresult) -> DatabaseError:
    """The message's first line only: the others quote values."""
    state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode("ascii", "replace")
    primary = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message or b""
    message = one_line(primary.decode("utf-8", "replace"))
    if not state or state.startswith(_GONE_STATES):
        return UnreachableError(message)
    return ObjectFaultError(message) if state.startswith(_OBJECT_STATES) else StatementError(message)
