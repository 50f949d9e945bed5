"""Which transfer syntaxes are proposed for sending, and which context an object takes (conquest-server.md 3.1). Pure.

Differs from Conquest where it would send what nobody can read: a compressed object goes only in exactly its own
transfer syntax, `as` leaves no group 0002 in the data set, and an uncompressed object never goes as if compressed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.net.negotiation import Context

IMPLICIT, LITTLE, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
UNCOMPRESSED = (LITTLE, IMPLICIT, BIG)
"""In the order of preference for an object that has to be converted."""
AS_STORED = "as"

_JPEG = "1.2.840.10008.1.2.4."
_PLAIN = {"ul": (LITTLE, IMPLICIT), "ub": (BIG, IMPLICIT), "ue": (LITTLE, BIG, IMPLICIT)}
_CODED = {
    "j1": "57 70", "j2": "57 70", "jr": "57 70", "j3": "51 50", "j4": "51 50", "j5": "53 51 50", "j6": "55 51 50",
    "jk": "90", "jl": "91 90", "js": "80", "j7": "81 80",
}  # fmt: skip
"""Codes that ask for a codec: what they propose below 1.2.840.10008.1.2.4, before implicit little endian."""

MAX_CONTEXTS = 128

Proposal = tuple[str, tuple[str, ...]]
"""An abstract syntax and the transfer syntaxes offered for it."""


def code_for(called_ae: str, configured: str) -> str:
    """The compression code: what follows `~` in the AE title that the requester called goes before the map."""
    return called_ae.partition("~")[2].strip() or configured


def is_as_stored(code: str) -> bool:
    """The code asks for each object as it is stored: what that is has to be looked up first."""
    return code[:2].lower() == AS_STORED


def propose(code: str, stored: Mapping[str, Iterable[str]]) -> list[Proposal]:
    """The contexts to ask for; `stored` holds the SOP classes, for `as` with the transfer syntaxes of their objects.

    As there is no codec, a code that asks for one gets a second context per SOP class for what is not compressed, and
    `as` one for each transfer syntax: so the peer's own taste cannot leave an object without a way.
    """
    kind = code[:2].lower()
    proposals: list[Proposal] = []
    for sop_class, syntaxes in stored.items():
        if kind == AS_STORED:
            own = sorted(set(syntaxes) - {IMPLICIT})
            proposals += [(sop_class, (syntax,)) for syntax in [*own, IMPLICIT]]
        elif kind in _CODED:
            coded = tuple(_JPEG + end for end in _CODED[kind].split())
            if code.endswith("!"):
                proposals.append((sop_class, coded))
            else:
                proposals += [(sop_class, (*coded, IMPLICIT)), (sop_class, (IMPLICIT,))]
        else:
            proposals.append((sop_class, _PLAIN.get(kind, (IMPLICIT,))))
    return proposals[:MAX_CONTEXTS]


class Offers:
    """The accepted contexts of an association, by SOP class."""

    def __init__(self, contexts: Iterable[Context]) -> None:
        self._contexts: dict[str, dict[str, Context]] = {}
        for context in contexts:
            self._contexts.setdefault(context.abstract_syntax, {}).setdefault(context.transfer_syntax, context)

    def takes(self, sop_class: str) -> bool:
        """The peer takes objects of this SOP class, in one way or another."""
        return sop_class in self._contexts

    def choose(self, sop_class: str, stored: str) -> Context | None:
        """The context for an object: its own transfer syntax, else one that needs no codec; None if there is none."""
        ways = self._contexts.get(sop_class, {})
        if stored in ways:
            return ways[stored]
        if stored not in UNCOMPRESSED:
            return None
        return next((ways[syntax] for syntax in UNCOMPRESSED if syntax in ways), None)
