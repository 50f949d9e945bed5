"""Delayed commands on their way into the queue (conquest-converters.md 7)."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from datetime import date
from typing import TYPE_CHECKING

from dgate.forward import table
from dgate.forward.days import day_of, days_around
from dgate.forward.parcel import SERIES_UID, STUDY_UID
from dgate.forward.queues import LATER, Queues
from dgate.forward.statement import LEFT_OUT, LEVELS, SHOWN, SPLIT, Delayed, parse_delayed
from dgate.index.index import FAULTS
from dgate.record import dataclass, replace
from dgate.rules.outcome import Status
from dgate.rules.quoting import for_line, for_shell
from dgate.rules.subject import PATIENT_ID, SOP_UID
from dgate.threads import served

if TYPE_CHECKING:
    from dgate.forward.table import Work
    from dgate.index.database.base import Connection, Executing
    from dgate.rules.run import Run

KEYS = ("patient_id", "study_uid", "series_uid", "sop_uid")
TAGS = dict(zip(KEYS, (PATIENT_ID, STUDY_UID, SERIES_UID, SOP_UID), strict=True))
STUDY_DATE = 0x00080020
IMPORT = "Importconverter"
"""How log lines of import converters begin; called lines are theirs too."""
WIDENING = frozenset({"modality", "date", "now", "age", "sop", "study", "series"})
"""Clauses that make a request one for the whole patient, or for what they name."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that is not in the database yet."""

    lane: str
    work: Work
    wait: int
    identity: str

    def put(self, connection: Executing, number: int) -> None:
        """Put it there, under this number if there is no equal one."""
        now = time.time()
        table.request(connection, number, self.lane, self.work, now, due=now + self.wait, identity=self.identity)


class Requests:
    """Takes requests. Thread-safe.

    Those about an object that is about to be stored wait for its rows: what is carried out at once must find it.
    """

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._held: dict[int, list[Pending]] = {}
        """What import converters want for the object that a thread is about to store, by that thread."""
        self._lock = threading.Lock()
        self._begun = False

    def delay(self, statement: str, run: Run) -> Status:
        """See `Forwarder` of dgate.rules.interfaces. What cannot be queued is an error line, and the line goes on."""
        asked = asked_by(statement, run)
        if asked is None:
            return Status.NEXT
        request, keys = asked
        pending = self._pending(request, keys, run)
        self._announce()
        try:
            known = self._queues.knows(pending.identity) or pending in self._held.get(served(), ())
            if run.prefix == IMPORT and run.subject.incoming:
                self._held.setdefault(served(), []).append(pending)
            else:
                self.put([pending])
        except FAULTS as fault:
            run.error(f"{statement}: not queued: {fault}")
            return Status.NEXT
        if not known:
            run.operator(f"{run.where}: {told(request, keys['patient_id'])}")
        return Status.NEXT

    def take(self) -> list[Pending]:
        """What this thread's object brings; whoever takes it sees to it."""
        return self._held.pop(served(), [])

    def flush(self) -> None:
        """Queue what this thread's object brings, though it was not stored. Raises `FAULTS`."""
        self.put(self.take())

    def put(self, pending: list[Pending]) -> None:
        """Queue these in a transaction of their own. Raises `FAULTS`."""
        if not pending:
            return
        queues = self._queues

        def work(connection: Connection) -> None:
            for each in pending:
                each.put(connection, next(queues.numbers))

        queues.transact(work)
        for each in pending:
            queues.wake(each.lane)

    def _pending(self, request: Delayed, keys: dict[str, str], run: Run) -> Pending:
        wanted, clauses = scope(request, keys), dict(request.clauses)
        environment: dict[str, str] = {}
        if "script" in clauses:
            clauses["script"] = _clause(for_line(run.values), "script")
        if "by" in clauses:
            command, environment = for_shell(run.values)
            clauses["by"] = _clause(command, "by")
        work = {
            "verb": request.verb, "level": request.level, "clauses": clauses, "target": request.target,
            "keys": wanted, "label": keys["patient_id"], "prefix": run.prefix, "number": run.number, "part": run.part,
            "environment": environment,
        }  # fmt: skip
        identity = json.dumps([request.verb, request.level, clauses, wanted, environment], sort_keys=True)
        wait = request.wait(self._queues.settings.forward_collect_delay)
        return Pending(lane_of(request), work, wait, hashlib.sha256(identity.encode()).hexdigest())

    def _announce(self) -> None:
        with self._lock:
            begun, self._begun = self._begun, True
        if not begun:
            threads = self._queues.settings.delayed_forwarder_threads
            self._queues.log.console(f"Starting {threads} DelayedForwarderThreads")


def asked_by(statement: str, run: Run) -> tuple[Delayed, dict[str, str]] | None:
    """What a statement asks for, and what it could be about; None, perhaps with an error line, if that is nothing."""
    if statement.lower().split(" ", 1)[0] in LEFT_OUT:
        run.error(statement)
        return None
    request = parse_delayed(statement)
    if request is None:
        return None
    keys = {name: run.subject.attribute(tag) for name, tag in TAGS.items()}
    try:
        request = replace(request, clauses=settled(request, run.subject.attribute(STUDY_DATE)))
    except ValueError as fault:  # without the clause too much would go
        run.error(f"{statement}: {fault}")
        return None
    if not any(scope(request, keys).values()):
        run.error(f"{statement}: the object has no patient ID, and all patients cannot be meant")
        return None
    return request, keys


def lane_of(request: Delayed) -> str:
    """Who works on it: whoever else waits for the same destination, else the others of its kind."""
    return LATER + (request.verb if request.verb in ("process", "delete", "merge", "prefetch") else request.target)


def scope(request: Delayed, keys: dict[str, str]) -> dict[str, str]:
    """What names the objects: the patient and what is below, down to the level; some clauses widen it."""
    if request.verb == "merge":
        depth = 2
    elif request.level not in LEVELS or not WIDENING.isdisjoint(request.clauses):
        depth = 1
    else:
        depth = LEVELS.index(request.level) + 1
    wanted = {name: keys[name] for name in KEYS[:depth]}
    for clause, name in (("study", "study_uid"), ("series", "series_uid"), ("sop", "sop_uid")):
        if clause in request.clauses:
            wanted[name] = request.clauses[clause]
    return wanted


def settled(request: Delayed, study_date: str) -> dict[str, str]:
    """The clauses with the days that they mean today, or for this object. Raises ValueError for what means none."""
    clauses = dict(request.clauses)
    now, age = clauses.pop("now", None), clauses.pop("age", None)
    if now is not None:
        clauses["date"] = days_around(now, date.today())  # noqa: DTZ011 - dates of studies are local
    if age is not None:
        clauses["date"] = days_around(age, day_of(study_date))
    if "split" in clauses and (request.verb != "forward" or not SPLIT.fullmatch(clauses["split"])):
        raise ValueError("expected forward ... split N/M")
    return clauses


def _clause(statement: str, name: str) -> str:
    """What a clause says in a statement whose received values were made harmless."""
    request = parse_delayed(statement)
    return "" if request is None else request.clauses.get(name, "")


def told(request: Delayed, patient_id: str) -> str:
    """The log line, in the original's words."""
    if request.verb == "prefetch":
        return f"queued prefetch {patient_id}"
    if request.verb == "preretrieve":
        return f"queued preretrieve of patient {patient_id} from {request.target}"
    which = f"single object {request.clauses.get('modality', '')} {request.clauses.get('date', '')}"
    return f"queued {request.text[:SHOWN]} - ({which} of {patient_id}) to {request.target}"
