"""Where the SQL of the three databases differs beyond its marks. Pure, and light: no driver is imported here."""

from __future__ import annotations

from dgate.record import dataclass

VALUE = "CAST(? AS TEXT)"
"""The mark for the bytes of a text in the house's SQL."""
BEGIN, COMMIT, ROLLBACK = "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"
"""A transaction that writes; there is one at a time, whatever the database."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Pieces of SQL; `{name}` in them is a column, `{table}` a table."""

    executes: str
    """What the log calls a statement."""
    no_limit: str
    """The LIMIT that is none, where only an OFFSET is asked for."""
    blind: str
    """A column equals the value, whatever the case of its letters."""
    like: str
    """A column is like the pattern. Letters of either case are the same in SQLite only (conquest-server.md 14)."""
    like_date: str
    """The same for a column of fixed width."""
    bytewise: str
    """A column to be compared or sorted byte by byte."""
    empty_first: tuple[str, str]
    """What puts rows without a value first in an ascending order, and last in a descending one."""
    number: str
    """The number that a text begins with; 0 or nothing where it begins with none."""
    sorts_selected: bool
    """SELECT DISTINCT sorts only by what it selects."""
    of_table: str
    """What follows the columns in CREATE TABLE, so that any byte can be kept."""
    table_names: str
    """SELECT of the names of the tables there are."""
    column_names: str
    """SELECT of the names of a table's columns."""
    newness: str
    """SELECT of a number that never falls while a table is the same one, and is lower once it was made anew."""


_EMPTY = -(1 << 52)
"""Newness of a table without rows."""

SQLITE = Dialect(
    executes="SQLITEExec",
    no_limit="-1",
    blind=f"{{name}} = {VALUE} COLLATE NOCASE",
    like=f"{{name}} LIKE {VALUE} ESCAPE '!'",
    like_date=f"{{name}} LIKE {VALUE} ESCAPE '!'",
    bytewise="{name}",
    empty_first=("", ""),
    number="CAST({name} AS INTEGER)",
    sorts_selected=False,
    of_table="",
    table_names="SELECT name FROM sqlite_master WHERE type = 'table'",
    column_names="SELECT name FROM pragma_table_info('{table}')",
    newness="SELECT MAX(rowid) FROM {table}",
)

POSTGRES = Dialect(
    executes="PGSQLExec",
    no_limit="ALL",
    blind=f"LOWER({{name}}) = LOWER({VALUE})",
    like=f"{{name}} LIKE {VALUE} ESCAPE '!'",
    like_date=f"CAST({{name}} AS TEXT) LIKE {VALUE} ESCAPE '!'",  # a char(8) is filled up with blanks
    bytewise='{name} COLLATE "C"',
    empty_first=(" NULLS FIRST", " NULLS LAST"),
    number="COALESCE(CAST(SUBSTRING({name} FROM '^ *([-+]?[0-9]{{1,9}})') AS INTEGER), 0)",
    sorts_selected=True,
    of_table="",
    table_names="SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))",
    column_names=(
        "SELECT CAST(attname AS text) FROM pg_attribute "
        "WHERE attrelid = CAST('{table}' AS regclass) AND attnum > 0 AND NOT attisdropped"
    ),
    newness=(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM {table}) "  # noqa: S608 - a table of ours
        f"THEN -CAST(CAST(CAST('{{table}}' AS regclass) AS oid) AS bigint) ELSE {_EMPTY} END"
    ),
)

MYSQL = Dialect(
    executes="MYSQLExec",
    no_limit="18446744073709551615",
    blind=f"LOWER({{name}}) = LOWER({VALUE})",
    like=f"{{name}} LIKE {VALUE} ESCAPE '!'",
    like_date=f"{{name}} LIKE {VALUE} ESCAPE '!'",
    bytewise="{name}",
    empty_first=("", ""),
    number="CAST({name} AS SIGNED)",
    sorts_selected=False,
    of_table=" CHARACTER SET latin1 COLLATE latin1_bin",
    table_names="SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
    column_names=(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '{table}'"
    ),
    newness=(
        f"SELECT CASE WHEN EXISTS (SELECT 1 FROM {{table}}) THEN -UNIX_TIMESTAMP(create_time) ELSE {_EMPTY} END "  # noqa: S608
        "FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{table}'"
    ),
)

DIALECTS = {"sqlite": SQLITE, "postgres": POSTGRES, "mysql": MYSQL}
"""By the names of the drivers in the settings."""
