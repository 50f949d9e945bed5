"""What tells whether two tables hold the same rows, whatever their order and whatever the database. Pure.

Each row is hashed here, not by the database, and the hashes are added up: equal rows that occur several times count
several times, which they would not if hashes were combined by XOR.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dgate.moving.tables import Copied

_BYTES = 16
_MODULUS = 1 << (8 * _BYTES)


class Checksum:
    """The rows of one table so far."""

    def __init__(self, table: Copied) -> None:
        self._dates = tuple(name in table.dates for name in table.columns)
        self.rows = 0
        self._sum = 0

    def add(self, row: Sequence[Any]) -> None:
        """Count a row."""
        digest = blake2b(digest_size=_BYTES)
        for value, is_date in zip(row, self._dates, strict=True):
            digest.update(_plain(value, is_date=is_date))
        self._sum = (self._sum + int.from_bytes(digest.digest(), "big")) % _MODULUS
        self.rows += 1

    @property
    def text(self) -> str:
        """As hexadecimal digits."""
        return f"{self._sum:0{2 * _BYTES}x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checksum) and (self.rows, self._sum) == (other.rows, other._sum)

    def __hash__(self) -> int:
        return hash((self.rows, self._sum))


def _plain(value: bytes | str | float | None, *, is_date: bool) -> bytes:
    """A value in one spelling, of which none is the beginning of another. A date's blanks at its end do not count."""
    if value is None:
        return b"n"
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        text = str(int(value)) if float(value).is_integer() else repr(float(value))
        return b"i%d:%s" % (len(text), text.encode())
    if is_date:
        value = value.rstrip(b" ")
    return b"t%d:%s" % (len(value), value)
