"""How statements with arguments are written (conquest-converters.md 5 and 6). One that does not match has no effect."""

from __future__ import annotations

import re

from dgate.config.converters.commands import CONDITIONS, ONE_TEXT

_ANY = re.IGNORECASE | re.DOTALL

LEVELS = ("patient", "study", "series", "image")
SET = re.compile(r'set (\S+) (to|if) "(.*)"', _ANY)
SET_NIL = re.compile(r"set (\S+) to nil", _ANY)
SET_FORMAT = re.compile(r'set (\S+) format "(.*?)" to "(.*)"', _ANY)
SET_IF_EMPTY = re.compile(r'setifempty (\S+) to "(.*)"', _ANY)
DELETE = re.compile(r"delete ([0-9A-F]{4}),([0-9A-F]{4})(?![0-9A-F])", _ANY)
SCRUB = re.compile(r"scrub ([+-])(.*)", _ANY)
SAVE = re.compile(r"save to (.+)", _ANY)
FRAME = re.compile(r"save frame (.*?) to (.+)", _ANY)
PICTURE = re.compile(r"save (bmp|gif|jpg)(?: (.*?))? (?:to|as) (.+)", _ANY)
OPTION = re.compile(r"(level|window|frame|size|gamma) (\S+)", re.IGNORECASE)
"""Of a picture."""
TEXT = re.compile(r'(?:write|append) "(.*)" to (.+)', _ANY)
COPY = re.compile(r"copy (.+?) to (.+)", _ANY)
STORAGE = re.compile(r"storage (MAG[0-9]{1,4})", _ANY)
SCRIPT = re.compile(r'script "(.*)"', _ANY)
HEX = re.compile(r"[0-9A-Fa-f]{4},[0-9A-Fa-f]{4}")

_TWO_TEXTS = re.compile(r'(.*?)", ?"(.*)"', re.DOTALL)

FORMS: dict[str, tuple[tuple[re.Pattern[str], ...], str]] = {
    "set ": ((SET, SET_NIL, SET_FORMAT), 'set TAG to "text", set TAG to nil or set TAG format "F" to "text"'),
    "setifempty ": ((SET_IF_EMPTY,), 'setifempty gggg,eeee to "text"'),
    "scrub ": ((SCRUB,), "scrub -LIST or scrub +LIST"),
    "save ": ((SAVE, FRAME, PICTURE), "save to FILE, save frame N to FILE or save bmp|gif|jpg to FILE"),
    'write "': ((TEXT,), 'write "text" to FILE'),
    'append "': ((TEXT,), 'append "text" to FILE'),
    "copy ": ((COPY,), "copy FILE to FILE"),
    "storage ": ((STORAGE,), "storage MAGn"),
    'script "': ((SCRIPT,), 'script "LINE"'),
    "forward to ": ((re.compile(r"forward to \S", _ANY),), "forward to AE"),
    "forward compressed as ": (
        (re.compile(r"forward compressed as \S+ to \S", _ANY),),
        "forward compressed as CC to AE",
    ),
    **{
        f"forward {level} ": ((re.compile(rf"forward {level} (?:.* )?to \S", _ANY),), f"forward {level} to AE")
        for level in LEVELS
    },
    **{
        f"process {level} ": ((re.compile(rf"process {level} (?:.* )?by .", _ANY),), f"process {level} by COMMAND")
        for level in LEVELS
    },
    "get ": ((re.compile(rf"get (?:{'|'.join(LEVELS)}) (?:.* )?from \S", _ANY),), "get study from AE"),
    "preretrieve ": ((re.compile(r"preretrieve \S", _ANY),), "preretrieve AE"),
    "compression ": ((re.compile(r"compression \S\S", _ANY),), "compression CC"),
}
"""For each command what it can look like, and how to say so."""


def texts_of(word: str, statement: str) -> tuple[str, str] | None:
    """What is compared: the text between the quotes of a condition; None if it is malformed."""
    start = len(word)
    if word in ONE_TEXT:
        end = statement.rfind('"', start)
        return None if end < 0 else (statement[start:end], "")
    found = _TWO_TEXTS.match(statement, start)
    return None if found is None else (found[1], found[2])


def expected(word: str, statement: str) -> str:
    """What a statement that begins with this command should look like; nothing if it is well-formed."""
    if word in CONDITIONS:
        form = f'{word[:-2]} "a"' if word in ONE_TEXT else f'{word[:-2]} "a","b"'
        return form if texts_of(word, statement) is None else ""
    patterns, form = FORMS.get(word, ((), ""))
    return "" if not patterns or any(pattern.match(statement) for pattern in patterns) else form
