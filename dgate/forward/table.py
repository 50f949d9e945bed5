"""The table `ForwardQueue` of the instance's database: what is still to be forwarded, fetched or run.

The original never looks at it. It is made when it is first needed, and `-i` and `-r` leave it as it is: what waits in
it concerns objects that were acknowledged, and their files stay too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dgate.index.database.dialect import VALUE
from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.index.database.base import Connection, Executing

TABLE = "ForwardQueue"
WAITING, HELD, DEAD = "waiting", "held", "dead"
"""To be done when it is due; failed or put off, to be done again; given up, until somebody says otherwise."""
MAX_WHY = 200

COLUMNS = ("ID", "Lane", "State", "Due", "Entered", "Tries", "Identity", "Work", "Why")
NUMBERS = frozenset({"ID", "Due", "Entered", "Tries"})
"""Those of the columns that hold no text."""

_COLUMNS = ", ".join(COLUMNS)
_TYPES = (
    "ID bigint PRIMARY KEY not null, Lane varchar(255), State varchar(8), Due double precision, "
    "Entered double precision, Tries int, Identity varchar(64), Work text, Why varchar(255)"
)
_INDICES = (
    f"CREATE INDEX forward_lane ON {TABLE} (Lane, State, Due)",
    f"CREATE INDEX forward_identity ON {TABLE} (Identity)",
)

Work = dict[str, Any]
"""What is to be done, as JSON. `label` names it in log lines."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row."""

    id: int
    lane: str
    """Who works on it: one thread each, so that nobody waits for another one's destination."""
    state: str
    due: float
    """Unix time before which it is not begun."""
    entered: float
    tries: int
    """How often it has failed."""
    identity: str
    """What an equal request has as well; empty where each is one of its own."""
    work: Work
    why: str
    """Of the last failure."""

    @property
    def label(self) -> str:
        """What log lines call it."""
        return str(self.work.get("label", ""))


def exists(connection: Connection) -> bool:
    """Whether anything has ever been queued here."""
    rows = connection.execute(connection.dialect.table_names).fetchall()
    return any(_text(name).lower() == TABLE.lower() for (name,) in rows)


def create(connection: Connection) -> int:
    """Make the table where there is none; the highest ID in it."""
    if not exists(connection):
        connection.execute(f"CREATE TABLE {TABLE} ({_TYPES}){connection.dialect.of_table}")
        for statement in _INDICES:
            connection.execute(statement)
    return int(connection.execute(f"SELECT MAX(ID) FROM {TABLE}").fetchone()[0] or 0)  # noqa: S608 - a constant


def insert(connection: Executing, number: int, lane: str, work: Work, now: float) -> None:
    """A new job with this ID, due at once."""
    values = f"?, {VALUE}, {VALUE}, 0, ?, 0, {VALUE}, {VALUE}, {VALUE}"
    parameters = (number, _bytes(lane), _bytes(WAITING), now, b"", _json(work), b"")
    connection.execute(f"INSERT INTO {TABLE} ({_COLUMNS}) VALUES ({values})", parameters)  # noqa: S608 - constants


def request(
    connection: Executing, number: int, lane: str, work: Work, now: float, *, due: float, identity: str
) -> None:
    """A new job, unless an equal one waits: then its waiting time begins anew."""
    equal = f"Identity = {VALUE} AND State = {VALUE}"
    parameters = (_bytes(identity), _bytes(WAITING))
    connection.execute(f"UPDATE {TABLE} SET Due = {due!r} WHERE {equal}", parameters)  # noqa: S608 - constants and a number
    values = f"{number}, {VALUE}, {VALUE}, {due!r}, {now!r}, 0, {VALUE}, {VALUE}, {VALUE}"
    new = f"SELECT {values} FROM (SELECT 1 AS one) AS single WHERE NOT EXISTS (SELECT 1 FROM {TABLE} WHERE {equal})"  # noqa: S608 - constants and numbers
    fields = (_bytes(lane), _bytes(WAITING), _bytes(identity), _json(work), b"")
    connection.execute(f"INSERT INTO {TABLE} ({_COLUMNS}) {new}", (*fields, *parameters))


def is_waiting(connection: Connection, identity: str) -> bool:
    """Whether an equal request waits."""
    sql = f"SELECT 1 FROM {TABLE} WHERE Identity = {VALUE} AND State = {VALUE} LIMIT 1"  # noqa: S608 - constants
    return connection.execute(sql, (_bytes(identity), _bytes(WAITING))).fetchone() is not None


def first(connection: Connection, lane: str, state: str) -> Job | None:
    """The job of a lane that is due first, whether it is or not."""
    where = f"Lane = {VALUE} AND State = {VALUE}"
    sql = f"SELECT {_COLUMNS} FROM {TABLE} WHERE {where} ORDER BY Due, ID LIMIT 1"  # noqa: S608 - constants
    row = connection.execute(sql, (_bytes(lane), _bytes(state))).fetchone()
    return None if row is None else _job(row)


def find(connection: Connection, limit: int) -> Iterator[Job]:
    """So many jobs, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM {TABLE} ORDER BY ID LIMIT {limit}"  # noqa: S608 - constants and a number
    return map(_job, connection.execute(sql))


def held(connection: Connection) -> Iterator[Job]:
    """All that is put aside, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM {TABLE} WHERE State = {VALUE} ORDER BY ID"  # noqa: S608 - constants
    return map(_job, connection.execute(sql, (_bytes(HELD),)))


def busy_lanes(connection: Connection) -> list[str]:
    """The lanes with something to do."""
    sql = f"SELECT DISTINCT Lane FROM {TABLE} WHERE State <> {VALUE}"  # noqa: S608 - constants
    return [_text(lane) for (lane,) in connection.execute(sql, (_bytes(DEAD),))]


def counts(connection: Connection) -> dict[str, dict[str, int]]:
    """How many jobs are in which state, by lane."""
    found: dict[str, dict[str, int]] = {}
    for lane, state, count in connection.execute(f"SELECT Lane, State, COUNT(*) FROM {TABLE} GROUP BY Lane, State"):  # noqa: S608 - a constant
        found.setdefault(_text(lane), {})[_text(state)] = int(count)
    return found


def finish(connection: Connection, job: Job) -> None:
    """It is done; but one whose waiting time has begun anew meanwhile is to be done again."""
    connection.execute(f"DELETE FROM {TABLE} WHERE ID = ? AND Due = ?", (job.id, job.due))  # noqa: S608 - a constant


def hand_over(connection: Connection, number: int, lane: str, work: Work) -> None:
    """Another lane goes on with it."""
    sql = f"UPDATE {TABLE} SET Lane = {VALUE}, State = {VALUE}, Due = 0, Work = {VALUE} WHERE ID = ?"  # noqa: S608 - constants
    connection.execute(sql, (_bytes(lane), _bytes(WAITING), _json(work), number))


def hold(connection: Connection, job: Job, *, due: float, failed: bool, why: str) -> None:
    """To be done again; its work may have changed."""
    values = f"State = {VALUE}, Due = ?, Tries = Tries + ?, Work = {VALUE}, Why = {VALUE}"
    sql = f"UPDATE {TABLE} SET {values} WHERE ID = ?"  # noqa: S608 - constants
    connection.execute(sql, (_bytes(HELD), due, int(failed), _json(job.work), _why(why), job.id))


def bury(connection: Connection, job: Job, why: str) -> None:
    """Give it up, unless its waiting time has begun anew meanwhile."""
    values = f"State = {VALUE}, Tries = Tries + 1, Why = {VALUE}"
    sql = f"UPDATE {TABLE} SET {values} WHERE ID = ? AND Due = ?"  # noqa: S608 - constants
    connection.execute(sql, (_bytes(DEAD), _why(why), job.id, job.due))


def bury_held(connection: Connection, lane: str, why: str) -> None:
    """Give up all that is held in a lane."""
    sql = f"UPDATE {TABLE} SET State = {VALUE}, Why = {VALUE} WHERE Lane = {VALUE} AND State = {VALUE}"  # noqa: S608 - constants
    connection.execute(sql, (_bytes(DEAD), _why(why), _bytes(lane), _bytes(HELD)))


def retry(connection: Connection, number: int | None) -> int:
    """Have one job, or all that are held or given up, done at once; how many."""
    sql = f"UPDATE {TABLE} SET State = {VALUE}, Due = 0, Tries = 0 WHERE State <> {VALUE}"  # noqa: S608 - constants
    if number is None:
        return connection.execute(sql, (_bytes(HELD), _bytes(WAITING))).rowcount
    return connection.execute(f"{sql} AND ID = ?", (_bytes(HELD), _bytes(WAITING), number)).rowcount


def drop(connection: Connection, number: int | None) -> int:
    """Forget one job or all; how many."""
    if number is None:
        return connection.execute(f"DELETE FROM {TABLE}").rowcount  # noqa: S608 - a constant
    return connection.execute(f"DELETE FROM {TABLE} WHERE ID = ?", (number,)).rowcount  # noqa: S608 - a constant


def release_held(connection: Connection) -> None:
    """After a start everything that is held may be tried at once."""
    connection.execute(f"UPDATE {TABLE} SET Due = 0 WHERE State = {VALUE}", (_bytes(HELD),))  # noqa: S608 - constants


def _job(row: tuple[Any, ...]) -> Job:
    import json  # not free at a start that only asks whether there is anything

    number, lane, state, due, entered, tries, identity, work, why = row
    texts = (_text(value) for value in (lane, state, identity, why))
    lane, state, identity, why = texts
    return Job(int(number), lane, state, float(due), float(entered), int(tries), identity, json.loads(work), why)


def _bytes(text: str) -> bytes:
    """Text of lines has one character for each byte."""
    return text.encode("latin-1", "replace")


def _text(value: bytes | None) -> str:
    return (value or b"").decode("latin-1")


def _json(work: Work) -> bytes:
    import json

    return json.dumps(work).encode("ascii")


def _why(text: str) -> bytes:
    return _bytes(text[:MAX_WHY])
