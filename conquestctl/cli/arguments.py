"""Arguments and options that several commands share, so that they read and complete the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from conquestctl.cli.completion import complete_names

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Instances by name or glob ('ct*').",
        autocompletion=complete_names,
        show_default=False,
    ),
]
"""Instances to work on; None or empty when none was named."""

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The instance.", autocompletion=complete_names, show_default=False),
]
"""Exactly one instance."""

All = Annotated[bool, typer.Option("--all", help="Every instance of the fleet.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout instead of text.")]
