"""Shell completion of live instance names: one directory scan, nothing heavy imported."""

from __future__ import annotations

import os

import typer  # noqa: TC002 -- Typer reads the annotation at run time

from conquestctl.fleet.instance import ENV_FILE


def complete_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the fleet's instances that start with `incomplete` and are not on the command line yet."""
    root = ctx.find_root().params.get("root") or os.environ.get("CONQUESTCTL_ROOT") or "instances"
    given = ctx.params.get("names") or ()
    return [name for name in instance_names(str(root)) if name.startswith(incomplete) and name not in given]


def instance_names(root: str) -> list[str]:
    """Names of the folders under `root` that hold an instance, sorted; none when `root` cannot be read."""
    try:
        entries = os.scandir(root)
    except OSError:
        return []  # completion has no place to complain; the command itself will
    with entries:
        return sorted(e.name for e in entries if os.path.isfile(os.path.join(e.path, ENV_FILE)))  # noqa: PTH113, PTH118
