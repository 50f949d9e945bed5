"""`conquestctl script`: Lua scripts that converters run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conquestctl.cli.arguments import AsJson, Name
from conquestctl.cli.session import current

HELP = """List and add the Lua scripts of an instance, which its converters run.

\b
Example:
  conquestctl script add ct1 route.lua && conquestctl converter add ct1 ../scripts/route.lua
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="script")


@app.command("list")
def list_(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show the scripts in mount/scripts, with the converter line that runs each.

    \b
    Example:
      conquestctl script list ct1
    """
    from conquestctl.fleet.scripts import list_scripts

    session = current(ctx).with_json(as_json)
    scripts = list_scripts(session.fleet().get(name))
    facts = [{"name": one.name, "size": one.size, "line": one.line} for one in scripts]
    session.output.document({"instance": name, "scripts": facts})
    if scripts:
        session.output.table(("Script", "Bytes", "Line"), [(one.name, str(one.size), one.line) for one in scripts])
    else:
        session.output.note(f"{name} has no script; add one: conquestctl script add {name} FILE.lua")


@app.command("add")
def add(
    ctx: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE.lua", help="The script.", show_default=False)],
    under: Annotated[str, typer.Option("--as", metavar="SCRIPT.lua", help="Its name there; else its own.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over another script of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy a script into mount/scripts, if it is Lua, and say which converter line runs it.

    \b
    Example:
      conquestctl script add ct1 route.lua
      conquestctl script add ct1 new.lua --as route.lua --force
    """
    from conquestctl.fleet.scripts import add_script

    session = current(ctx).with_json(as_json)
    instance = session.fleet().get(name)
    source = session.output.environment.cwd / file
    script = add_script(instance, source, under, force=force, say=session.output.note)
    session.output.document({"instance": name, "script": script.name, "size": script.size, "line": script.line})
    session.output.success(f"{name} has {script.name}; run it: conquestctl converter add {name} {script.line}")
