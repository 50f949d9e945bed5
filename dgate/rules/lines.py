"""Lines and files of lines that were made ready before. Bounded; thread-safe, for the worst of a race is work twice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dgate.config.converters.grammar import MAX_LINES, MAX_VALUE, as_line, lines_of
from dgate.rules.program import Line, Verb

if TYPE_CHECKING:
    from dgate.config.settings import Settings
    from dgate.dataset.paths import Path
    from dgate.dataset.terms import TermsFile
    from dgate.rules.run import Run

MAX_FILE = 1024 * 1024
"""Bytes of a file of lines; a longer one is cut there."""
KEPT = 512
"""Lines, paths or files that are remembered."""

Stamp = tuple[int, int, int]


class Library:
    """All lines of a server."""

    def __init__(self, terms: TermsFile, verbs: dict[str, Verb]) -> None:
        self.verbs = verbs
        """What carries out a statement, by the word it begins with; under the empty word, all others."""
        self.paths: dict[str, Path | None] = {}
        """Paths by their texts."""
        self._terms = terms
        self._lines: dict[str, Line] = {}
        self._files: dict[bytes, tuple[Stamp, tuple[Line, ...]]] = {}

    def remember_path(self, text: str, path: Path | None) -> None:
        """Keep a path for the next time."""
        if len(self.paths) >= KEPT:
            self.paths.clear()
        self.paths[text] = path

    def line(self, text: str) -> Line:
        """A line, ready to run."""
        line = self._lines.get(text)
        if line is None:
            line = Line(text, self._terms.get(), self.verbs)
            if len(self._lines) >= KEPT:
                self._lines.clear()
            self._lines[text] = line
        return line

    def named(self, name: str, settings: Settings) -> Line | None:
        """The line of a key in section `[scripts]`."""
        entry = settings.ini.find(name, "scripts")
        return None if entry is None else self.line(as_line(entry.value)[:MAX_VALUE])

    def find_file(self, name: str, base_dir: str) -> str | None:
        """A file with this name, relative to the working directory, else to the instance's."""
        base = base_dir.encode("utf-8", "surrogateescape").decode("latin-1")
        for path in (name, f"{base}/{name}"):
            if "\0" not in path and os.path.isfile(path.encode("latin-1", "replace")):
                return path
        return None

    def file(self, path: bytes, run: Run) -> tuple[Line, ...]:
        """The lines of a file. Raises OSError."""
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            known = self._files.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE or content.count(b"\n") > MAX_LINES:
            run.error(f"only {MAX_FILE} bytes or {MAX_LINES} lines are read of {path.decode('latin-1')}")
        terms = self._terms.get()
        lines = tuple(Line(text, terms, self.verbs) for _, text in lines_of(content[:MAX_FILE]))
        if len(self._files) >= KEPT // 8:
            self._files.clear()
        self._files[path] = (stamp, lines)
        return lines
