"""What a delayed command is about, as the keys of a C-MOVE (PS3.4 C.4.2). Pure, but for today's date."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dgate.encoding.elements import IMPLICIT, encode_element
from dgate.forward.requests import KEYS, TAGS
from dgate.rules.subject import MODALITY, PATIENT_ID

if TYPE_CHECKING:
    from dgate.forward.table import Work

LEVEL, STUDY_DATE, IMAGE_TYPE, SERIES_DESCRIPTION = 0x00080052, 0x00080020, 0x00080008, 0x0008103E
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_VRS = {
    LEVEL: b"CS", PATIENT_ID: b"LO", STUDY_DATE: b"DA", MODALITY: b"CS", IMAGE_TYPE: b"CS", SERIES_DESCRIPTION: b"LO",
}  # fmt: skip
_DAYS = re.compile(r"-(\d{1,6})(?:\+(\d{1,6}))?")


def identifier_of(work: Work) -> bytes:
    """The keys of a request, at the level of the lowest one, in implicit little endian."""
    clauses, keys = work["clauses"], {TAGS[name]: value for name, value in work["keys"].items() if value}
    keys[LEVEL] = LEVELS[max((KEYS.index(name) for name in work["keys"]), default=0)]
    for clause, tag in (("modality", MODALITY), ("date", STUDY_DATE)):
        if clause in clauses:
            keys[tag] = clauses[clause]
    if "now" in clauses:
        keys[STUDY_DATE] = days_around(clauses["now"], date.today())  # noqa: DTZ011 - dates of studies are local
    for clause, tag in (("imagetype", IMAGE_TYPE), ("seriesdesc", SERIES_DESCRIPTION)):
        if clause in clauses:
            keys[tag] = f"*{clauses[clause]}*"
    return b"".join(
        encode_element(tag, _VRS.get(tag, b"UI"), value.encode("latin-1", "replace"), IMPLICIT)
        for tag, value in sorted(keys.items())
    )


def days_around(text: str, today: date) -> str:
    """`-d+d` as a range of dates; nothing for what is none. Pure."""
    found = _DAYS.fullmatch(text)
    if found is None:
        return ""
    try:
        first, last = today - timedelta(int(found[1])), today + timedelta(int(found[2] or 0))
    except OverflowError:
        return ""
    return f"{first:%Y%m%d}-{last:%Y%m%d}"
