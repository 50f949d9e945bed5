"""What a statement found on a server; what SQLite's cursors are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dgate.index.database.base import FoundRow


class Found:
    """See `Cursor`."""

    def __init__(self, rows: Iterator[FoundRow], rowcount: int = 0, abandon: Callable[[], None] = lambda: None) -> None:
        """`abandon` is told when nobody wants the rest."""
        self._rows = rows
        self.rowcount = rowcount
        self._abandon = abandon

    def __iter__(self) -> Iterator[FoundRow]:
        return self._rows

    def fetchone(self) -> FoundRow | None:
        """See `Cursor`."""
        return next(self._rows, None)

    def fetchall(self) -> list[FoundRow]:
        """See `Cursor`."""
        return list(self._rows)

    def close(self) -> None:
        """See `Cursor`."""
        self._abandon()
