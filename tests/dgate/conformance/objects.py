"""The example object of the reference, and others made from it, as elements and as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

CT = "1.2.840.10008.5.1.4.1.1.2"
IVLE, EVLE, EVBE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
UID = "1.2.826.0.1.3680043.8.498.77.1.1"
SERIES, SOP = UID + ".1", UID + ".1.1"

Elements = Mapping[int, tuple[str, bytes]]

CT1: Elements = {
    0x00080008: ("CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
    0x00080016: ("UI", CT.encode()),
    0x00080018: ("UI", SOP.encode()),
    0x00080020: ("DA", b"20200229"),
    0x00080030: ("TM", b"101112.123456"),
    0x00080060: ("CS", b"CT"),
    0x00081030: ("LO", b"Brain, w/o: contrast"),
    0x00100010: ("PN", b"Doe^John^Q"),
    0x00100020: ("LO", b"PAT 001.A"),
    0x00100030: ("DA", b"19701231"),
    0x00100040: ("CS", b"M"),
    0x0020000D: ("UI", UID.encode()),
    0x0020000E: ("UI", SERIES.encode()),
    0x00200010: ("SH", b"STU 1"),
    0x00200011: ("IS", b"7"),
    0x00200013: ("IS", b"42"),
    0x00280002: ("US", b"\x01\x00"),
    0x00280004: ("CS", b"MONOCHROME2"),
    0x00280010: ("US", b"\x04\x00"),
    0x00280011: ("US", b"\x08\x00"),
    0x00280100: ("US", b"\x10\x00"),
    0x00280101: ("US", b"\x10\x00"),
    0x00280102: ("US", b"\x0f\x00"),
    0x00280103: ("US", b"\x00\x00"),
    0x7FE00010: ("OW", bytes(range(64))),
}

VRS = {0x00080050: "SH", 0x00080068: "CS", 0x00081090: "LO", 0x00211070: "UI", 0x00211071: "UI", 0x00540400: "SH",
       0x00200012: "IS", 0x00080022: "DA", 0x00200052: "UI", 0x00080005: "CS"}  # fmt: skip
_LONG = {"OB", "OW", "SQ", "UN", "UT", "OF"}


def ct1(**changes: bytes | str | None) -> dict[int, tuple[str, bytes]]:
    """The example object with other values: `t00100020="X"`; None leaves the attribute out."""
    elements = dict(CT1)
    for name, value in changes.items():
        tag = int(name[1:], 16)
        if value is None:
            elements.pop(tag, None)
        else:
            raw = value.encode("latin-1") if isinstance(value, str) else value
            elements[tag] = (elements[tag][0] if tag in elements else VRS.get(tag, "LO"), raw)
    return elements


def another(number: int, **changes: bytes | str | None) -> dict[int, tuple[str, bytes]]:
    """An object of a patient, study and series of its own."""
    study = f"1.2.826.0.1.3680043.8.498.90.{number}"
    own: dict[str, bytes | str | None] = {
        "t00100020": f"P{number}",
        "t0020000D": study,
        "t0020000E": f"{study}.1",
        "t00080018": f"{study}.1.1",
    }
    return ct1(**{**own, **changes})


def uid_of(elements: Elements) -> str:
    return elements.get(0x00080018, ("UI", b""))[1].rstrip(b"\0 ").decode("latin-1")


def text_of(elements: Elements, tag: int) -> str:
    return elements[tag][1].rstrip(b"\0 ").decode("latin-1")


def encode(elements: Elements, syntax: str = EVLE) -> bytes:
    """The data set in one of the encodings."""
    big, explicit = syntax == EVBE, syntax != IVLE
    return b"".join(
        _element(tag, vr, value, big=big, explicit=explicit) for tag, (vr, value) in sorted(elements.items())
    )


def _element(tag: int, vr: str, value: bytes, *, big: bool, explicit: bool) -> bytes:
    order = ">" if big else "<"
    if big and vr in ("US", "OW"):
        value = b"".join(value[at : at + 2][::-1] for at in range(0, len(value), 2))
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + pack("<I", len(value)) + value
    if vr in _LONG:
        return head + vr.encode() + b"\0\0" + pack(order + "I", len(value)) + value
    return head + vr.encode() + pack(order + "H", len(value)) + value


def as_file(elements: Elements) -> bytes:
    """A part 10 file of the object, in explicit little endian."""
    meta = _element(0x00020010, "UI", EVLE.encode(), big=False, explicit=True)
    length = _element(0x00020000, "UL", pack("<I", len(meta)), big=False, explicit=True)
    return bytes(128) + b"DICM" + length + meta + encode(elements)
