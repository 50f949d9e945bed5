"""From a request to one SELECT (conquest-server.md 9.1). Pure: request -> plan -> SQL text and parameters."""

from __future__ import annotations

import itertools
import re

from dgate.config.archiveoptions import ArchiveOptions
from dgate.index.database.dialect import DIALECTS, Dialect
from dgate.index.tables import Column, Level, Table, Tables
from dgate.interfaces import QueryFailure
from dgate.query.identifier import BAD_IDENTIFIER, RETRIEVE_AE_TAG, Answer, Identifier, Key
from dgate.query.matching import Condition, condition
from dgate.record import dataclass

PATIENT_NAME = 0x00100010
ORDER_TAG, LIMIT_TAG, OFFSET_TAG = 0x99990C00, 0x99990C01, 0x99990C02
PLACE_COLUMNS = {0x99990800: "ObjectFile", 0x99990801: "DeviceName"}

COMPUTED: dict[int, tuple[Level, Level]] = {
    0x00201200: (Level.PATIENT, Level.STUDY),
    0x00201202: (Level.PATIENT, Level.SERIES),
    0x00201204: (Level.PATIENT, Level.IMAGE),
    0x00201206: (Level.STUDY, Level.SERIES),
    0x00201208: (Level.STUDY, Level.IMAGE),
    0x00201209: (Level.SERIES, Level.IMAGE),
}
"""Number of (patient, study, series) related (studies, series, instances): level asked at, level counted."""


_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_DIRECTION = re.compile(r" +(asc|desc)\Z", re.IGNORECASE)
_NUMERIC = frozenset({"accesstime", "qtimestamp", "qflags"})
"""The columns that hold numbers."""


@dataclass(frozen=True, slots=True)
class Output:
    """One attribute of the answers: an SQL expression, or a fixed value where that is empty."""

    answer: Answer
    sql: str
    fixed: bytes = b""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a SELECT is made of."""

    level: Level
    top: Level
    outputs: tuple[Output, ...]
    conditions: tuple[Condition, ...]
    distinct: bool
    order: str
    limit: int | None
    offset: int
    dialect: Dialect


def make_plan(identifier: Identifier, tables: Tables, options: ArchiveOptions, *, big_endian: bool = False) -> Plan:
    """Decide what is selected, joined and demanded. Raises `QueryFailure` if no key is usable."""
    outputs: list[Output] = []
    conditions: list[Condition] = []
    level = top = identifier.level
    dialect = DIALECTS[options.driver]
    for key in identifier.keys:
        found = find_column(tables, level, key.tag)
        if found is None:
            outputs += _special(key, level, tables, options)
            continue
        at, column = found
        name = f"{tables.levels[at].name}.{column.name}"
        top = min(top, at)
        outputs.append(Output(Answer(key.tag, key.vr, column.dt), name))
        demanded = condition(column, name, key, big_endian=big_endian, dialect=dialect)
        conditions += [demanded] if demanded else []
    if not any(output.sql for output in outputs):
        raise QueryFailure(BAD_IDENTIFIER, "no key of the query is in the database")
    order, order_top = _order(identifier, tables, options)
    distinct = not any(output.answer.tag == tables.levels[level].key.tag for output in outputs)
    limit, offset = _number(identifier, LIMIT_TAG), _number(identifier, OFFSET_TAG)
    return Plan(
        level, min(top, order_top), tuple(outputs), tuple(conditions), distinct, order, limit, offset or 0, dialect
    )


def find_column(tables: Tables, level: Level, tag: int) -> tuple[Level, Column] | None:
    """The column of an attribute, looked for from the level upwards."""
    for at in range(level, -1, -1):
        column = tables.levels[at].column(tag)
        if column is not None:
            return Level(at), column
    return None


def _special(key: Key, level: Level, tables: Tables, options: ArchiveOptions) -> list[Output]:
    """Keys that are no column: own AE title, counts, where the file lies. All others are ignored."""
    if key.tag == RETRIEVE_AE_TAG:
        return [Output(Answer(key.tag, key.vr, "STR"), "", options.ae_title.encode("latin-1", "replace").ljust(16))]
    if key.tag in PLACE_COLUMNS and level == Level.IMAGE:
        return [Output(Answer(key.tag, key.vr, "STR"), f"{tables.levels[level].name}.{PLACE_COLUMNS[key.tag]}")]
    asked_at, counted = COMPUTED.get(key.tag, (None, level))
    if options.computed_fields and asked_at == level:
        return [Output(Answer(key.tag, key.vr, "STR"), _count(tables, level, counted))]
    return []


def _count(tables: Tables, level: Level, counted: Level) -> str:
    """A subselect that counts the rows of a lower table below the current row."""
    chain = [tables.levels[at] for at in range(counted, level, -1)]
    joins = "".join(_join(below, above) for below, above in itertools.pairwise(chain))
    outer = tables.levels[level]
    top = chain[-1]
    return (
        f"(SELECT COUNT(*) FROM {chain[0].name}{joins}"  # noqa: S608 - names from checked configuration
        f" WHERE {top.name}.{top.link.name} = {outer.name}.{outer.key.name})"
    )


def _join(below: Table, above: Table) -> str:
    return f" JOIN {above.name} ON {below.name}.{below.link.name} = {above.name}.{above.key.name}"


def _order(identifier: Identifier, tables: Tables, options: ArchiveOptions) -> tuple[str, Level]:
    """The ORDER BY text and the highest table it needs: the request's own, the configured one, or by patient name."""
    level = identifier.level
    asked = next((key.text for key in identifier.keys if key.tag == ORDER_TAG), b"")
    configured = options.sort_orders[level]
    for text in (asked.decode("latin-1"), configured):
        named = _named_column(text, tables, level)
        if named is not None:
            return named
    if configured:
        text = configured.lower()
        return configured, next(
            (at for at in Level if at <= level and f"{tables.levels[at].name.lower()}." in text), level
        )
    if level <= Level.STUDY and any(key.tag == PATIENT_NAME for key in identifier.keys):
        found = find_column(tables, level, PATIENT_NAME)
        if found is not None:
            return f"{tables.levels[found[0]].name}.{found[1].name}", found[0]
    return "", level


def _named_column(text: str, tables: Tables, level: Level) -> tuple[str, Level] | None:
    """`Column`, `Table.Column`, with ` desc` perhaps; None for anything that is not a known column."""
    words = text.lower().split()
    if not words or len(words) > 2 or words[1:] not in ([], ["asc"], ["desc"]):
        return None
    table_name, _, column_name = words[0].rpartition(".")
    for at in range(level, -1, -1):
        table = tables.levels[at]
        for column in table.columns:
            if column.name.lower() == column_name and table_name in ("", table.name.lower()):
                return " ".join([f"{table.name}.{column.name}", *words[1:]]), Level(at)
    return None


def _number(identifier: Identifier, tag: int) -> int | None:
    text = next((key.text.strip() for key in identifier.keys if key.tag == tag), b"")
    return int(text) if text.isdigit() and len(text) <= 9 else None


def sorting(order: str, dialect: Dialect, *, distinct: bool) -> tuple[list[str], str]:
    """What has to be selected beside the outputs so that it can be sorted by, and the text of ORDER BY."""
    parts = [_sorted(part.strip(), dialect) for part in order.split(",")] if order else []
    more = [expression for expression, _ in parts] if distinct and dialect.sorts_selected else []
    return more, ", ".join(expression + direction for expression, direction in parts)


def _sorted(part: str, dialect: Dialect) -> tuple[str, str]:
    """An expression and its direction: columns of text in byte order, an expression of the operator's own as it is."""
    direction = _DIRECTION.search(part)
    expression = part[: direction.start()] if direction else part
    empty = dialect.empty_first[direction is not None and direction[1].lower() == "desc"]
    if _COLUMN.fullmatch(expression) and expression.rpartition(".")[2].lower() not in _NUMERIC:
        expression = dialect.bytewise.format(name=expression)
    return expression, (direction[0] if direction else "") + empty


def statement(plan: Plan, tables: Tables) -> tuple[str, tuple[bytes, ...]]:
    """The SELECT and its parameters; the columns are the outputs that have an expression, in order, and then others."""
    more, order = sorting(plan.order, plan.dialect, distinct=plan.distinct)
    columns = ", ".join([*(output.sql for output in plan.outputs if output.sql), *more])
    chain = [tables.levels[at] for at in range(plan.level, plan.top - 1, -1)]
    joins = "".join(_join(below, above) for below, above in itertools.pairwise(chain))
    where = " AND ".join(part.sql for part in plan.conditions)
    text = f"SELECT {'DISTINCT ' if plan.distinct else ''}{columns} FROM {chain[0].name}{joins}"  # noqa: S608
    text += f" WHERE {where}" if where else ""
    text += f" ORDER BY {order}" if order else ""
    if plan.limit is not None or plan.offset:
        text += f" LIMIT {plan.dialect.no_limit if plan.limit is None else plan.limit} OFFSET {plan.offset}"
    return text, tuple(parameter for part in plan.conditions for parameter in part.parameters)
