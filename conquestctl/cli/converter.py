"""`conquestctl converter`: the lines of converters.txt, which change, route or reject what is received."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conquestctl.cli.arguments import All, AsJson, Name, Names
from conquestctl.cli.session import current
from conquestctl.errors import ExitStatus

if TYPE_CHECKING:
    from conquestctl.cli.session import Session
    from conquestctl.fleet.converterfindings import Remark
    from conquestctl.fleet.instance import Instance

HELP = """List, change, check and try out import converters: lines that change, route or reject what is received.

They are in mount/config/converters.txt of the instance; docs/converters.md explains their language.

\b
Example:
  conquestctl converter add ct1 'ifequal "%m","MR"; destroy' && conquestctl converter test ct1 image.dcm
"""
CALLING = "CONQUESTCTL"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="converter")


@app.command("list")
def list_lines(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show the lines of an instance, with the numbers they have in the log.

    \b
    Example:
      conquestctl converter list ct1
    """
    from conquestctl.fleet.converters import read_file, rows_of

    session = current(ctx).with_json(as_json)
    instance = session.fleet().get(name)
    rows = rows_of(read_file(instance))
    session.output.document({"instance": name, "lines": [asdict(row) for row in rows]})
    if rows:
        session.output.table(("No", "Kind", "Line"), [(str(row.number), row.kind, row.text) for row in rows])
    else:
        session.output.note(f"{name} has no converter; add one: conquestctl converter add {name} 'LINE'")


@app.command("add")
def add(
    ctx: typer.Context,
    name: Name,
    line: Annotated[str, typer.Argument(metavar="LINE", help="The line, in single quotes.", show_default=False)],
    at: Annotated[int | None, typer.Option("--at", metavar="K", help="Its number; else behind all others.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a line, and say what is doubtful about it. Everything else in the file stays as it is.

    \b
    Example:
      conquestctl converter add ct1 'ifequal "%m","MR"; destroy'
      conquestctl converter add ct1 'set 0008,0080 to "OUR CLINIC"' --at 0
    """
    from conquestctl.fleet.converterfindings import check_one
    from conquestctl.fleet.converters import added, checked_line, edit_file, rows_of

    session = current(ctx).with_json(as_json)
    instance = session.fleet().get(name)
    raw = checked_line(line)
    text = rows_of(raw)[0].text
    _old, new = edit_file(instance, lambda data: added(data, raw, at)[0], say=session.output.note)
    number = len(rows_of(new)) - 1 if at is None else at
    remarks = check_one(instance, text)
    for one in remarks:
        session.output.warn(f"column {one.column}: {one.message}")
    session.output.document({"instance": name, "number": number, "line": text, "findings": _facts(name, remarks)})
    session.output.success(f"{name}: converter {number} is {text}")
    _follow_up(session, instance, number if number + 1 < len(rows_of(new)) else None)


@app.command("rm")
def rm(
    ctx: typer.Context,
    name: Name,
    number: Annotated[int, typer.Argument(metavar="K", help="Its number in the list.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Take a line out. Those behind it move up by one.

    \b
    Example:
      conquestctl converter rm ct1 0
    """
    from conquestctl.fleet.converters import edit_file, rows_of, without

    session = current(ctx).with_json(as_json)
    instance = session.fleet().get(name)
    old, _new = edit_file(instance, lambda data: without(data, number), say=session.output.note)
    row = rows_of(old)[number]
    session.output.document({"instance": name, "number": number, "line": row.text})
    session.output.success(f"{name}: converter {number} is gone: {row.text}")
    _follow_up(session, instance, number)


@app.command("check")
def check(ctx: typer.Context, names: Names = None, every: All = False, as_json: AsJson = False) -> int:
    """Find mistakes and traps in converters.txt, in the converters of dicom.ini.j2, and in scripts.

    \b
    Exit status: 0 with warnings at most, 6 when there is an error.

    \b
    Example:
      conquestctl converter check ct1
      conquestctl converter check --all --json
    """
    from conquestctl.fleet.converterfindings import check as look
    from conquestctl.fleet.converterfindings import not_checked

    session = current(ctx).with_json(as_json)
    chosen = session.fleet().select(names or [], all_=every)
    found = [(instance.name, look(instance)) for instance in chosen]
    wrong = sum(one.wrong for _, remarks in found for one in remarks)
    facts = [fact for name, remarks in found for fact in _facts(name, remarks)]
    session.output.document({"ok": not wrong, "findings": facts, "not_checked": not_checked()})
    for name, remarks in found:
        for one in remarks:
            session.output.data(f"{name}/{one}")
    if not_checked():
        session.output.warn(not_checked())
    total = sum(len(remarks) for _, remarks in found)
    session.output.note(f"{_count(wrong, 'error')}, {_count(total - wrong, 'warning')}")
    return ExitStatus.INVALID if wrong else ExitStatus.OK


@app.command("test")
def try_file(
    ctx: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE.dcm", help="A DICOM file.", show_default=False)],
    calling: Annotated[str, typer.Option(metavar="AET", help="AE title of the sender.")] = CALLING,
    called: Annotated[str, typer.Option(metavar="AET", help="AE title it calls; else the instance's.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run the converters of an instance on a file, without a server: each step, what changes, what becomes of it.

    Nothing is sent, written or run: what a server would do is told. A > marks such a step, a . a line that a server
    shows only when it shows everything.

    \b
    Example:
      conquestctl converter test ct1 image.dcm
      conquestctl converter test ct1 image.dcm --calling SCANNER3 --json
    """
    from conquestctl.tryout import as_text, try_out

    session = current(ctx).with_json(as_json)
    instance = session.fleet().get(name)
    path = session.output.environment.cwd / file
    trial = try_out(instance, path, session.environ, calling_ae=calling, called_ae=called)
    session.output.document({"instance": name, **asdict(trial)})
    session.output.data(as_text(trial))


def _facts(name: str, remarks: list[Remark]) -> list[dict[str, object]]:
    return [{"instance": name, "severity": "error" if one.wrong else "warning", **asdict(one)} for one in remarks]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _follow_up(session: Session, instance: Instance, first: int | None) -> None:
    """What a person has to know after a change: filters of lines that have new numbers now, and when it works."""
    from conquestctl.fleet.converters import TEMPLATE, read_file, renumbered

    moved = [] if first is None else renumbered(read_file(instance, TEMPLATE), first)
    if moved:
        session.output.warn(
            f"lines have other numbers now, but their filters in dicom.ini.j2 have not: {', '.join(moved)}"
        )
    session.output.note("A server that runs takes it up within a second or two.")
