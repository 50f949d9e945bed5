"""What a statement needs of an object, as far as its text tells before there is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dgate.config.converters.commands import CONDITIONS
from dgate.config.converters.items import Item
from dgate.dataset.paths import Path, PathError, parse_path
from dgate.encoding.elements import PIXEL_GROUP
from dgate.rules.subject import MODALITY, PATIENT_ID, SOP_UID, STATION

if TYPE_CHECKING:
    from dgate.dataset.terms import Terms
    from dgate.rules.substitution import Template

_ATTRIBUTES = {"m": MODALITY, "s": STATION, "o": SOP_UID, "i": PATIENT_ID}
_WITHOUT_OBJECT = frozenset("ucdgxyz")
_NAMED = re.compile(r"(?:set|setifempty|delete) (\S+)(?: |\Z)", re.IGNORECASE)

QUIET = frozenset({
    *CONDITIONS, "nop", "stop", "silentstop", "return", "defer", "destroy", "destroy2", "reject", "storage ",
    "fixkodak", "unfixkodak", "testmode ",
})  # fmt: skip
"""Commands that do nothing outside the head of the object and the log."""
_EDITING = frozenset({"set ", "setifempty ", "delete "})


def needs_of(word: str, template: Template, terms: Terms) -> frozenset[int] | None:
    """The top-level elements that a statement shows or changes; None if it may need or do anything else."""
    needed: set[int] = set()
    for item in template.items:
        shown = _shown(item)
        if shown is None:
            return None
        needed |= shown
    if word in _EDITING:
        changed = _changed(template, terms)
        if changed is None:
            return None
        needed |= changed
    elif word not in QUIET:
        return None
    return frozenset(needed) if all(tag < PIXEL_GROUP for tag in needed) else None


def _shown(item: Item[Path]) -> frozenset[int] | None:
    if item.kind in _WITHOUT_OBJECT:
        return frozenset()
    if item.kind in _ATTRIBUTES:
        return frozenset({_ATTRIBUTES[item.kind]})
    if item.kind not in "va" or item.target is None or item.target.anywhere or item.target.source:
        return None
    return frozenset({_first(item.target)})


def _changed(template: Template, terms: Terms) -> frozenset[int] | None:
    """The element that is changed, and the retired length of its group, which is then wrong."""
    found = _NAMED.match(template.beginning)
    if found is None:
        return frozenset() if template.literal is not None else None  # malformed: nothing is changed
    if found[1].lower() in ("x", "y", "z"):
        return frozenset()
    try:
        tag = _first(parse_path(found[1], terms))
    except PathError:
        return frozenset() if template.literal is not None or template.beginning[found.end(1) :] else None
    return frozenset({tag, tag & 0xFFFF0000})


def _first(path: Path) -> int:
    return path.steps[0].tag if path.steps else path.tag
