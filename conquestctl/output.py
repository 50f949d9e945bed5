"""The one output door: data on stdout, everything else on stderr.

A command says everything it has to say once, as a document and as a table; which of the two is shown depends on
`--json`. User text (AE titles, paths, log lines, a peer's words) is never read as markup and never reaches the
terminal with control characters in it. rich is imported for tables and live progress on a terminal only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from conquestctl.errors import ConquestError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
"""Version of the JSON documents; raised when a field changes its meaning or goes away."""

Update = Callable[[str, str], None]
"""`update(name, text)`: what the instance `name` is at now. Safe from several threads."""

RED, GREEN, YELLOW, DIM = "31", "32", "33", "2"

CELL_STYLES = {
    "ok": "green",
    "stored": "green",
    "running": "green",
    "failed": "red",
    "problem": "red",
    "exited": "red",
    "restarting": "yellow",
    "created": "yellow",
    "paused": "yellow",
    "warning": "yellow",
    "absent": "dim",
}
"""Whole cells that carry a colour where colour is wanted; the word always says the same without it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the program finds around itself; tests build another one instead of patching `sys`."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str]
    cwd: Path

    @classmethod
    def of_process(cls) -> Environment:
        """The streams, variables and folder of this process as they are now."""
        return cls(sys.stdin, sys.stdout, sys.stderr, os.environ, Path.cwd())

    def smart(self, stream: TextIO) -> bool:
        """Whether `stream` is a terminal on which the cursor can move."""
        return stream.isatty() and self.environ.get("TERM") != "dumb"

    def colour(self, stream: TextIO) -> bool:
        """Whether colour goes to `stream`: NO_COLOR wins over FORCE_COLOR, which wins over what the stream is."""
        if self.environ.get("NO_COLOR"):
            return False
        return bool(self.environ.get("FORCE_COLOR")) or self.smart(stream)


def visible(text: str) -> str:
    r"""Replace control characters with their escapes, so that nobody's text can move the cursor or fake a line.

    Line ends and tabs stay: messages of several lines (a server's last log lines) are normal.
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table: a line per row, two blanks between columns, nothing cut."""
    cells = [list(columns), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "".join(line.rstrip() + "\n" for line in lines)


def error_document(error: ConquestError) -> dict[str, object]:
    """Return what `--json` prints for a failure."""
    details = {
        "message": error.message,
        "hint": error.hint,
        "status": int(error.status),
        "kind": error.status.name.lower(),
        "instance": error.instance,
    }
    return {"schema": SCHEMA, "ok": False, "error": details}


class Output:
    """Everything the program says goes through one object of this class.

    With `json` true, `table` and `data` print nothing and `document` prints; otherwise the other way round. So a
    command calls both and needs no `if`.
    """

    def __init__(self, environment: Environment, *, json: bool = False, quiet: bool = False) -> None:
        self.environment = environment
        self.json = json
        self.quiet = quiet
        self._documented = False

    @property
    def interactive(self) -> bool:
        """Whether a person sits at both ends: questions may be asked."""
        return self.environment.stdin.isatty() and self.environment.stderr.isatty()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows under their column names."""
        stdout = self.environment.stdout
        cells = [[self._fit(cell, stdout).replace("\n", " ") for cell in row] for row in rows]
        if self.json:
            return
        if self.environment.colour(stdout) or self.environment.smart(stdout):
            self._rich_table(columns, cells)
        else:
            self._write(stdout, aligned(columns, cells))

    def document(self, data: Mapping[str, object]) -> None:
        """Print `data` as the one JSON document of this run; `schema` and `ok` are added. Nothing without `--json`."""
        if not self.json:
            return
        if self._documented:
            raise AssertionError("a command printed a second JSON document")
        self._print_json({"schema": SCHEMA, "ok": True, **data})

    def data(self, text: str) -> None:
        """Print text that was asked for (a file, a log) on stdout as it is."""
        if not self.json:
            self._write(self.environment.stdout, text if text.endswith("\n") else text + "\n")

    def note(self, text: str) -> None:
        """Say something worth knowing; silent with `--quiet`."""
        if not self.quiet:
            self._say("", text, DIM)

    def success(self, text: str) -> None:
        """Say that something worked; silent with `--quiet`."""
        if not self.quiet:
            self._say("", text, GREEN)

    def warn(self, text: str) -> None:
        """Say that something may not be as wished; never silent."""
        self._say("Warning: ", text, YELLOW)

    def error(self, error: ConquestError) -> None:
        """Say what failed: as the JSON document when that is the mode and none was printed, else on stderr."""
        if self.json and not self._documented:
            self._print_json(error_document(error))
            return
        prefix = f"{error.instance}: " if error.instance and error.instance not in error.message else ""
        self._say("Error: ", prefix + error.message, RED)
        if error.hint:
            self._say("", error.hint, DIM)

    def confirm_name(self, prompt: str, name: str) -> bool:
        """Ask the person to type `name`; true when exactly that was typed.

        Raises `UsageError` when there is nobody to ask: then the caller's `--yes` is the way.
        """
        if not self.interactive:
            raise UsageError("this needs a confirmation and there is no terminal to ask on", hint="Add --yes.")
        self._write(self.environment.stderr, f"{visible(prompt)}\nType {name} to go on: ")
        self.environment.stderr.flush()
        return self.environment.stdin.readline().rstrip("\n") == name

    def ask_hidden(self, prompt: str, *, otherwise: str) -> str:
        """Ask the person for something that is not shown while it is typed.

        Raises `UsageError` when there is nobody to ask, with `otherwise` as the hint.
        """
        if not self.interactive:
            raise UsageError("this needs a password and there is no terminal to ask on", hint=otherwise)
        from getpass import getpass

        return getpass(visible(prompt), stream=self.environment.stderr)

    @contextmanager
    def progress(self, labels: Sequence[str]) -> Iterator[Update]:
        """Show what each label is at: a live list on a terminal, one plain line per change otherwise."""
        if self.quiet:
            yield lambda _name, _text: None
        elif self.environment.smart(self.environment.stderr) and not self.json:
            with self._live(labels) as update:
                yield update
        else:
            yield lambda name, text: self._say("", f"{name}: {text}", "")

    @contextmanager
    def _live(self, labels: Sequence[str]) -> Iterator[Update]:
        from rich.live import Live
        from rich.text import Text

        width = max((len(label) for label in labels), default=0)
        latest = dict.fromkeys(labels, "waiting")  # replacing a value of an existing key is atomic in CPython

        def render() -> Text:
            return Text("\n".join(f"{name.ljust(width)}  {text}" for name, text in latest.copy().items()))

        def update(name: str, text: str) -> None:
            latest[name] = self._fit(text, self.environment.stderr).replace("\n", " ")

        with Live(get_renderable=render, console=self._console(self.environment.stderr), refresh_per_second=10):
            yield update

    def _rich_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(Text(column), overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell, style=CELL_STYLES.get(cell, "")) for cell in row))
        self._console(self.environment.stdout).print(table)

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console

        environment = self.environment
        return Console(
            file=stream,
            force_terminal=environment.smart(stream) or environment.colour(stream),
            no_color=not environment.colour(stream),
            markup=False,
            highlight=False,
            emoji=False,
            _environ=dict(environment.environ),
        )

    def _say(self, label: str, text: str, code: str) -> None:
        """One message on stderr; the label is coloured, or the whole text where there is no label."""
        stderr = self.environment.stderr
        text = visible(text)
        if code and self.environment.colour(stderr):
            text = f"\x1b[{code}m{label}\x1b[0m{text}" if label else f"\x1b[{code}m{text}\x1b[0m"
        else:
            text = label + text
        self._write(stderr, text + "\n")

    def _print_json(self, document: Mapping[str, object]) -> None:
        from json import dumps

        self._documented = True
        self._write(self.environment.stdout, dumps(document, indent=2, default=str) + "\n")

    def _fit(self, text: str, stream: TextIO) -> str:
        """`text` without control characters and with escapes for what the stream's encoding cannot say."""
        encoding = getattr(stream, "encoding", None) or "utf-8"
        return visible(text).encode(encoding, "backslashreplace").decode(encoding)

    def _write(self, stream: TextIO, text: str) -> None:
        """Write in one call, so that lines of several threads do not mix."""
        if stream is not self.environment.stderr:
            _put(stream, text)
            return
        with suppress(BrokenPipeError):  # nobody listens any more, but what is being done is to be finished
            _put(stream, text)
            stream.flush()


def _put(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
