"""Write `docs/reference.md` from what the program says about itself, so that help and page cannot drift.

Run it from the repository's folder after a change to a command: `python tools/generate_reference.py`. A test fails
while the page is not what this makes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reference.md"
WIDTH = 100

HEAD = """# Reference of the command line

Made by `tools/generate_reference.py` from `--help`; do not edit.

The fleet is the folder given by `--root`, else by `CONQUESTCTL_ROOT`, else `./instances`. The engine is `--engine`,
else `CONQUESTCTL_ENGINE`, else `auto`: Docker when a Docker engine answers, local processes otherwise.

Data goes to stdout, everything else to stderr. With `--json` a command prints exactly one document on stdout, with
`"schema": 1` and `"ok"`, also when it fails: then `"error"` holds `message`, `hint`, `status`, `kind` and `instance`.
`NO_COLOR`, `FORCE_COLOR` and `TERM=dumb` are honoured.
"""


def reference() -> str:
    """Return the whole page."""
    import typer

    from conquestctl.cli.main import STATUS_WORDS, app

    rows = "".join(f"| {status.value} | {status.name} | {words} |\n" for status, words in STATUS_WORDS.items())
    table = f"\n## Exit status\n\n| number | name | meaning |\n|---|---|---|\n{rows}"
    return HEAD + table + "".join(sections(typer.main.get_command(app), "conquestctl", None))


def sections(command: Any, name: str, parent: Any) -> Iterator[str]:
    """Yield a section for a command and for each below it."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH)
    yield f"\n## {context.command_path}\n\n```text\n{context.get_help().rstrip()}\n```\n"
    for child_name, child in getattr(command, "commands", {}).items():
        yield from sections(child, child_name, context)


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    PAGE.write_text(reference(), encoding="utf-8")
