"""acrnema.map: which AE title lives at which host and port (conquest-server.md section 3).

Differs from Conquest in one thing that nobody can depend on: a comment behind an entry does not swallow the next line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dgate.config.faults import Fault
from dgate.config.identity import ae_title_fault
from dgate.config.inifile import as_text
from dgate.record import dataclass

DEFAULT_COMPRESSION = "un"

_BOM = b"\xef\xbb\xbf"
_COMMENT = re.compile(rb"/\*.*?\*/|/\*.*\Z|(?:#|//|;)[^\n]*", re.DOTALL)
_FIELD = re.compile(rb"[^ \t\r\n]+")
_NOT_NEWLINE = re.compile(rb"[^\n]")


@dataclass(frozen=True, slots=True)
class Node:
    """One entry. Fields that the line does not have are empty; the port is text because a pattern may end in `*`."""

    ae: str
    host: str
    port: str
    compression: str = DEFAULT_COMPRESSION
    line: int = 0

    @property
    def is_pattern(self) -> bool:
        """The AE title ends in `*` and stands for all that begin like it."""
        return self.ae.endswith("*")

    @property
    def port_number(self) -> int | None:
        """The port as a number; None when it is none (a pattern, or a mistake)."""
        good = self.port.isascii() and self.port.isdigit() and len(self.port) <= 5
        return int(self.port) if good and 1 <= int(self.port) <= 65535 else None


@dataclass(frozen=True, slots=True)
class AcrNemaMap:
    """The table in file order."""

    nodes: tuple[Node, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> AcrNemaMap:
        """Read a whole file. Never raises."""
        return cls(tuple(line.node for line in entry_lines(data)))

    def find(self, ae: str) -> Node | None:
        """The node for an AE title: `ae` is kept in the spelling asked for, `*` in host and port is filled in.

        First an exact match or a pattern, whichever comes first in the file; then an exact match whatever its case.
        """
        for node in self.nodes:
            if _matches(node, ae):
                return _filled_in(node, ae)
        for node in self.nodes:
            if node.ae.lower() == ae.lower():
                return _filled_in(node, ae)
        return None

    def faults(self, file: str) -> tuple[Fault, ...]:
        """Entries that can be no destination. They stay in the table, as in Conquest."""
        found = ((node, entry_fault(node)) for node in self.nodes)
        return tuple(Fault(file, node.line, node.ae, fault, fatal=False) for node, fault in found if fault)


def entry_fault(node: Node) -> str:
    """Why nothing can be sent to an entry, as a sentence; empty when it can."""
    if not node.port:
        return "expected AE title, host and port; the entry can not be sent to"
    if node.port_number is None and not node.port.endswith("*"):
        return f"the port {node.port!r} is not a number from 1 to 65535; the entry can not be sent to"
    return ""


def ensure_own_entry(data: bytes, ae: str, host: str, port: int) -> bytes:
    """The file with the server's own entry in it; every byte that is not part of that entry stays.

    An entry that is there gets the new host and port. A pattern that would win over the own entry gets it put before
    it. Raises `ValueError` for an AE title that the file cannot hold.
    """
    fault = ae_title_fault(ae)
    if fault:
        raise ValueError(f"AE title {ae!r} {fault}")
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    own = f"{ae:<16} {host:<20} {port:<6} {DEFAULT_COMPRESSION}".encode() + newline
    for line in entry_lines(data):
        if _matches(line.node, ae):
            if line.node.is_pattern:
                return _insert(data, line.fields[0][0], own)
            return _replace(data, line.fields, host.encode(), str(port).encode())
    at = end_of_entries(data)
    return _insert(data, at, own if at < len(data) or _ends_in_newline(data) else newline + own)


def end_of_entries(data: bytes) -> int:
    """Where an entry can be added: the end of the file, or its beginning when a comment left open hides the end.

    A byte order mark stays in front.
    """
    if _ends_in_open_comment(data):
        return len(_BOM) if data.startswith(_BOM) else 0
    return len(data)


def comments(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each comment stands, as (start, end); one to the end of a line leaves the line end out."""
    return (match.span() for match in _COMMENT.finditer(data))


@dataclass(frozen=True, slots=True)
class Line:
    """An entry and where in the file its fields stand, as (start, end): also those behind the compression."""

    node: Node
    fields: tuple[tuple[int, int], ...]


def entry_lines(data: bytes) -> Iterator[Line]:
    """All entries. Comments are blanked out first, so that offsets and line numbers stay those of the file."""
    blanked = _COMMENT.sub(lambda match: _NOT_NEWLINE.sub(b" ", match[0]), data)
    if blanked.startswith(_BOM):
        blanked = b"   " + blanked[len(_BOM) :]
    start = 0
    for number, raw in enumerate(blanked.split(b"\n"), start=1):
        fields = tuple((start + match.start(), start + match.end()) for match in _FIELD.finditer(raw))
        if fields:
            words = [as_text(blanked[begin:end]) for begin, end in fields[:4]]
            words += [""] * (3 - len(words))
            compression = words[3] if len(words) > 3 else DEFAULT_COMPRESSION
            yield Line(Node(words[0], words[1], words[2], compression, number), fields)
        start += len(raw) + 1


def _matches(node: Node, ae: str) -> bool:
    """First-pass rule: patterns ignore case, names do not."""
    if node.is_pattern:
        return ae.lower().startswith(node.ae[:-1].lower())
    return node.ae == ae


def _filled_in(node: Node, ae: str) -> Node:
    """The node as asked for; a trailing `*` of host and port becomes what the `*` of the AE title stood for."""
    host, port = node.host, node.port
    if node.is_pattern:
        rest = ae[len(node.ae) - 1 :]
        host = host[:-1] + rest if host.endswith("*") else host
        port = port[:-1] + rest if port.endswith("*") else port
    return Node(ae, host, port, node.compression, node.line)


def _replace(data: bytes, fields: tuple[tuple[int, int], ...], host: bytes, port: bytes) -> bytes:
    """Put host and port in the place of an entry's second and third field."""
    if len(fields) < 3:
        return data[: fields[0][1]] + b" " + host + b" " + port + data[fields[-1][1] :]
    (host_start, host_end), (port_start, port_end) = fields[1:3]
    return data[:host_start] + host + data[host_end:port_start] + port + data[port_end:]


def _insert(data: bytes, at: int, text: bytes) -> bytes:
    return data[:at] + text + data[at:]


def _ends_in_newline(data: bytes) -> bool:
    return not data.removeprefix(_BOM) or data.endswith(b"\n")


def _ends_in_open_comment(data: bytes) -> bool:
    """A `/*` without its `*/` runs to the end: what is appended there would be part of the comment."""
    last = None
    for last in _COMMENT.finditer(data):  # noqa: B007 - only the last one counts
        pass
    return last is not None and last[0].startswith(b"/*") and not (len(last[0]) >= 4 and last[0].endswith(b"*/"))
