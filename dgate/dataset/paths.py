"""How rules name an element (conquest-converters.md 4 and 6). Parsed once; finding the element is in `access.py`.

| form | means |
|---|---|
| `gggg,eeee`, `PatientName` | a top-level element |
| `/seq.N/tag`, any depth | the element in item N of a sequence, 0 where `.N` is missing |
| `seq.N/tag` | the same where a whole text is a path: `set` writes it without the first slash |
| `.*` for `.N` | a new item behind the last one |
| `*tag` | the first one at any depth |
| `(path)tag` | in another object, whose SOP instance UID is at `path` |
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dgate.dataset.terms import Terms
from dgate.encoding.elements import MAX_NESTING
from dgate.record import dataclass, replace

APPEND = -1
"""As an item number: a new one behind the last."""

_HEX = re.compile(r"([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})")
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_ITEM = re.compile(r"\.([0-9]{1,9}|\*)")
_FOREIGN = 4096  # characters in brackets


class PathError(Exception):
    """This names no element. `at`: which character of the text is the first wrong one."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Step(NamedTuple):
    """Into an item of a sequence."""

    tag: int
    item: int


@dataclass(frozen=True, slots=True)
class Path:
    """The way to an element. `anywhere`: the first one at any depth; `source`: where the other object's UID is."""

    tag: int
    steps: tuple[Step, ...] = ()
    anywhere: bool = False
    source: Path | None = None

    @property
    def plain(self) -> bool:
        """Whether it is a top-level element of the object at hand."""
        return not (self.steps or self.anywhere or self.source)

    def __str__(self) -> str:
        steps = "".join(f"{_hex(step.tag)}.{'*' if step.item == APPEND else step.item}/" for step in self.steps)
        other = f"({self.source})" if self.source else ""
        return f"{other}{'*' if self.anywhere else ''}{'/' if steps else ''}{steps}{_hex(self.tag)}"


def parse_path(text: str, terms: Terms) -> Path:
    """A text that is a path and nothing else. Raises `PathError`."""
    path, end = _scan(text, 0, terms, whole=True)
    if end < len(text):
        raise PathError(f"nothing can follow the tag, but {text[end : end + 20]!r} does", end)
    return path


def match_path(text: str, at: int, terms: Terms) -> tuple[Path, int] | None:
    """The longest path that begins at `at`, and where it ends; None if none does.

    A walk into sequences needs its first slash here: text may follow, and it often begins with one.
    """
    try:
        return _scan(text, at, terms, whole=False)
    except PathError:
        return None


def _scan(text: str, at: int, terms: Terms, *, whole: bool) -> tuple[Path, int]:
    if text.startswith("(", at):
        return _scan_foreign(text, at, terms, whole=whole)
    if text.startswith("*", at):
        tag, end = _scan_tag(text, at + 1, terms)
        return Path(tag, anywhere=True), end
    walks = text.startswith("/", at)
    tag, at = _scan_tag(text, at + walks, terms)
    steps: list[Step] = []
    while walks or whole:
        item, slash = _scan_item(text, at)
        if not text.startswith("/", slash):
            break
        try:
            following, end = _scan_tag(text, slash + 1, terms)
        except PathError:
            if whole:
                raise
            break  # the slash belongs to what follows
        if len(steps) >= MAX_NESTING:
            raise PathError(f"more than {MAX_NESTING} sequences in one another", slash)
        steps.append(Step(tag, item))
        tag, at = following, end
    return Path(tag, tuple(steps)), at


def _scan_foreign(text: str, at: int, terms: Terms, *, whole: bool) -> tuple[Path, int]:
    end = text.find(")", at, at + _FOREIGN)
    if end < 0:
        raise PathError("`(` is never closed", at)
    if text.startswith("(", at + 1) or text.startswith("(", end + 1):
        raise PathError("one path in brackets is all there can be", at + 1)
    source, stop = _scan(text[: end + 1], at + 1, terms, whole=True)
    if stop != end:
        raise PathError("expected `)`", stop)
    path, stop = _scan(text, end + 1, terms, whole=whole)
    return replace(path, source=source), stop


def _scan_tag(text: str, at: int, terms: Terms) -> tuple[int, int]:
    found = _HEX.match(text, at)
    if found:
        return int(found[1], 16) << 16 | int(found[2], 16), found.end()
    found = _KEYWORD.match(text, at)
    if not found:
        raise PathError("expected a tag: gggg,eeee or a keyword of the dictionary", at)
    tag = terms.tag(found[0])
    if tag is None:
        raise PathError(f"{found[0][:64]} is not in the dictionary", at)
    return tag, found.end()


def _scan_item(text: str, at: int) -> tuple[int, int]:
    """The item number behind a sequence's tag, and where it ends."""
    found = _ITEM.match(text, at)
    if not found:
        return 0, at
    return APPEND if found[1] == "*" else int(found[1]), found.end()


def _hex(tag: int) -> str:
    return f"{tag >> 16:04x},{tag & 0xFFFF:04x}"
