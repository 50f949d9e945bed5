"""What a delayed command is about, as the keys of a C-MOVE (PS3.4 C.4.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgate.encoding.elements import IMPLICIT, encode_element
from dgate.forward.requests import STUDY_DATE, TAGS
from dgate.rules.subject import MODALITY, PATIENT_ID

if TYPE_CHECKING:
    from dgate.forward.table import Work

LEVEL, IMAGE_TYPE, SERIES_DESCRIPTION = 0x00080052, 0x00080008, 0x0008103E
NARROWING = ("modality", "date", "imagetype", "seriesdesc")
"""Clauses that leave some of the objects out."""
_VRS = {
    LEVEL: b"CS", PATIENT_ID: b"LO", STUDY_DATE: b"DA", MODALITY: b"CS", IMAGE_TYPE: b"CS", SERIES_DESCRIPTION: b"LO",
}  # fmt: skip


def identifier_of(work: Work) -> bytes:
    """The keys of a request, in implicit little endian."""
    clauses, keys = work["clauses"], {TAGS[name]: value for name, value in work["keys"].items() if value}
    keys[LEVEL] = level_of(work["keys"], clauses)
    for clause, tag in (("modality", MODALITY), ("date", STUDY_DATE)):
        if clause in clauses:
            keys[tag] = clauses[clause]
    for clause, tag in (("imagetype", IMAGE_TYPE), ("seriesdesc", SERIES_DESCRIPTION)):
        if clause in clauses:
            keys[tag] = f"*{clauses[clause]}*"
    return b"".join(
        encode_element(tag, _VRS.get(tag, b"UI"), value.encode("latin-1", "replace"), IMPLICIT)
        for tag, value in sorted(keys.items())
    )


def level_of(keys: Mapping[str, str], clauses: Mapping[str, str]) -> str:
    """The lowest level that the request says something about: a server need not look at keys below the level."""
    if "sop_uid" in keys or "imagetype" in clauses:
        return "IMAGE"
    if "series_uid" in keys or any(clause in clauses for clause in NARROWING):
        return "SERIES"
    return "STUDY" if "study_uid" in keys else "PATIENT"
