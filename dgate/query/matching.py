"""What a query key demands of a column, as SQL with parameters (conquest-server.md 9.1). Pure.

No value ever becomes part of the SQL text.
"""

from __future__ import annotations

import re
import struct

from dgate.index.database.dialect import SQLITE, VALUE, Dialect
from dgate.index.tables import Column
from dgate.interfaces import QueryFailure
from dgate.query.identifier import BAD_IDENTIFIER, Key
from dgate.record import dataclass

MAX_LIST = 30_000
"""UIDs in one list: SQLite takes 32766 parameters in one statement."""

_STARS = re.compile(rb"\*{2,}")
_SPECIAL = re.compile(rb"[%_!]")
_NUMBERS = {"UINT16": "H", "UINT32": "L"}
_LITTLE_VALUE = {2: "<H", 4: "<L"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A piece of a WHERE clause."""

    sql: str
    parameters: tuple[bytes, ...] = ()


NEVER = Condition("1 = 0")


def condition(
    column: Column, name: str, key: Key, *, big_endian: bool = False, dialect: Dialect = SQLITE
) -> Condition | None:
    """The condition for one key on the column called `name` in SQL; None where everything matches.

    Raises `QueryFailure` for a list that is too long.
    """
    text = _text(column, key, big_endian=big_endian)
    if not text.strip(b"*"):
        return None
    if column.source != column.tag:
        return _in_list(dialect.like.format(name=name), text, column.length)
    if column.dt == "UI" and b"\\" in text:
        return _uid_list(name, text)
    if column.dt in ("DATE", "TIME") and b"-" in text:
        return _range(dialect.bytewise.format(name=name), text)
    if b"*" in text or b"?" in text:
        like = dialect.like_date if column.is_date else dialect.like
        return _like(like.format(name=name), text, column.length)
    equal = dialect.blind if column.dt == "ISTR" else f"{{name}} = {VALUE}"
    return Condition(equal.format(name=name), (text,))


def _text(column: Column, key: Key, *, big_endian: bool) -> bytes:
    """The key's value; binary numbers become the decimal text that the database holds."""
    if column.dt not in _NUMBERS or key.vr not in (b"", b"US", b"UL"):
        return key.text
    form = _LITTLE_VALUE.get(len(key.value))
    if form is None:
        return b""
    return str(struct.unpack(form.replace("<", ">") if big_endian else form, key.value)[0]).encode()


def like_pattern(text: bytes) -> bytes:
    """A DICOM wildcard pattern as a LIKE pattern with `!` as escape character."""
    escaped = _SPECIAL.sub(lambda match: b"!" + match[0], _STARS.sub(b"*", text))
    return escaped.replace(b"*", b"%").replace(b"?", b"_")


def _like(like: str, text: bytes, length: int) -> Condition:
    """A pattern that needs more characters than the column holds can match nothing; it would only cost time."""
    if len(text) - text.count(b"*") > length:
        return NEVER
    return Condition(like, (like_pattern(text),))


def _in_list(like: str, text: bytes, length: int) -> Condition:
    """One value within a stored list (ModalitiesInStudy). A pattern is held against the whole list only."""
    if b"*" in text or b"?" in text:
        return _like(like, text, length)
    if b"\\" in text or len(text) > length:
        return NEVER
    one = like_pattern(text)
    patterns = (one, one + b"\\%", b"%\\" + one, b"%\\" + one + b"\\%")
    return Condition("(" + " OR ".join([like] * 4) + ")", patterns)


def _uid_list(name: str, text: bytes) -> Condition:
    uids = tuple(dict.fromkeys(uid for part in text.split(b"\\") if 0 < len(uid := part.strip(b"\0 ")) <= 64))
    if len(uids) > MAX_LIST:
        raise QueryFailure(BAD_IDENTIFIER, f"a list of {len(uids)} UIDs; at most {MAX_LIST} are searched at once")
    return Condition(f"{name} IN ({', '.join([VALUE] * len(uids))})", uids) if uids else NEVER


def _range(name: str, text: bytes) -> Condition | None:
    low, _, high = (part.strip(b" ") for part in text.partition(b"-"))
    parts = [f"{name} >= {VALUE}"] * bool(low) + [f"{name} <= {VALUE}"] * bool(high)
    return Condition(" and ".join(parts), tuple(part for part in (low, high) if part)) if parts else None
