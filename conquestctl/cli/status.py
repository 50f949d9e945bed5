"""`conquestctl status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from conquestctl.cli.arguments import All, AsJson, Names
from conquestctl.cli.session import current
from conquestctl.errors import ExitStatus

if TYPE_CHECKING:
    from conquestctl.fleet.scan import Broken
    from conquestctl.status import InstanceStatus

COLUMNS = ("Name", "State", "AE title", "Port", "Address", "Uptime", "Images", "Echo")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(ctx: typer.Context, names: Names = None, every: All = False, as_json: AsJson = False) -> None:
    """Show state, AE title, port, address, uptime, images and a fresh C-ECHO of instances; of all when none is named.

    \b
    Exit status: 0 when it could be shown, whatever it shows; 6 when a folder under it cannot be read.

    \b
    Example:
      conquestctl status
      conquestctl status 'ct*' --json
    """
    session = current(ctx).with_json(as_json)
    from conquestctl.status import status as ask

    fleet = session.fleet()
    everything = every or not names
    chosen = fleet.select(names or [], all_=everything) if names or fleet.instances() else []
    broken = fleet.broken_among(names or [], all_=everything)
    lines = ask(chosen, session.engine()) if chosen else []
    output = session.output
    output.document(
        {"ok": not broken, "instances": [_document(line) for line in lines], "broken": [_fault(one) for one in broken]}
    )
    rows = [_row(line) for line in lines] + [_broken_row(one) for one in broken]
    if rows:
        output.table(COLUMNS, rows)
    else:
        output.note(f"no instances in {session.root}")
    for one in broken:
        output.error(one.error)
    raise typer.Exit(ExitStatus.INVALID if broken else ExitStatus.OK)


def duration(seconds: float | None) -> str:
    """Seconds in the two largest units that fit, empty for None."""
    if seconds is None:
        return ""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def _row(line: InstanceStatus) -> tuple[str, ...]:
    answer = line.answer
    images = "" if answer is None or answer.images is None else str(answer.images)
    echo = "" if answer is None else f"ok {answer.seconds * 1000:.0f} ms" if answer.ok else answer.detail
    state = line.state.value if line.exit_code is None else f"{line.state.value} ({line.exit_code})"
    return (line.instance, state, line.ae_title, str(line.port), line.address, duration(line.uptime), images, echo)


def _document(line: InstanceStatus) -> dict[str, object]:
    answer = line.answer
    echo = None if answer is None else {"ok": answer.ok, "detail": answer.detail, "seconds": round(answer.seconds, 6)}
    return {
        "name": line.instance,
        "state": line.state.value,
        "exit_code": line.exit_code,
        "ae_title": line.ae_title,
        "port": line.port,
        "address": line.address,
        "uptime": None if line.uptime is None else round(line.uptime, 1),
        "images": None if answer is None else answer.images,
        "echo": echo,
    }


def _broken_row(one: Broken) -> tuple[str, ...]:
    return (one.name, "broken", one.settings.get("AETITLE", ""), one.settings.get("PORT", ""), "", "", "", "")


def _fault(one: Broken) -> dict[str, object]:
    return {"name": one.name, "message": one.error.message, "hint": one.error.hint}
