"""What IncomingCompression and DroppedFileCompression make of a received object (conquest-server.md 8). Pure.

Without codecs only uncompressed transfer syntaxes are converted into each other. An object that a code would compress
or decompress is kept as it was received, and a line says so.
"""

from __future__ import annotations

from dgate.encoding.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, UNCOMPRESSED
from dgate.record import dataclass

_PLAIN = frozenset({"un", "ue"})
_EXPLICIT = frozenset({"ul", "ub"})
_JPEG = "1.2.840.10008.1.2.4."
_CODED: dict[str, tuple[str, ...]] = {
    "j1": ("70",), "jr": ("70",), "j2": ("57",), "j3": ("50", "51", "70"), "j4": ("50", "51", "70"),
    "j5": ("53", "55", "70"), "j6": ("53", "55", "70"), "js": ("80",), "j7": ("81",), "jk": ("90",), "jl": ("91",),
    "n1": (), "n2": (), "n3": (), "n4": (), "nj": (), "k1": (), "k2": (), "k4": (), "k8": (),
}  # fmt: skip
"""Codes that ask for a codec, and the transfer syntaxes below 1.2.840.10008.1.2.4 that satisfy them."""
_WITHOUT_PICTURE = (b"PR", b"SR", b"RT")
"""What the modality of an object that JPEG is not for begins with."""


@dataclass(frozen=True, slots=True)
class Target:
    """How an object is stored: its transfer syntax, and a log line where that is not what the code asks for."""

    transfer_syntax: str
    line: str = ""


def is_virtual(code: str) -> bool:
    """The code asks for an entry in the database and nothing on disk."""
    return code[:2].lower() == "v0"


def decide(code: str, received: str, modality: bytes = b"") -> Target:
    """The outcome for an object received in this transfer syntax.

    Codes are case-insensitive; digits after the first two characters are a quality. Big endian never reaches the disk:
    `ub`, of which the original makes an unreadable file, counts as `ul`. Unknown codes change nothing.
    """
    kind = code[:2].lower()
    kept = EXPLICIT_LITTLE if received == EXPLICIT_BIG else received
    if received in UNCOMPRESSED:
        if kind in _EXPLICIT:
            return Target(EXPLICIT_LITTLE)
        if kind[:1] == "j" and kind in _CODED and modality.startswith(_WITHOUT_PICTURE):
            return Target(kept, "JPEG compression not allowed for PR/SR/RT")
        return Target(kept, _line(code, kept) if kind in _CODED else "")
    satisfied = any(received == _JPEG + end for end in _CODED.get(kind, ()))
    codec = kind in _CODED or kind in _PLAIN or kind in _EXPLICIT
    return Target(received, _line(code, received) if codec and not satisfied else "")


def _line(code: str, syntax: str) -> str:
    return f"Compression {code} needs a codec that is not here: stored as received, in {syntax}"


def code_for(called_ae: str, setting: str) -> str:
    """The code for an association: what follows `~` in the called AE title overrides the setting."""
    return called_ae.partition("~")[2].strip() or setting
