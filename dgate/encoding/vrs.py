"""Value representations by tag, for writing an implicit data set as an explicit one (PS3.5 7.1.2, annex A; PS3.6).

They come from the instance's `dgate.dic`. It is read when the first such conversion is due, and only the VRs are kept.
What the dictionary does not know is written as UN, as the standard asks.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

PIXEL_REPRESENTATION = 0x00280103

SIGNED_OR_NOT = frozenset(
    {0x00280104, 0x00280105, 0x00280106, 0x00280107, 0x00280108, 0x00280109, 0x00280110, 0x00280111, 0x00280120}
    | {0x00280121, 0x00281101, 0x00281102, 0x00281103, 0x00281111, 0x00281112, 0x00281113, 0x00283002}
    | {0x00189810, 0x00221452, 0x00280071, 0x00281100, 0x00409211, 0x00409216, 0x00603004, 0x00603006}
)
"""SS where Pixel Representation is 1, else US (PS3.6); a dictionary file can name one of them only."""
WORDS = frozenset({0x00281200, 0x00283006, 0x7FE00010, 0x54001010, 0x60003000})
"""OW in any data set that was implicit, whatever else they may be elsewhere (PS3.5 A.1)."""


class VRs:
    """The dictionary, as far as a conversion needs it."""

    def __init__(self, known: Mapping[int, bytes]) -> None:
        self._known = known

    def find(self, tag: int, *, signed: bool) -> bytes:
        """The VR of a tag; `signed` says whether the data set's pixels are. Unknown ones are UN."""
        group, element = tag >> 16, tag & 0xFFFF
        if element == 0:
            return b"UL"
        if group & 0xFF01 in (0x5000, 0x6000):  # curves and overlays, listed once (PS3.5 7.6)
            tag &= 0xFF00FFFF
        if tag in WORDS:
            return b"OW"
        if tag in SIGNED_OR_NOT:
            return b"SS" if signed else b"US"
        found = self._known.get(tag)
        if found is None:
            return b"LO" if group & 1 and 0x10 <= element <= 0xFF else b"UN"
        return found


def read_vrs(path: str) -> VRs:
    """The VRs in a dictionary file; the first line of a tag wins. Raises OSError."""
    import re

    line = re.compile(rb'^\s*\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)[^\n]*?\bVR\s*=\s*"([A-Z]{2})"', re.MULTILINE)
    with open(path, "rb") as file:
        content = file.read()
    names: dict[bytes, bytes] = {}  # one object for each VR, not one for each line
    known: dict[int, bytes] = {}
    for found in line.finditer(content):
        group, element, vr = found.groups()
        known.setdefault(int(group + element, 16), names.setdefault(vr, vr))
    return VRs(known)


class VRFile:
    """A dictionary file that is read once, when it is first needed. Thread-safe."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._vrs: VRs | None = None

    def get(self) -> VRs:
        """What is in it. Raises OSError as long as it cannot be read."""
        with self._lock:
            if self._vrs is None:
                self._vrs = read_vrs(self._path)
            return self._vrs
