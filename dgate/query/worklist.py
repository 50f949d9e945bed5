"""Modality worklist queries (PS3.4 annex K; conquest-server.md 9.2): request -> one SELECT -> answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from dgate.config.archiveoptions import ArchiveOptions
from dgate.dataset.model import DataSet
from dgate.dataset.structure import DataSetError
from dgate.encoding.elements import DEFLATED, Encoding, encode_element, encoding_of
from dgate.encoding.sequences import encode_sequence
from dgate.index.database.dialect import DIALECTS, Dialect
from dgate.index.tables import Column, Table
from dgate.interfaces import QueryFailure
from dgate.query.identifier import BAD_IDENTIFIER, CHARACTER_SET_TAG, LEVEL_TAG, Answer, Key
from dgate.query.matching import Condition, condition
from dgate.query.plan import PATIENT_NAME, Output, sorting
from dgate.query.search import Row, Search
from dgate.record import dataclass

REFERENCED_STUDY, REFERENCED_PATIENT = 0x00081110, 0x00081120
"""Sequences that every answer has, empty."""
NAME = "Modality Work List"
ROOT = 0
"""Stands for the data set itself where other places are named by the tag of their sequence."""


def make_search(identifier: bytes, transfer_syntax: str, table: Table, options: ArchiveOptions) -> Search:
    """What is selected and demanded. Raises `QueryFailure` for a broken identifier or one without a usable key."""
    encoding = encoding_of(transfer_syntax)
    places = _read(identifier, transfer_syntax, table)
    asked = [(column, key) for column in table.columns if (key := _key(column, places[column.sequence])) is not None]
    if not asked:
        raise QueryFailure(BAD_IDENTIFIER, "no key of the query is in the worklist")
    outputs = tuple(Output(Answer(key.tag, key.vr, column.dt), _name(table, column)) for column, key in asked)
    dialect = DIALECTS[options.driver]
    demanded = (
        condition(column, _name(table, column), key, big_endian=encoding.big_endian, dialect=dialect)
        for column, key in asked
    )
    conditions = tuple(part for part in demanded if part is not None)
    order = next((_name(table, column) for column, _ in asked if column.tag == PATIENT_NAME), "")
    parameters = tuple(parameter for part in conditions for parameter in part.parameters)
    encoder = _Encoder(tuple(column.sequence for column, _ in asked), outputs, tuple(places), encoding, options)
    sql = _statement(table, outputs, conditions, order, dialect)
    return Search(NAME, NAME, table.name, outputs, conditions, order, sql, parameters, encoder.encode)


def _read(identifier: bytes, transfer_syntax: str, table: Table) -> Mapping[int, DataSet]:
    """The request's elements by place: its root, and the first item of each sequence that the worklist knows."""
    if transfer_syntax == DEFLATED:
        raise QueryFailure(BAD_IDENTIFIER, "deflated identifiers are not supported")
    sequences = sorted({column.sequence for column in table.columns} - {ROOT})
    try:
        root = DataSet.parse(identifier, encoding_of(transfer_syntax))
    except DataSetError as fault:
        raise QueryFailure(BAD_IDENTIFIER, f"identifier cannot be parsed: {fault}") from fault
    items = {tag: found[0] for tag in sequences if (found := root.items(tag))}
    return {ROOT: root, **{tag: items.get(tag, DataSet()) for tag in sequences}}


def _key(column: Column, place: DataSet) -> Key | None:
    tag = column.tag
    if tag not in place or place.items(tag) is not None:
        return None
    return Key(tag, place.written_vr(tag), place.raw(tag) or b"")


def _name(table: Table, column: Column) -> str:
    return f"{table.name}.{column.name}"


def _statement(
    table: Table, outputs: tuple[Output, ...], conditions: tuple[Condition, ...], order: str, dialect: Dialect
) -> str:
    more, order = sorting(order, dialect, distinct=True)
    columns = ", ".join([*(output.sql for output in outputs), *more])
    text = f"SELECT DISTINCT {columns} FROM {table.name}"  # noqa: S608 - names from dicom.sql
    if conditions:
        text += f" WHERE {' AND '.join(part.sql for part in conditions)}"
    return f"{text} ORDER BY {order}" if order else text


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Writes rows as answers: `where` says for each output in which place it stands."""

    where: tuple[int, ...]
    outputs: tuple[Output, ...]
    places: tuple[int, ...]
    encoding: Encoding
    options: ArchiveOptions

    def encode(self, row: Row) -> bytes:
        """One answer."""
        places: dict[int, dict[int, bytes]] = {place: {} for place in self.places}
        for place, output, value in zip(self.where, self.outputs, row, strict=False):
            places[place][output.answer.tag] = output.answer.encode(value, self.encoding)
        root = places.pop(ROOT) | self._always()
        for tag, item in places.items():
            root[tag] = encode_sequence(tag, (_joined(item),), self.encoding)
        return _joined(root)

    def _always(self) -> dict[int, bytes]:
        """What every answer has, asked for or not."""
        empty = {tag: encode_sequence(tag, (), self.encoding) for tag in (REFERENCED_STUDY, REFERENCED_PATIENT)}
        empty[LEVEL_TAG] = encode_element(LEVEL_TAG, b"CS", b"", self.encoding)
        if self.options.worklist_iso_ir > 0:
            value = b"ISO_IR %d" % self.options.worklist_iso_ir
            empty[CHARACTER_SET_TAG] = encode_element(CHARACTER_SET_TAG, b"CS", value, self.encoding)
        return empty


def _joined(elements: dict[int, bytes]) -> bytes:
    return b"".join(elements[tag] for tag in sorted(elements))
