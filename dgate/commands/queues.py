"""`queue_list:`, `queue_retry:` and `queue_drop:`: what is still to be forwarded, fetched or run.

These commands are not in the original, whose queues lie in memory and in files that only it can read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.commands.arguments import number
from dgate.commands.context import CommandError
from dgate.commands.database import read_only
from dgate.forward import table

if TYPE_CHECKING:
    from dgate.commands.context import Context
    from dgate.index.database.base import Connection

LISTED = 10_000
"""Jobs that one list shows."""


def queue_list_command(context: Context, arguments: str) -> str:
    """One line per job: ID, state, lane, failures, seconds until it is due, what, why; `json` for a document."""
    now = time.time()
    jobs = [_facts(job, now) for job in _jobs(context)]
    if arguments.strip().lower() == "json":
        return json.dumps(jobs, indent=2) + "\n"
    return "".join(_line(job) for job in jobs)


def queue_retry_command(context: Context, arguments: str) -> str:
    """`ID|all`: have it done at once, also if it was given up."""
    return _changed(context, arguments, table.retry)


def queue_drop_command(context: Context, arguments: str) -> str:
    """`ID|all`: forget it."""
    return _changed(context, arguments, table.drop)


def lengths(context: Context) -> dict[str, dict[str, int]]:
    """How many jobs are in which state, by lane. Raises `FAULTS`."""
    with read_only(context.options) as connection:
        return table.counts(connection) if table.exists(connection) else {}


def _jobs(context: Context) -> list[table.Job]:
    with read_only(context.options) as connection:
        return list(table.find(connection, LISTED)) if table.exists(connection) else []


def _changed(context: Context, arguments: str, change: Callable[[Connection, int | None], int]) -> str:
    """The number of jobs it was done to. Raises `CommandError` for a job that is not there."""
    which = arguments.strip().lower()
    wanted = None if which == "all" else number(which, "the job")

    def work(connection: Connection) -> int:
        return change(connection, wanted) if table.exists(connection) else 0

    count = context.archive.stores.writer.transact(work)
    if not count and wanted is not None:
        raise CommandError(f"there is no such job: {wanted}")
    if count:
        context.resume()
    return f"{count}\n"


def _facts(job: table.Job, now: float) -> dict[str, str | int]:
    return {
        "id": job.id, "state": job.state, "lane": job.lane, "tries": job.tries, "due": max(int(job.due - now), 0),
        "age": max(int(now - job.entered), 0), "what": job.label, "why": job.why,
    }  # fmt: skip


def _line(job: dict[str, str | int]) -> str:
    texts = (str(job[name]) for name in ("id", "state", "lane", "tries", "due", "what", "why"))
    return "|".join("".join(c if c.isprintable() else "?" for c in text) for text in texts) + "\n"
