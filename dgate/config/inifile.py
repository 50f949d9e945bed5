"""dicom.ini: sections, keys, values, exactly as Conquest reads them (conquest-server.md 2.1).

Bytes become text as UTF-8 with `surrogateescape`: UTF-8 file names stay readable, and any other byte (latin-1 patient
folders, say) comes back unchanged from `os.fsencode` or `.encode("utf-8", "surrogateescape")`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dgate.record import dataclass

MAX_LINE = 2047
"""Bytes of a line that count; the rest is dropped."""
MAX_VALUE = 1000
"""Bytes of a value that count. Conquest's own limit lies "about" there and depends on who asks."""
MAIN_SECTION = "sscscp"

_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r"


def as_text(raw: bytes) -> str:
    """Bytes of a configuration file as text that can be turned back into the same bytes."""
    return raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key = value` line."""

    key: str
    """As written; look-ups ignore case."""
    value: str
    line: int
    """Counted from 1."""
    cut: bool
    """The line or the value was longer than its limit."""


@dataclass(frozen=True, slots=True)
class IniFile:
    """A parsed dicom.ini. Section and key names ignore case; the first of two equal keys wins."""

    selected: str
    """The section (lower case) that holds the server's keys: the value of `MicroPACS` in `[sscscp]`."""
    last_section: str
    """The section (lower case) that a line appended to the file would belong to; empty before any header."""
    _sections: Mapping[str, Mapping[str, Entry]]

    @classmethod
    def parse(cls, data: bytes) -> IniFile:
        """Read a whole file. Never raises: what is not understood is not there."""
        sections: dict[str, dict[str, Entry]] = {}
        current = ""
        for number, raw in enumerate(data.removeprefix(_BOM).split(b"\n"), start=1):
            header = _header(raw)
            if header is not None:
                current = header
                sections.setdefault(current, {})
            elif (entry := _entry(raw, number)) is not None:
                sections.setdefault(current, {}).setdefault(entry.key.lower(), entry)
        micropacs = sections.get(MAIN_SECTION, {}).get("micropacs")
        selected = micropacs.value.lower() if micropacs is not None else ""
        return cls(selected=selected or MAIN_SECTION, last_section=current, _sections=sections)

    def find(self, key: str, section: str | None = None) -> Entry | None:
        """The entry of a key, in the selected section unless another is named."""
        name = self.selected if section is None else section.lower()
        return self._sections.get(name, {}).get(key.lower())

    def get(self, key: str, default: str = "") -> str:
        """The value of a key in the selected section; `default` only when the key is absent, not when it is empty."""
        entry = self.find(key)
        return default if entry is None else entry.value

    def __contains__(self, key: str) -> bool:
        return self.find(key) is not None

    def __iter__(self) -> Iterator[Entry]:
        """The effective entries of the selected section in file order."""
        return iter(self._sections.get(self.selected, {}).values())

    def section(self, name: str) -> dict[str, str]:
        """All keys (lower case) and values of a section in file order; empty when there is no such section."""
        return {key: entry.value for key, entry in self._sections.get(name.lower(), {}).items()}

    @property
    def sections(self) -> tuple[str, ...]:
        """Names (lower case) of all sections, in order of their first appearance."""
        return tuple(self._sections)

    def line_of(self, key: str, section: str | None = None) -> int:
        """The line on which a key stands, for messages; 0 when it is absent."""
        entry = self.find(key, section)
        return 0 if entry is None else entry.line


def _header(raw: bytes) -> str | None:
    """The section name (lower case) of a `[name]` line."""
    if not raw.startswith(b"["):
        return None
    return as_text(raw[1:MAX_LINE].partition(b"]")[0].strip(_BLANKS)).lower()


def _entry(raw: bytes, number: int) -> Entry | None:
    """A `key = value` line; None for comments and lines without a key."""
    if raw.startswith((b" ", b";")):
        return None
    raw = raw.removesuffix(b"\r")
    key, equals, value = raw[:MAX_LINE].partition(b"=")
    key = key.strip(_BLANKS)
    if not equals or not key:
        return None
    value = _unquote(value.strip(_BLANKS))
    cut = len(raw) > MAX_LINE or len(value) > MAX_VALUE
    return Entry(as_text(key), as_text(value[:MAX_VALUE]), number, cut)


def _unquote(value: bytes) -> bytes:
    """Drop one pair of enclosing quotes, of either kind."""
    if len(value) >= 2 and value[:1] == value[-1:] and value[:1] in (b'"', b"'"):
        return value[1:-1]
    return value
