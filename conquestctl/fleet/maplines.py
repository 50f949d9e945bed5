"""What is wrong with single lines of an `acrnema.map`, in words. Pure.

A server takes such lines without a word: fields that are missing are empty, words behind the fourth are ignored
(conquest-server.md section 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dgate.config.amap import Line, comments, entry_fault, entry_lines
from dgate.config.faults import Fault
from dgate.config.inifile import as_text

FIELDS = 4
ONLY = "only="
"""Fifth word of a line in the fleet's own map, which a server ignores: the instances that know the node."""

_COMPRESSION = re.compile(r"(?:u[nijlbe]|as|n[1-4j]|[ks]\d|j[1-7rkls])\d{0,3}!?", re.IGNORECASE)


def is_compression(text: str) -> bool:
    """Whether a word is a compression code of Conquest (conquest-server.md 3.1)."""
    return _COMPRESSION.fullmatch(text) is not None


def words_of(data: bytes, line: Line) -> list[str]:
    """Return all words of an entry's line."""
    return [as_text(data[start:end]) for start, end in line.fields]


def line_fault(data: bytes, line: Line, file: str) -> Fault | None:
    """Return what keeps an entry from being one: too few fields, no port, or two entries on one line."""
    words = words_of(data, line)
    message = _glued(words) or entry_fault(line.node)
    return Fault(file, line.node.line, line.node.ae, message, fatal=False) if message else None


def _glued(words: list[str]) -> str:
    """A compression that is none is the beginning of the next entry when more follows it."""
    behind = [word for word in words[FIELDS:] if not word.startswith(ONLY)]
    if len(behind) >= 3 or (len(words) > FIELDS and len(behind) >= 2 and not is_compression(words[3])):
        return f"there is more than one entry on this line, {' '.join(words[3:])!r} would be lost; give each its own"
    return ""


def swallowing_comments(data: bytes, file: str) -> Iterator[Fault]:
    """Yield the comments behind entries: the original server loses the next line with them, ours does not."""
    ends = {line.fields[-1][1]: line.node for line in entry_lines(data)}
    for start, _end in comments(data):
        node = ends.get(len(data[:start].rstrip(b" \t")))
        if node is not None and data.find(b"\n", start) != -1:
            message = f"the original server loses line {node.line + 1} by the comment behind this entry; move it"
            yield Fault(file, node.line, node.ae, message, fatal=False)
