"""`conquestctl echo --mesh`: who reaches whom, seen from inside each instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conquestctl.cli.maps import readers
from conquestctl.cli.session import Session, outcome
from conquestctl.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from conquestctl.fleet.instance import Instance
    from conquestctl.fleet.nodes import Neighbourhood
    from conquestctl.mesh import Cell

FAILURES = ("From", "To", "Entry", "Result", "Detail", "What to do")


def show_mesh(session: Session, names: Sequence[str], every: bool, timeout: float) -> ExitStatus:
    """Ask and print the matrix, then a line per failure; the exit status. `names` chooses the rows.

    Raises `UsageError` for an address, because nobody can look from inside a foreign node.
    """
    from conquestctl.mesh import mesh

    if any("@" in name for name in names):
        raise UsageError("--mesh asks from inside instances; an address is none", hint="Name instances, or none.")
    fleet = session.fleet()
    chosen = fleet.select(names, all_=every or not names)
    around = neighbourhood(session)
    full = full_table(around, chosen)
    if full:
        session.output.warn(full)
    cells = mesh(chosen, around, session.engine(), timeout=timeout)
    failed = [cell for cell in cells if not cell.ok]
    output = session.output
    output.document({"ok": not failed, "cells": [_document(cell) for cell in cells]})
    if cells:
        output.table(*matrix(cells))
    if failed:
        output.table(FAILURES, failures(failed))
    output.note(f"{len(cells) - len(failed)} of {len(cells)} ways are open")
    return outcome(len(cells), len(failed), ExitStatus.NOT_READY)


def full_table(around: Neighbourhood, chosen: Sequence[Instance]) -> str:
    """What is to be said in good time where the asking itself would fill the kernel's table of neighbours."""
    from conquestctl.fleet.addresses import Reader
    from conquestctl.neighbourtable import DEFAULT, MORE_ROOM, places, shortage

    containers = {one.name for one in around.instances if around.readers[one.name] is Reader.CONTAINER}
    asking = containers & {one.name for one in chosen}
    why = shortage(len(containers), len(asking), places() or DEFAULT)
    return f"{why}. More room: {MORE_ROOM}" if why else ""


def neighbourhood(session: Session) -> Neighbourhood:
    """Return everybody the fleet's instances should know, and how each of these runs."""
    from conquestctl.fleet.addresses import is_own_host
    from conquestctl.fleet.maps import read_nodes
    from conquestctl.fleet.nodes import Neighbourhood

    instances = session.fleet().instances()
    return Neighbourhood(instances, read_nodes(session.root)[0], readers(session)(instances), is_own_host)


def matrix(cells: Sequence[Cell]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows: a row per source, a column per target, `-` where nothing is to be reached."""
    targets = list(dict.fromkeys(cell.target for cell in cells))
    sources = list(dict.fromkeys(cell.source for cell in cells))
    targets.sort(key=lambda name: sources.index(name) if name in sources else len(sources))
    found = {(cell.source, cell.target): cell.layer or "ok" for cell in cells}
    rows = [(source, *(found.get((source, target), "-") for target in targets)) for source in sources]
    return ("From", *targets), rows


def failures(cells: Sequence[Cell]) -> list[tuple[str, ...]]:
    """Return a row per failure; one for all ways of an instance from which nothing could be asked."""
    rows: dict[tuple[str, str], tuple[str, ...]] = {}
    for cell in cells:
        target = cell.target if cell.look else "all"
        entry = f"{cell.wanted.host}:{cell.wanted.port}" if cell.look else ""
        rows.setdefault((cell.source, target), (cell.source, target, entry, cell.layer, cell.detail, cell.hint))
    return list(rows.values())


def _document(cell: Cell) -> dict[str, object]:
    look = cell.look
    return {
        "from": cell.source,
        "to": cell.target,
        "ae_title": cell.wanted.ae,
        "host": cell.wanted.host,
        "port": cell.wanted.port_number,
        "line": look.entry.line if look and look.entry else None,
        "addresses": list(look.addresses) if look else [],
        "ok": cell.ok,
        "layer": cell.layer,
        "detail": cell.detail,
        "hint": cell.hint,
        "seconds": round(look.seconds, 6) if look else None,
    }
