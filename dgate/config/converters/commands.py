"""The command words of the converter language, and how one is recognised (conquest-converters.md 3, 6). Pure.

Only the beginning of a statement is compared, ignoring case: `NOPE` is a `nop`. A word that ends in a blank or a quote
needs exactly that: `ifequal  "a","b"` with two blanks is unknown.
"""

from __future__ import annotations

CONDITIONS = (
    'ifequal "', 'ifnotequal "', 'ifempty "', 'ifnotempty "', 'ifmatch "', 'ifnotmatch "',
    'ifnumequal "', 'ifnumnotequal "', 'ifnumgreater "', 'ifnumless "', 'between "',
)  # fmt: skip
"""What the next statement depends on."""
ONE_TEXT = frozenset({'ifempty "', 'ifnotempty "'})

LUA = ('lua "', "lua:")
DELAYED = (
    "forward patient ", "forward study ", "forward series ", "forward image ", "get ", "merge ", "submit2 ", "submit ",
    "prefetch", "preretrieve ", "process patient ", "process study ", "process series ", "process image ",
)  # fmt: skip
"""Done later, by the server's own thread."""
IMMEDIATE = ("forward to ", "forward compressed as ")
SHARED = (
    *CONDITIONS, "nop", "stop", "silentstop", "return", "defer", "call ", *LUA, *IMMEDIATE, *DELAYED, "delete ",
    "save ", 'write "', 'append "', "copy ", "mkdir ", "rm ", "system ", "testmode ",
)  # fmt: skip
"""Known to import and export converters."""
IMPORT = (
    *SHARED, "destroy2", "destroy", "reject", "setifempty ", "set ", "newuids", "olduids", "fixkodak", "unfixkodak",
    "crop ", "tomono", "scrub ", "compression ", "storage ", "process with ", 'script "', "virtualservermask ",
    "virtualserver ",
)  # fmt: skip
EXPORT = SHARED

WORD, UNKNOWN, OPEN = "word", "unknown", "open"


def identify(beginning: str, words: tuple[str, ...] = IMPORT, *, complete: bool = True) -> tuple[str, str]:
    """The command that a statement begins with: (`WORD`, the word), (`UNKNOWN`, ""), or (`OPEN`, "").

    Without `complete` something follows that is not known yet, and what the beginning alone does not settle is open.
    """
    beginning = beginning.lower()
    for word in words:
        if beginning.startswith(word):
            return WORD, word
        if not complete and word.startswith(beginning):
            return OPEN, ""
    return UNKNOWN, ""
