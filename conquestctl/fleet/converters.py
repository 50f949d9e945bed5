"""`converters.txt` of an instance: its lines, and edits that keep every other byte.

Line K, counted from 0, becomes the key `ImportConverterK` of dicom.ini (conquest-converters.md section 1); so a line
that comes in between or goes away gives all behind it other numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conquestctl.errors import InvalidError, NotFoundError
from conquestctl.fleet.instance import MOUNT, Instance
from conquestctl.fleet.lock import Say, fleet_lock, silent
from conquestctl.fleet.storage import replace_file, storage_errors
from dgate.config.converters.grammar import MAX_VALUE
from dgate.config.inifile import IniFile
from dgate.config.rendering import converter_lines

CONFIG = Path(MOUNT, "config")
FILE = CONFIG / "converters.txt"
TEMPLATE = CONFIG / "dicom.ini.j2"
LAST = 98
"""The last line that runs, unless `ImportConverters` says how many do."""

_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r"
_FILTER = re.compile(
    rb"^import(?:modality|stationname|callingae|calledae)(\d{1,9})[ \t]*=", re.IGNORECASE | re.MULTILINE
)

Edit = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file."""

    number: int
    """K of `ImportConverterK`."""
    text: str
    """What the server is given: without the blanks around it, and without quotes that enclose it."""
    kind: str
    """converter, comment or empty; the last two use up a number as well, and a comment is an error in the log."""


def rows_of(data: bytes) -> list[Row]:
    """The lines as they become converters. Pure."""
    return [_row(number, key) for number, key in enumerate(converter_lines(data))]


def _row(number: int, key: bytes) -> Row:
    entry = IniFile.parse(key).find(f"ImportConverter{number}", "")
    text = "" if entry is None else entry.value
    if text.startswith("#"):
        return Row(number, text, "comment")
    return Row(number, text, "converter" if text else "empty")


def as_line_text(raw: bytes) -> str:
    """Bytes of the file as text that can be turned back into them."""
    return raw.decode("utf-8", "surrogateescape")


def checked_line(text: str) -> bytes:
    """A line as it is written to the file. Raises `InvalidError` for one that the server would get otherwise."""
    raw = text.encode("utf-8", "surrogateescape").strip(_BLANKS)
    if not raw:
        raise InvalidError("the line is empty")
    for mark, name in ((b"\n", "a line end"), (b"\r", "a carriage return"), (b"\0", "a NUL")):
        if mark in raw:
            raise InvalidError(f"there is {name} in the line", hint="Write %n where the log is to begin a new line.")
    if len(raw) > MAX_VALUE:
        raise InvalidError(
            f"the line has {len(raw)} bytes, and only {MAX_VALUE} of a converter count",
            hint="Divide it into several lines, or put it into a file in mount/scripts and write: call FILE",
        )
    if not raw.startswith(b"#") and _row(0, b"ImportConverter0 = " + raw).text != as_line_text(raw):
        raise InvalidError(
            "the line begins and ends with the same quote, and dicom.ini takes such a pair away",
            hint='Put something before or behind it: "..." becomes nop; "..." for one.',
        )
    return raw


def added(data: bytes, line: bytes, at: int | None = None) -> tuple[bytes, int]:
    """The file with one line more, as number `at` or behind all others; and its number. Raises `InvalidError`."""
    bom, rows = _split(data)
    number = len(rows) if at is None else at
    if not 0 <= number <= len(rows):
        raise InvalidError(f"there are {len(rows)} lines: --at goes from 0 to {len(rows)}")
    end = b"\r\n" if rows and rows[max(number - 1, 0)].endswith(b"\r\n") else b"\n"
    if number == len(rows) and rows and not rows[-1].endswith(b"\n"):
        rows[-1] += end
    rows.insert(number, line + end)
    return bom + b"".join(rows), number


def without(data: bytes, number: int) -> bytes:
    """The file without one line. Raises `NotFoundError`."""
    bom, rows = _split(data)
    if not 0 <= number < len(rows):
        raise NotFoundError(f"there is no line {number}", hint="See them: conquestctl converter list NAME")
    del rows[number]
    return bom + b"".join(rows)


def _split(data: bytes) -> tuple[bytes, list[bytes]]:
    """The byte order mark, and the lines with their ends."""
    bom = _BOM if data.startswith(_BOM) else b""
    pieces = data[len(bom) :].split(b"\n")
    rows = [piece + b"\n" for piece in pieces[:-1]]
    return bom, rows + ([pieces[-1]] if pieces[-1] else [])


def renumbered(template: bytes, first: int) -> list[str]:
    """Filters in dicom.ini.j2 that now belong to another line, because those from `first` on have new numbers."""
    found = {match[0].split(b"=")[0].strip().decode() for match in _FILTER.finditer(template) if int(match[1]) >= first}
    return sorted(found)


def read_file(instance: Instance, file: Path = FILE) -> bytes:
    """Read a file of the instance; empty when there is none.

    Raises `StorageError`, and `InvalidError` for a link: the server may write there, and root would follow it anywhere.
    """
    path = instance.folder / file
    with storage_errors(f"cannot read {path}", instance.name):
        if path.exists() and not path.is_file():
            raise InvalidError(f"{path} is no file", hint="Put it out of the way.", instance=instance.name)
        if path.resolve() != instance.mount.resolve() / file.relative_to(MOUNT):
            message = f"{path} is a link to another place, where nothing is read or written"
            raise InvalidError(message, hint="Put the file itself there.", instance=instance.name)
        return path.read_bytes() if path.exists() else b""


def edit_file(instance: Instance, edit: Edit, *, say: Say = silent) -> tuple[bytes, bytes]:
    """Change converters.txt as a whole, under the fleet's lock; its content before and after.

    Raises what `edit` raises, `ConflictError` for the lock, `StorageError`: then nothing was changed.
    """
    path = instance.folder / FILE
    with fleet_lock(instance.folder.parent, say=say):
        old = read_file(instance)
        new = edit(old)
        with storage_errors(f"cannot write {path}", instance.name):
            replace_file(path, new)
    return old, new
