"""Reading and editing a `.env` file, so that everything a person wrote in it survives.

The syntax is what docker-compose reads (python-dotenv's): `KEY=value`, `'…'`, `"…"`, `export`, comments, `${KEY}` from
lines above. What docker-compose would skip with a warning is an error here that names the line; so is a quoted value
of several lines, which is a forgotten quote nine times in ten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conquestctl.errors import InvalidError
from conquestctl.fleet.storage import storage_errors

_BLANK = re.compile(r"[^\S\r\n]*(?:#[^\r\n]*)?(?:\r\n|\n|\r|\Z)")
_KEY = re.compile(r"[^\S\r\n]*(?:export[^\S\r\n]+)?(?P<key>[^=#\s'\"]+)[^\S\r\n]*")
_EQUALS = re.compile(r"=[^\S\r\n]*")
_QUOTED = {
    "'": re.compile(r"'((?:\\.|[^'\\\r\n])*)'"),
    '"': re.compile(r'"((?:\\.|[^"\\\r\n])*)"'),
}
_BARE = re.compile(r"[^\r\n]*?(?=[^\S\r\n]+#|[^\S\r\n]*(?:[\r\n]|\Z))")
_ESCAPES = {"'": re.compile(r"\\([\\'])"), '"': re.compile(r"\\([\\'\"abfnrtv])")}
_CONTROL = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_REFERENCE = re.compile(r"\$\{(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?\}")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=~\-]+")
_NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Entry:
    """One `KEY=value`; `start` and `end` enclose the value in the text, quotes included."""

    key: str
    value: str
    line: int
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class EnvFile:
    """A parsed file: the text as it is, and what it means."""

    source: str
    """Path, for messages."""
    text: str
    entries: tuple[Entry, ...]
    values: Mapping[str, str]
    """The last value of each key, references filled in."""

    def where(self, key: str) -> str:
        """`path:line` of the key that counts, or the path alone when the file lacks it."""
        entry = self.entry(key)
        return f"{self.source}:{entry.line}" if entry else self.source

    def entry(self, key: str) -> Entry | None:
        """Return the occurrence that counts, which is the last."""
        return next((entry for entry in reversed(self.entries) if entry.key == key), None)


def read(path: Path, environ: Mapping[str, str]) -> EnvFile:
    """Read the file. Raises `StorageError` if it cannot be read, `InvalidError` with file and line if it is broken."""
    with storage_errors(f"cannot read {path}"):
        data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidError(f"{path}:{line}: this is not UTF-8 text", hint="Save the file as UTF-8.") from None
    return parse(text, str(path), environ)


def parse(text: str, source: str, environ: Mapping[str, str]) -> EnvFile:
    """Parse the text of a `.env` file; `${X}` means a key above, else one of `environ`.

    Raises `InvalidError` with `source` and line for anything docker-compose could not read the same way.
    """
    entries: list[Entry] = []
    values: dict[str, str] = {}
    position = 1 if text.startswith("\ufeff") else 0
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        entry, position = _entry(text, position, source)
        entries.append(entry)
        values[entry.key] = _filled_in(entry, {**environ, **values}, source)
    return EnvFile(source, text, tuple(entries), values)


def _entry(text: str, position: int, source: str) -> tuple[Entry, int]:
    """Read one entry that begins at `position`; returns it and where its line ends."""
    line = _line_of(text, position)
    key = _KEY.match(text, position)
    equals = _EQUALS.match(text, key.end()) if key else None
    if key is None or equals is None:
        raise _broken(source, line, f"{_line_text(text, position)!r} is not KEY=value")
    start = equals.end()
    quote = text[start] if text[start : start + 1] in _QUOTED else ""
    if start > key.end() + 1 and text.startswith("#", start):
        value, start, end = "", key.end() + 1, key.end() + 1  # `KEY= # why`: an empty value and a comment
    else:
        value, end = _quoted_value(text, start, source) if quote else _bare_value(text, start)
    rest = _BLANK.match(text, end)
    if rest is None:
        raise _broken(source, line, f"there is something behind the closing quote of {key['key']}")
    if "\0" in value:
        raise _broken(source, line, f"the value of {key['key']} contains a NUL character")
    return Entry(key["key"], value, line, start, end, quote), rest.end()


def _quoted_value(text: str, start: int, source: str) -> tuple[str, int]:
    quote = text[start]
    match = _QUOTED[quote].match(text, start)
    if match is None:
        raise _broken(source, _line_of(text, start), f"the quote {quote} is not closed on this line")
    return _ESCAPES[quote].sub(lambda escape: _CONTROL.get(escape[1], escape[1]), match[1]), match.end()


def _bare_value(text: str, start: int) -> tuple[str, int]:
    match = _BARE.match(text, start)
    end = match.end() if match else start
    return text[start:end], end


def _filled_in(entry: Entry, known: Mapping[str, str], source: str) -> str:
    def replacement(match: re.Match[str]) -> str:
        value = known.get(match["name"], match["default"])
        if value is None:
            raise _broken(source, entry.line, f"{entry.key} refers to {match['name']}, which has no value above it")
        return value

    return _REFERENCE.sub(replacement, entry.value)


def edited(file: EnvFile, changes: Mapping[str, str]) -> str:
    """Return the text with other values; comments, order, quotes, line ends and all other lines stay as they are.

    A key the file lacks is added at the end. Raises `InvalidError` for a value that cannot be written.
    """
    text = file.text
    present = {key: entry for key in changes if (entry := file.entry(key))}
    for key, entry in sorted(present.items(), key=lambda item: -item[1].start):
        text = text[: entry.start] + quoted(changes[key], entry.quote) + text[entry.end :]
    newline = match[0] if (match := _NEWLINE.search(file.text)) else "\n"
    for key in (key for key in changes if key not in present):
        separator = "" if not text or text.endswith(("\n", "\r")) else newline
        text += f"{separator}{key}={quoted(changes[key])}{newline}"
    return text


def quoted(value: str, preferred: str = "") -> str:
    """Write a value so that every reader of `.env` files reads the same, in the preferred quotes if they will do.

    Readers differ about backslashes, `$` and both kinds of quotes in one value; `InvalidError` refuses those.
    """
    if not value.isprintable() or "\\" in value or "$" in value:
        raise InvalidError(
            f"{value!r} cannot be written to .env: no backslash, $ or control character is allowed there"
        )
    for quote in (preferred, "", '"', "'"):
        if quote and quote not in value:
            return f"{quote}{value}{quote}"
        if not quote and _PLAIN.fullmatch(value):
            return value
    raise InvalidError(f"{value!r} cannot be written to .env: it contains both kinds of quotes")


def _broken(source: str, line: int, problem: str) -> InvalidError:
    return InvalidError(f"{source}:{line}: {problem}", hint="Correct that line in an editor.")


def _line_of(text: str, position: int) -> int:
    return len(_NEWLINE.findall(text, 0, position)) + 1


def _line_text(text: str, position: int) -> str:
    return _NEWLINE.split(text[position : position + 60], maxsplit=1)[0]
