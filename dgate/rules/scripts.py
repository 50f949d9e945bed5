"""Lines and scripts that a statement calls (conquest-converters.md 3, 6, 11.1), and what no statement is."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dgate.config.converters.forms import SCRIPT
from dgate.config.converters.grammar import MAX_VALUE, as_line
from dgate.rules.interfaces import Script
from dgate.rules.outcome import FINAL, Status
from dgate.rules.quoting import for_line, for_lua

if TYPE_CHECKING:
    from dgate.config.inifile import IniFile
    from dgate.rules.lines import Library
    from dgate.rules.program import Line
    from dgate.rules.run import Run

_CALLED = re.compile(r"([^(]*)(?:\((.*)\))?", re.DOTALL)


def call(run: Run, word: str, text: str) -> Status:
    """`call NAME`: a key of section `[scripts]`, or a file."""
    name = text[len(word) :]
    status = _known(run, name)
    if status is None:
        run.operator(f"*** {run.where} script not found: {name}")
        return Status.NEXT
    return status


def unknown(run: Run, _word: str, text: str) -> Status:
    """No command: perhaps the name of lines elsewhere. An empty statement is nothing at all."""
    if not text:
        return Status.NEXT
    status = _known(run, text)
    if status is None:
        run.error(text)
        return Status.NEXT
    return status


def script(run: Run, _word: str, text: str) -> Status:
    """`script "S"`: S is a line; how it ends is how this one does."""
    found = SCRIPT.match(text)
    if found is None:
        return Status.NEXT
    safe = for_line(run.values)
    inner = SCRIPT.match(safe)
    return run.services.library.line(inner[1] if inner else "").run(run.below())


def lua(run: Run, word: str, _text: str) -> Status:
    """`lua "CODE"` and `lua:CODE`."""
    code = for_lua(run.values)[len(word) :]
    return _start(run, Script(code=code[:-1] if word == 'lua "' else code))


class Chunk:
    """A script of section `[lua]`, in the place of a line."""

    __slots__ = ("_script", "tags")

    early = False
    """Nobody knows what it needs."""

    def __init__(self, code: str) -> None:
        self._script = Script(code=code)
        self.tags: frozenset[int] = frozenset()

    def run(self, run: Run) -> Status:
        """See `Line`."""
        return _start(run, self._script)


def line_of(ini: IniFile, name: str, library: Library) -> Line | Chunk | None:
    """What a key of dicom.ini runs: a script of section `[lua]` goes before the line of that name."""
    chunk = ini.find(name, "lua")
    if chunk is not None:
        return Chunk(as_line(chunk.value))
    entry = ini.find(name)
    return None if entry is None else library.line(as_line(entry.value)[:MAX_VALUE])


def _start(run: Run, made: Script) -> Status:
    if run.services.engine is None:
        run.error(f"there is no Lua here: {made.name or made.code}")
        return Status.NEXT
    return run.services.engine.run(made, run)


def _known(run: Run, name: str) -> Status | None:
    """Carry out what has this name; None if nothing has."""
    library = run.services.library
    line = library.named(name, run.services.settings())
    if line is not None:
        return line.run(run.below())
    found = _CALLED.match(name)
    if found is None or not found[1]:
        return None
    path = library.find_file(found[1], run.services.settings().base_dir)
    if path is None:
        return None
    if ".lua" in found[1].lower():
        run.debug(f"{run.where}: dofile(Global.basedir..'{found[1]}')")
        return _start(run, Script(path=path, name=found[1], argument=_argument(found[2])))
    run.debug(f"{run.where}: call {name}")
    return _run_file(run, path)


def _argument(text: str | None) -> str | None:
    if text is not None and len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text


def _run_file(run: Run, path: str) -> Status:
    """`stop` ends a line of a file, `return`, `destroy` and `reject` end it; how its last line ends, the call does."""
    status = Status.NEXT
    below = run.below()
    for line in run.services.library.file(os.fsencode(path.encode("latin-1")), below):
        status = line.run(below)
        if status is Status.RETURN or status in FINAL:
            break
    return status
