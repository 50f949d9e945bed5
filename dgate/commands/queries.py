"""`query:` and `query2:`: SQL as it comes, on a connection that can only read."""

from __future__ import annotations

from dgate.commands.arguments import number, row, split
from dgate.commands.context import CommandError, Context
from dgate.commands.database import select


def query_command(context: Context, arguments: str) -> str:
    """`TABLE|columns|where|format|`: the rows, one per line; columns are separated by `|` where there is no format.

    The three pieces of SQL are the sender's own, as in the original: who may send a command may read the index.
    """
    table, columns, where, pattern, _ = split(arguments, "|", 5)
    return _rows(context, table, columns, where, pattern, None)


def query2_command(context: Context, arguments: str) -> str:
    """`TABLE|columns|where|format|rows|`: the same with a maximum number of rows."""
    table, columns, where, pattern, rows, _ = split(arguments, "|", 6)
    return _rows(context, table, columns, where, pattern, number(rows, "the number of rows"))


def _rows(context: Context, table: str, columns: str, where: str, pattern: str, limit: int | None) -> str:
    if not table.strip():
        raise CommandError("expected TABLE|columns|where|format|")
    condition = f" WHERE {where}" if where.strip() else ""
    sql = f"SELECT {columns.strip() or '*'} FROM {table}{condition}"  # noqa: S608 - see `query_command`
    return "".join(row(pattern, values) for values in select(context.options, sql, limit=limit))
