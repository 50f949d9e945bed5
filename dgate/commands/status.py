"""`display_status:`, `status_json:` and `get_freestore:`: what the server has done and how it is."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from dgate.archive.devices import free_megabytes
from dgate.commands.arguments import as_bytes, formatted, split
from dgate.commands.context import CommandError
from dgate.commands.database import read_only
from dgate.commands.paths import devices
from dgate.index.index import FAULTS

if TYPE_CHECKING:
    from dgate.commands.context import Context

SCHEMA = 1
BITS = 64 if sys.maxsize > 1 << 32 else 32
DATABASE_SECONDS = 2.0


def display_status_command(context: Context, _arguments: str) -> str:
    """The state of the server as text. The first line is the original's."""
    state = facts(context)
    done, images, database = state["requests"], state["images"], state["database"]
    head = f"DICOM server '{state['ae_title']}' (version {state['version']}, port {state['port']}, bits {BITS})"
    lines = [
        f"{head} was started on {time.ctime(context.started)}",
        f"Run time (s) total {state['uptime']}",
        "Associations={total}; now={now}".format(**state["associations"]),
        f"Connections without an association={state['pending_connections']}",
        f"Images sent={images['sent']}, received={images['stored']}, refused or failed={images['failed']}",
        f"Activity: Echo:{done['echo']}, Find:{done['find']}, Move:{done['move']}, Get:{done['get']}",
        *(f"Queue {name}: {length}" for name, length in state["queues"].items()),
        *(f"Space on {device['name']:<6}: {_space(device['free_mb'])}" for device in state["devices"]),
        "Database is usable" if database["ok"] else f"Database is not usable: {database['why']}",
    ]
    return "".join(line + "\n" for line in lines)


def status_json_command(context: Context, _arguments: str) -> str:
    """The same facts as one JSON document."""
    return json.dumps(facts(context), indent=2) + "\n"


def get_freestore_command(context: Context, arguments: str) -> str:
    """`MAG0[,format]`: free space of a device in MB."""
    name, pattern = split(arguments, ",", 2)
    for device, root in devices(context):
        if device == name.strip().upper():
            return formatted(pattern or "%s", (str(free_megabytes(as_bytes(root))),))
    raise CommandError(f"there is no device {name.strip()[:32]!r}")


def facts(context: Context) -> dict[str, Any]:
    """Everything the status commands tell."""
    from dgate.server import VERSION

    counts, (pending, associations) = context.counters.snapshot(), context.door.counts()
    why = _database_fault(context)
    return {
        "schema": SCHEMA,
        "ae_title": context.settings.ae_title,
        "port": context.settings.port,
        "version": VERSION,
        "pid": os.getpid(),
        "started": int(context.started),
        "uptime": int(time.time() - context.started),
        "associations": {"now": associations, "total": counts["associations"]},
        "pending_connections": pending,
        "images": {"stored": counts["stored"], "failed": counts["store_failures"], "sent": counts["sent"]},
        "requests": {
            "echo": counts["echoes"], "find": counts["queries"], "move": counts["moves"], "get": counts["gets"],
        },
        "queues": {"index": context.archive.stores.writer.waiting, **_forwarding(context)},
        "devices": [
            {"name": name, "folder": root, "free_mb": _free(root)} for name, root in devices(context)
        ],
        "database": {"ok": not why, "why": why},
    }  # fmt: skip


def _forwarding(context: Context) -> dict[str, int]:
    """How many jobs the forwarding queue has in which state; none where it was never needed."""
    from dgate.commands.queues import lengths
    from dgate.index.index import FAULTS

    total: dict[str, int] = {}
    try:
        for states in lengths(context).values():
            for state, count in states.items():
                total[f"forwarding {state}"] = total.get(f"forwarding {state}", 0) + count
    except FAULTS:
        return {}  # what is wrong with the database is told below
    return total


def _free(root: str) -> int | None:
    """None for a folder that is not there."""
    try:
        return free_megabytes(as_bytes(root))
    except OSError:
        return None


def _space(megabytes: int | None) -> str:
    return "not there" if megabytes is None else f"{megabytes} MByte"


def _database_fault(context: Context) -> str:
    """Why the index cannot be used; empty when it can."""
    try:
        with read_only(context.options, DATABASE_SECONDS) as connection:
            for table in context.tables.levels:
                connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone()  # noqa: S608 - a configured name
    except FAULTS as fault:
        return str(fault)
    return ""
