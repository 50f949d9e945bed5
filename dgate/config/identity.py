"""AE title and port of a server: which are possible at all."""

from __future__ import annotations

MAX_AE_TITLE = 16
"""PS3.5 table 6.2-1, VR AE."""

_UNSAFE = "\\#;*\"'"
"""The backslash separates values in DICOM; the others begin a comment, a pattern or a quoted value in our files."""


def ae_title_fault(title: str) -> str:
    """What is wrong with an AE title, as the end of a sentence; empty when it is good.

    Narrower than PS3.5 (which allows blanks inside), because `acrnema.map` separates its fields by blanks and knows
    comment signs: a title that it cannot hold could never be a move destination.
    """
    if not title:
        return "is empty"
    if len(title) > MAX_AE_TITLE:
        return f"has {len(title)} characters; {MAX_AE_TITLE} are allowed"
    for character in title:
        if not "!" <= character <= "~":
            return f"contains {character!r}; only printable ASCII without blanks is allowed"
        if character in _UNSAFE:
            return f"contains {character!r}, which has a meaning of its own in acrnema.map, dicom.ini or DICOM"
    if "//" in title:
        return "contains '//', which begins a comment in acrnema.map"
    return ""


def port_fault(text: str) -> str:
    """What is wrong with a TCP port given as text, as the end of a sentence; empty when it is good."""
    if not text:
        return "is empty"
    if not (text.isascii() and text.isdigit()):
        return "is not a number"
    if len(text) > 5 or not 1 <= int(text) <= 65535:
        return "is not between 1 and 65535"
    return ""
