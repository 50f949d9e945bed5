"""What `anonymize:` does to an object unless the instance has a script for it (conquest-server.md 11.2).

After the basic profile of PS3.15 annex E, with the option to keep dates: whoever may be named goes, with every private
element, at any depth. It knows elements, not what is written into pixels or into text elements that it keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.dataset.uidmap import replace_uids

if TYPE_CHECKING:
    from dgate.dataset.model import DataSet
    from dgate.dataset.uidmap import Change, Mapper
    from dgate.rules.subject import Subject

PATIENT_NAME, PATIENT_ID = 0x00100010, 0x00100020
IDENTITY_REMOVED, METHOD = 0x00120062, 0x00120063

EMPTIED = frozenset(
    {
        0x00080050,  # AccessionNumber
        0x00080090,  # ReferringPhysicianName
        0x00100030,  # PatientBirthDate
        0x00100040,  # PatientSex
        0x00200010,  # StudyID
    }
)
"""These have to be there, even if empty (type 2)."""

REMOVED = frozenset(
    {
        # institutions, people and machines
        0x00080080, 0x00080081, 0x00080082, 0x00080092, 0x00080094, 0x00080096, 0x00081010, 0x00081040, 0x00081041,
        0x00081048, 0x00081049, 0x00081050, 0x00081052, 0x00081060, 0x00081062, 0x00081070, 0x00081072,
        0x00181000, 0x00181002, 0x00181004, 0x00181005, 0x00181007, 0x00181008, 0x00189370, 0x00189371, 0x00189373,
        # descriptions and comments
        0x00081030, 0x00081032, 0x0008103E, 0x00081080, 0x00081084, 0x00082111, 0x00084000, 0x00181030, 0x00181400,
        0x00184000, 0x00189424, 0x00203401, 0x00203404, 0x00203406, 0x00204000, 0x00209158, 0x00284000,
        # what remembers the object as it was
        0x00880200, 0x04000500, 0x04000550, 0x04000561,
    }
)  # fmt: skip
_GROUPS = frozenset({0x0032, 0x0038, 0x4000, 0x4008})
"""Requests, visits and texts, as a whole."""
_STEPS, _CONTENT = 0x00400001, 0x00400500
_REQUESTS, _VALUES = 0x00401001, 0x00402500
"""Group 0040 up to specimens and measured values: steps, and requests."""


def anonymize(subject: Subject, patient: str, mapper: Mapper) -> list[Change]:
    """Make it one of the patient with this ID, who is not named otherwise. Raises `DataSetError`."""
    data = subject.data
    _clean(data, top=True)
    changes = rename(subject, patient, mapper)
    data.set_value(PATIENT_NAME, patient.encode("latin-1", "replace"), b"PN")
    data.set_value(IDENTITY_REMOVED, b"YES", b"CS")
    data.set_value(METHOD, b"dgate anonymize", b"LO")
    return changes


def rename(subject: Subject, patient: str, mapper: Mapper) -> list[Change]:
    """Give it to another patient, with other UIDs. Raises `DataSetError`."""
    data = subject.data
    changes = replace_uids(data, mapper)
    data.set_value(PATIENT_ID, patient.encode("latin-1", "replace"), b"LO")
    return changes


def _clean(data: DataSet, *, top: bool) -> None:
    for tag in data.tags():
        if _goes(tag) or (not top and tag >> 16 == 0x0010):
            data.delete(tag)
        elif tag in EMPTIED or data.vr(tag) == b"PN":
            data.set_text(tag, "")
        elif data.vr(tag) == b"SQ":
            for item in data.items(tag) or ():
                _clean(item, top=False)


def _goes(tag: int) -> bool:
    group = tag >> 16
    if group & 1 or group in _GROUPS or tag in REMOVED:
        return True
    if group == 0x0010:
        return tag not in EMPTIED and tag not in (PATIENT_NAME, PATIENT_ID) and tag & 0xFFFF != 0
    if group == 0x0040:
        return _STEPS <= tag < _CONTENT or _REQUESTS <= tag < _VALUES
    return (group & 0xFF01 == 0x5000) or (group & 0xFF01 == 0x6000 and tag & 0xFFFF == 0x4000)
