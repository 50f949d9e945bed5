"""A SELECT that is ready to run, what the log says about it, and how its rows become answers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dgate.index.database.dialect import VALUE
from dgate.index.rows import shown
from dgate.query.matching import Condition
from dgate.query.plan import Output
from dgate.record import dataclass

Row = tuple[bytes | float | None, ...]

_SHOWN_VALUES = 20
_SHOWN_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Search:
    """One query. `name` is that of the information model, `on` what is looked for, `tables` where."""

    name: str
    on: str
    tables: str
    outputs: tuple[Output, ...]
    conditions: tuple[Condition, ...]
    order: str
    sql: str
    parameters: tuple[bytes, ...]
    encode: Callable[[Row], bytes]

    def report(self) -> Iterator[str]:
        """The debug lines of the original (conquest-server.md 10)."""
        yield f"Query On {self.on}"
        yield f"Issue Query on Columns: {', '.join(output.sql for output in self.outputs if output.sql)}"
        yield f"Values: {self._demanded()}"
        yield f"Tables: {self.tables}"
        if self.order:
            yield f"Sort: {self.order}"

    def _demanded(self) -> str:
        """The conditions with their values in place, as far as a line should be long. No server ever sees this text."""
        pieces = " and ".join(part.sql for part in self.conditions).split(VALUE)
        told = [pieces[0]]
        for value, piece in zip(self.parameters[:_SHOWN_VALUES], pieces[1:], strict=False):
            told += [f"'{shown(value)[:_SHOWN_LENGTH]}'", piece]
        return "".join(told) + (" ..." if len(pieces) - 1 > _SHOWN_VALUES else "")
