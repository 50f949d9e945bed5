"""Names and value representations of tags, as rules need them. From the instance's `dgate.dic`, read when first needed.

Without that file rules still work on tags in hex; only keywords are then unknown.
"""

from __future__ import annotations

import threading

from dgate.config.dictionary import Attribute, Dictionary, load_dictionary
from dgate.encoding.vrs import VRs


class Terms:
    """The dictionary from both sides. A tag is one number, a VR is bytes as in an element's header."""

    def __init__(self, dictionary: Dictionary | None = None) -> None:
        known = dictionary or Dictionary()
        self._by_tag = {group << 16 | element: item for (group, element), item in known.by_tag.items()}
        self._by_keyword = known.by_keyword
        self._vrs = {tag: item.vr.encode("ascii", "replace") for tag, item in self._by_tag.items()}
        self.vrs = VRs(self._vrs)
        """The same for a conversion between transfer syntaxes."""

    def tag(self, keyword: str) -> int | None:
        """The tag of a keyword, whatever its case."""
        found = self._by_keyword.get(keyword.lower())
        return None if found is None else found.group << 16 | found.element

    def keyword(self, tag: int) -> str:
        """The keyword of a tag; empty for an unknown one."""
        found = self._attribute(tag)
        return "" if found is None else found.keyword

    def name(self, tag: int) -> str:
        """The name of a tag in words; empty for an unknown one."""
        found = self._attribute(tag)
        return "" if found is None else found.name

    def vr(self, tag: int) -> bytes | None:
        """The VR that the dictionary gives a tag, or the standard every tag of this form; None for an unknown one."""
        found = self._vrs.get(tag)
        if found is not None:
            return found
        group, element = tag >> 16, tag & 0xFFFF
        if element == 0:
            return b"UL"
        if group & 1:
            return b"LO" if 0x10 <= element <= 0xFF else None
        if group & 0xFF00 in (0x5000, 0x6000):
            return self._vrs.get(tag & 0xFF00FFFF)
        return None

    def _attribute(self, tag: int) -> Attribute | None:
        """Overlay and curve groups are listed once, as the lowest group (PS3.5 7.6)."""
        found = self._by_tag.get(tag)
        if found is None and tag >> 24 in (0x50, 0x60) and not tag >> 16 & 1:
            found = self._by_tag.get(tag & 0xFF00FFFF)
        return found


NO_TERMS = Terms()


class TermsFile:
    """A dictionary file that is read once, when it is first needed. Thread-safe."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._terms: Terms | None = None

    def get(self) -> Terms:
        """What is in it; nothing, from then on, if it cannot be read."""
        with self._lock:
            if self._terms is None:
                try:
                    self._terms = Terms(load_dictionary(self._path))
                except OSError:
                    self._terms = NO_TERMS
            return self._terms
