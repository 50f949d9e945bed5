"""What can go wrong with a database. No text of these errors holds a password or a stored value."""

from __future__ import annotations

import sqlite3


class DatabaseError(Exception):
    """The index cannot be used; the text says which and why, `reason` the latter alone, as the database puts it."""

    def __init__(self, message: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class UnreachableError(DatabaseError):
    """There is no connection to the server, or none any more. It may be back in a moment."""


class UnknownOutcomeError(UnreachableError):
    """The connection broke while the server committed: what was to be written is there or not, only it knows."""


class StatementError(DatabaseError):
    """A statement that the server does not carry out; the text is its word alone, without saying where it was."""


class ObjectFaultError(StatementError):
    """The values of a row are refused. Another object may well be taken."""


FAULTS = (DatabaseError, sqlite3.Error, sqlite3.Warning)
"""Everything a statement raises. Errors of SQLite come as they are: translating them would cost each store."""

STATEMENT_FAULTS = (StatementError, sqlite3.Error)
"""A statement failed, whatever became of the others."""

OBJECT_FAULTS = (ObjectFaultError, sqlite3.IntegrityError, sqlite3.DataError)
"""This object's fault, not the database's."""
