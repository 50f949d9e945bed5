"""dgate.dic: names and value representations of DICOM attributes. Nothing on the way to the first echo reads it.

One attribute per line: `(gggg,eeee)` followed by `NAME="value"` pairs VERS, VR, VM, Keyword and Name; `#` begins a
comment line. `VERS` ends in `RET` for a retired attribute. The first line of a tag wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dgate.record import dataclass, field

_LINE = re.compile(r"\s*\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)(.*)")
_PAIR = re.compile(r'(\w+)\s*=\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Attribute:
    """What the dictionary knows about a tag."""

    group: int
    element: int
    vr: str
    vm: str
    keyword: str
    name: str
    retired: bool


@dataclass(frozen=True, slots=True)
class Dictionary:
    """All attributes, by tag and by keyword."""

    by_tag: Mapping[tuple[int, int], Attribute] = field(default_factory=dict)
    by_keyword: Mapping[str, Attribute] = field(default_factory=dict)
    """Keywords in lower case."""

    @classmethod
    def parse(cls, data: bytes) -> Dictionary:
        """Read a whole file. Never raises; lines of another form do not count."""
        by_tag: dict[tuple[int, int], Attribute] = {}
        by_keyword: dict[str, Attribute] = {}
        for line in data.decode("utf-8", "replace").split("\n"):
            attribute = _attribute(line)
            if attribute is not None and (attribute.group, attribute.element) not in by_tag:
                by_tag[attribute.group, attribute.element] = attribute
                if attribute.keyword:
                    by_keyword.setdefault(attribute.keyword.lower(), attribute)
        return cls(by_tag, by_keyword)

    def tag(self, group: int, element: int) -> Attribute | None:
        """The attribute of a tag; overlay and curve groups (PS3.5 7.6) are listed once, as 6000 and 5000."""
        found = self.by_tag.get((group, element))
        if found is None and group & 0xFF00 in (0x5000, 0x6000) and group % 2 == 0:
            found = self.by_tag.get((group & 0xFF00, element))
        return found

    def keyword(self, keyword: str) -> Attribute | None:
        """The attribute with a keyword, whatever its case."""
        return self.by_keyword.get(keyword.lower())


def load_dictionary(path: str) -> Dictionary:
    """The dictionary in a file. Raises `OSError`."""
    with open(path, "rb") as file:
        return Dictionary.parse(file.read())


def _attribute(line: str) -> Attribute | None:
    match = _LINE.match(line)
    if match is None:
        return None
    pairs = {name.lower(): value.strip() for name, value in _PAIR.findall(match[3])}
    return Attribute(
        group=int(match[1], 16),
        element=int(match[2], 16),
        vr=pairs.get("vr", "UN"),
        vm=pairs.get("vm", "1"),
        keyword=pairs.get("keyword", ""),
        name=pairs.get("name", ""),
        retired=pairs.get("vers", "").upper().endswith("RET"),
    )
