"""WorkListMode: the worklist knows better than the modality who the patient is (conquest-server.md 2.2, 6.1).

1 fills in what the worklist has for the object's accession number, 2 also refuses what has none there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgate.archive.stores import StoreFault
from dgate.index.index import FAULTS, DatabaseError

if TYPE_CHECKING:
    from dgate.index.index import ReaderPool
    from dgate.index.tables import Table

FILL, REFUSE = 1, 2
ACCESSION_NUMBER = 0x00080050
FILLED = frozenset({0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x00102000, 0x00102110, 0x0020000D})
"""Patient and study: name, ID, birth date, sex, medical alerts, allergies, study instance UID."""


class NotOnWorklistError(StoreFault):
    """This object is refused because the worklist does not know it."""


class FillIn:
    """Looks objects up in the worklist. Thread-safe."""

    def __init__(self, mode: int, table: Table, readers: ReaderPool) -> None:
        self._mode = mode
        self._readers = readers
        columns = [column for column in table.columns if column.tag in FILLED and not column.sequence]
        key = table.column(ACCESSION_NUMBER)
        self._tags = [column.tag for column in columns]
        self._sql = ""
        if key is not None and columns:
            names = ", ".join(column.name for column in columns)
            self._sql = f"SELECT {names} FROM {table.name} WHERE {key.name} = CAST(? AS TEXT) LIMIT 1"  # noqa: S608 - names from dicom.sql

    def edit(self, values: Mapping[int, bytes]) -> dict[int, bytes]:
        """What is to change in an object with these attributes; an empty field of the worklist changes nothing.

        Raises `StoreFault` for what is not on the worklist, if it has to be, and where that cannot be found out.
        """
        accession = _text(values.get(ACCESSION_NUMBER, b""))
        row = self._row(accession) if accession and self._sql else None
        if row is None:
            if self._mode == REFUSE:
                raise NotOnWorklistError("***Object refused: its accession number is not on the worklist")
            return {}
        planned = {tag: value for tag, value in zip(self._tags, row, strict=True) if value}
        return {tag: value for tag, value in planned.items() if value != _text(values.get(tag, b""))}

    def _row(self, accession: bytes) -> tuple[bytes | None, ...] | None:
        try:
            connection = self._readers.borrow()
        except DatabaseError as error:
            raise StoreFault(f"***Worklist cannot be read: {error}") from error
        try:
            found: tuple[bytes | None, ...] | None = connection.execute(self._sql, (accession,)).fetchone()
        except FAULTS as error:
            connection.close()
            raise StoreFault(f"***Worklist cannot be read: {error}") from error
        self._readers.give_back(connection)
        return found


def _text(value: bytes) -> bytes:
    return value.split(b"\0", 1)[0].strip(b" ")
