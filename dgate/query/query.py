"""C-FIND: a request in, encoded answers out, row by row as the client takes them (conquest-server.md 9.1, 10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgate.config.archiveoptions import ArchiveOptions
from dgate.encoding.elements import Encoding, encode_element, encoding_of
from dgate.index.database.dialect import DIALECTS
from dgate.index.index import FAULTS, DatabaseError, ReaderPool
from dgate.index.rows import shown
from dgate.index.tables import Tables
from dgate.interfaces import Log, QueryFailure, QueryModel
from dgate.query.identifier import BAD_IDENTIFIER, CHARACTER_SET_TAG, LEVEL_TAG, Identifier, parse_identifier
from dgate.query.plan import Output, Plan, make_plan, statement
from dgate.query.search import Row, Search

if TYPE_CHECKING:
    from dgate.index.database.base import Connection, Cursor

_MODEL_NAMES: dict[QueryModel, str] = {
    "patient": "PatientRoot",
    "study": "StudyRoot",
    "patient_study": "PatientStudyOnly",
}


class Finder:
    """Answers queries from the committed rows. Thread-safe."""

    def __init__(self, options: ArchiveOptions, tables: Tables, readers: ReaderPool, log: Log) -> None:
        self._options = options
        self._tables = tables
        self._readers = readers
        self._log = log
        self._dialect = DIALECTS[options.driver]

    def find(self, model: QueryModel, identifier: bytes, transfer_syntax: str) -> Iterator[bytes]:
        """Start a query. Raises `QueryFailure` at once, or from the iterator when the database fails midway."""
        if model == "worklist":
            from dgate.query.worklist import make_search

            search = make_search(identifier, transfer_syntax, self._tables.worklist, self._options)
        else:
            search = self._levels(model, identifier, transfer_syntax)
        for line in search.report():
            self._log.debug(line)
        return self._run(search)

    def _levels(self, model: QueryModel, identifier: bytes, transfer_syntax: str) -> Search:
        """A query of patients, studies, series or images."""
        encoding = encoding_of(transfer_syntax)
        request = parse_identifier(identifier, transfer_syntax, model)
        name = _MODEL_NAMES[model]
        self._log.console(f"({name}Query) search level: {shown(request.level_text)}")
        plan = make_plan(request, self._tables, self._options, big_endian=encoding.big_endian)
        sql, parameters = statement(plan, self._tables)
        encoder = _Encoder(request, plan, encoding, self._options)
        chain = range(plan.level, plan.top - 1, -1)
        tables = ", ".join(self._tables.levels[at].name for at in chain)
        on = plan.level.name.capitalize()
        return Search(name, on, tables, plan.outputs, plan.conditions, plan.order, sql, parameters, encoder.encode)

    def _run(self, search: Search) -> Iterator[bytes]:
        try:
            connection = self._readers.borrow()
        except DatabaseError as error:  # names a path, which is nothing for the requester
            self._log.console(f"***{self._dialect.executes} error: {error.reason}")
            raise QueryFailure(BAD_IDENTIFIER, "the database cannot be opened") from error
        try:
            cursor = connection.stream(search.sql, search.parameters)
        except FAULTS as error:
            connection.close()
            raise _failure(connection, error) from error
        return self._rows(connection, cursor, search)

    def _rows(self, connection: Connection, cursor: Cursor, search: Search) -> Iterator[bytes]:
        count = 0
        try:
            for row in cursor:
                count += 1
                yield search.encode(row)
        except FAULTS as error:
            raise _failure(connection, error) from error
        finally:
            cursor.close()
            self._readers.give_back(connection)
            self._log.debug(f"Records = {count}")
            self._log.console(f"C-Find ({search.name}) located {count} records")


def _failure(connection: Connection, error: Exception) -> QueryFailure:
    return QueryFailure(BAD_IDENTIFIER, f"{connection.dialect.executes} error: {error}")


class _Encoder:
    """Writes rows as identifiers, attributes in tag order."""

    def __init__(self, request: Identifier, plan: Plan, encoding: Encoding, options: ArchiveOptions) -> None:
        self._encoding = encoding
        parts: list[tuple[int, Output | bytes]] = [(output.answer.tag, output) for output in plan.outputs]
        level = encode_element(LEVEL_TAG, b"CS", request.level_text.rstrip(b"\0 "), encoding)
        parts.append((LEVEL_TAG, level))
        if options.iso_ir > 0:
            value = b"ISO_IR %d" % options.iso_ir
            parts.append((CHARACTER_SET_TAG, encode_element(CHARACTER_SET_TAG, b"CS", value, encoding)))
        self._parts = [part for _, part in sorted(parts, key=lambda item: item[0])]

    def encode(self, row: Row) -> bytes:
        """One answer."""
        values = iter(row)
        out: list[bytes] = []
        for part in self._parts:
            if isinstance(part, bytes):
                out.append(part)
            else:
                out.append(part.answer.encode(next(values) if part.sql else part.fixed, self._encoding))
        return b"".join(out)
