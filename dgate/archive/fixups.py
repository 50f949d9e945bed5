"""Fix-ups of a received object (conquest-server.md 6.2). Pure: attributes in, changed attributes and log lines out.

Only the head of the data set is ever re-encoded; the pixels are not touched.
"""

from __future__ import annotations

from collections.abc import Mapping

from dgate.config.archiveoptions import ArchiveOptions
from dgate.encoding.elements import VALUE_LIMIT, Encoding, encode_element, read_all
from dgate.record import dataclass, field

NAME, PATIENT_ID, STUDY_UID, SERIES_UID = 0x00100010, 0x00100020, 0x0020000D, 0x0020000E
SAVED_STUDY_UID, SAVED_SERIES_UID = 0x00211070, 0x00211071
SOP_UID = 0x00080018
WANTED = frozenset({NAME, PATIENT_ID, STUDY_UID, SERIES_UID, SAVED_STUDY_UID, SAVED_SERIES_UID})

_VRS = {
    NAME: b"PN", PATIENT_ID: b"LO", 0x00100030: b"DA", 0x00100040: b"CS", 0x00102000: b"LO", 0x00102110: b"LO",
}  # fmt: skip
"""All others that are ever changed are UI."""


@dataclass(slots=True)
class Fix:
    """What is to change, and what the log says about it."""

    changes: dict[int, bytes] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def fix(values: Mapping[int, bytes], options: ArchiveOptions) -> Fix:
    """Decide what must change in an object with these attributes."""
    result = Fix()
    if not options.allow_empty_id:
        if NAME not in values:
            result.changes[NAME] = b"NO NAME"
            result.lines.append("Fiximage: Added patient name")
        _fix_id(values, options, result)
    elif PATIENT_ID in values:
        _fix_known_id(values[PATIENT_ID], options, result)
    for tag, saved in ((STUDY_UID, SAVED_STUDY_UID), (SERIES_UID, SAVED_SERIES_UID)):
        if not values.get(tag, b"").strip(b"\0 "):
            result.changes[tag] = values.get(saved, b"").strip(b"\0 ") or b"undefined"
    return result


def _fix_id(values: Mapping[int, bytes], options: ArchiveOptions, result: Fix) -> None:
    value = values.get(PATIENT_ID)
    if value is None:
        result.changes[PATIENT_ID] = b"00000000"
        result.lines.append("Fiximage: Added patient ID")
    elif not value.strip(b"\0 "):
        result.changes[PATIENT_ID] = b"00000000"
        result.lines.append("Fiximage: Fixed empty patient ID")
    else:
        _fix_known_id(value, options, result)


def _fix_known_id(value: bytes, options: ArchiveOptions, result: Fix) -> None:
    """Superfluous trailing blanks go; leading zeros that two makers add go where the settings say so.

    Of an absurdly long ID only the beginning is known here, so what looks like its end is none.
    """
    if len(value) >= VALUE_LIMIT:
        return
    text = value.rstrip(b" ")
    if options.fix_philips and len(text) == 10 and text.startswith(b"00"):
        text = text.lstrip(b"0")
    if options.fix_kodak and len(text) == 8 and text.startswith(b"0"):
        text = text.lstrip(b"0")
    if text + b" " * (len(text) & 1) != value:
        result.changes[PATIENT_ID] = text


def apply(head: bytes, encoding: Encoding, changes: Mapping[int, bytes]) -> bytes:
    """The head of a data set with some top-level elements replaced or added, and any group 0002 in it left out.

    Retired group lengths of the changed groups go as well: they would be wrong. Raises ValueError where the head
    cannot be taken apart.
    """
    walker = read_all(head, encoding)
    if walker.fault:
        raise ValueError(walker.fault)
    groups = {tag >> 16 for tag in changes}
    order = sorted(walker.spans.items(), key=lambda item: item[1].start)
    ends = [span.start for _, span in order[1:]] + [len(head)] * bool(order)
    pieces: list[bytes] = []
    waiting = dict(sorted(changes.items()))
    for (tag, span), end in zip(order, ends, strict=True):
        while waiting and next(iter(waiting)) < tag:
            pieces.append(_pop_first(waiting, encoding))
        if tag in waiting:
            pieces.append(_encoded(tag, waiting.pop(tag), encoding))
        elif tag >> 16 != 0x0002 and not (tag & 0xFFFF == 0 and tag >> 16 in groups):
            pieces.append(head[span.start : end])
    while waiting:
        pieces.append(_pop_first(waiting, encoding))
    return b"".join(pieces)


def _pop_first(waiting: dict[int, bytes], encoding: Encoding) -> bytes:
    tag = next(iter(waiting))
    return _encoded(tag, waiting.pop(tag), encoding)


def _encoded(tag: int, value: bytes, encoding: Encoding) -> bytes:
    return encode_element(tag, _VRS.get(tag, b"UI"), value, encoding)
