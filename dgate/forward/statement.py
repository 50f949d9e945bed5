"""Statements that send, fetch or delete, taken apart (conquest-converters.md 6.1 and 7). Pure; never raises."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dgate.record import dataclass, field

SHOWN = 11
"""Characters of a delayed command that its log line shows."""
LEVELS = ("patient", "study", "series", "image")
LEFT_OUT = ("submit", "submit2")
"""Delayed commands of the original that this server does not know: nobody has seen what they send."""

_FORWARD = re.compile(
    r"forward (?:compressed as (?P<compression>\S+) )?to (?P<destination>\S+)"
    r"(?: org (?P<calling>\S+))?(?: dest (?P<called>\S+))?(?: channel (?P<channel>\*|\d{1,9}))?"
    r"(?: script (?P<script>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_VERB = re.compile(
    r"(?:(forward|get|delete|process) (patient|study|series|image)|(merge) (study))(?: |\Z)", re.IGNORECASE
)
_CLAUSE = re.compile(
    r"(compressed as|date|now|age|modality|imagetype|seriesdesc|study|series|sop|split|after|to|from) (\S+)(?: |\Z)",
    re.IGNORECASE,
)
_REST = re.compile(r"(script|by) (.*)\Z", re.IGNORECASE | re.DOTALL)
_PRERETRIEVE = re.compile(r"preretrieve (\S+)", re.IGNORECASE)
SPLIT = re.compile(r"([0-9]{1,4})/([1-9][0-9]{0,3})")
"""`split N/M`: of M shares the one that begins with image N, counted from 0."""
_SECONDS = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Forward:
    """`forward to`. What the statement does not say is empty."""

    destination: str
    """A name in acrnema.map, or `host:port`."""
    compression: str = ""
    calling: str = ""
    called: str = ""
    channel: str = ""
    script: str = ""


@dataclass(frozen=True, slots=True)
class Delayed:
    """A command that is carried out later."""

    verb: str
    """forward, get, delete, process, merge, prefetch or preretrieve."""
    level: str = ""
    clauses: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    """The statement itself."""

    @property
    def target(self) -> str:
        """Whom it sends to or asks, or which command it runs."""
        names = {"forward": "to", "process": "by"}
        return self.clauses.get(names.get(self.verb, "from"), "")

    def wait(self, default: int) -> int:
        """Seconds until it is carried out."""
        after = self.clauses.get("after", "")
        return int(after) if _SECONDS.fullmatch(after) else default


def parse_forward(statement: str) -> Forward | None:
    """`forward [compressed as CC] to AE [org AE] [dest AE] [channel N] [script LINE]`; None if it is malformed."""
    found = _FORWARD.match(statement)
    if found is None:
        return None
    texts = {name: text or "" for name, text in found.groupdict().items()}
    return Forward(**{**texts, "script": _unquoted(texts["script"])})


def parse_delayed(statement: str) -> Delayed | None:
    """A delayed command with its clauses in any order; None if it is malformed or none of ours."""
    if statement.lower().startswith("prefetch"):
        return Delayed("prefetch", text=statement)
    found = _PRERETRIEVE.match(statement)
    if found:
        return Delayed("preretrieve", clauses={"from": found[1]}, text=statement)
    found = _VERB.match(statement)
    if found is None:
        return None
    verb = (found[1] or found[3]).lower()
    clauses = _clauses(statement, found.end())
    request = Delayed(verb, (found[2] or found[4]).lower(), clauses, statement)
    complete = verb in ("delete", "merge") or bool(request.target)
    return request if complete and (verb != "process" or request.level != "image") else None


def _clauses(statement: str, at: int) -> dict[str, str]:
    """What stands in front counts where a clause stands twice; what is no clause ends the list."""
    clauses: dict[str, str] = {}
    while found := _CLAUSE.match(statement, at):
        clauses.setdefault(found[1].lower(), found[2])
        at = found.end()
    rest = _REST.match(statement, at)
    if rest:
        clauses[rest[1].lower()] = _unquoted(rest[2])
    return clauses


def _unquoted(line: str) -> str:
    line = line.strip(" ")
    return line[1:-1] if len(line) > 1 and line.startswith('"') and line.endswith('"') else line


def split_address(destination: str) -> tuple[str, int] | None:
    """Host and port of the form `host:port`, the port 5678 if it is none; None for a name."""
    host, colon, port = destination.rpartition(":")
    if not colon or not host:
        return None
    good = port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535
    return host, int(port) if good else DEFAULT_PORT


DEFAULT_PORT = 5678
