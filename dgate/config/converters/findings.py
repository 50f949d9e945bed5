"""What a person should know about a converter line before it runs: mistakes and known traps. Pure.

No line is refused by a server, and most mistakes are silent there; so all of them are told here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from dgate.config.converters import commands
from dgate.config.converters.commands import CONDITIONS, OPEN, WORD, identify
from dgate.config.converters.forms import DELETE, FORMS, HEX, expected, texts_of
from dgate.config.converters.grammar import MAX_LINE, MAX_VALUE, Statement, split
from dgate.config.converters.items import scan
from dgate.config.dictionary import Dictionary
from dgate.record import dataclass

Kind = Literal["import", "export"]
IMPORT: Kind = "import"
EXPORT: Kind = "export"

_ITEM = re.compile(r"(\.([0-9]{1,9}|\*))?")
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NO_TAG = re.compile(r"[*/(]*([A-Za-z][A-Za-z0-9]*)")
_SCRIPT_FILE = re.compile(r"[^\s\"%;]*\.lua(?:\(.*\))?", re.IGNORECASE | re.DOTALL)
_STRING = re.compile(r'"[^"]*"?')
_BLANK = re.compile(r"[ \t]*")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know. `wrong`: it cannot be meant so; else it is a trap."""

    line: int
    column: int
    message: str
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What lines can refer to."""

    dictionary: Dictionary | None = None
    """Without it keywords are not checked."""
    scripts: frozenset[str] = frozenset()
    """Lower-case keys of section `[scripts]`, and names of files of lines."""


NOTHING = Known()


def check_file(content: bytes, known: Known = NOTHING, *, called: bool = False) -> list[Finding]:
    """The findings in a converters.txt, or in a file of lines that another one calls: its lines may be longer.

    Lines that begin with `#` are left out: in a called file they are comments.
    """
    found: list[Finding] = []
    for number, row in enumerate(content.removeprefix(_BOM).split(b"\n"), start=1):
        text = row.removesuffix(b"\r").decode("latin-1")
        indent = len(text) - len(text.lstrip(" \t"))
        line = text.strip(" \t")
        if line and not line.startswith("#"):
            found += [
                Finding(number, finding.column + indent, finding.message, finding.wrong)
                for finding in check_line(line, known, called=called)
            ]
    return found


def check_line(
    text: str, known: Known = NOTHING, *, kind: Kind = IMPORT, line: int = 1, called: bool = False
) -> list[Finding]:
    """The findings in one line, in the order of their columns. `called`: it stands in a file of lines."""
    if called and len(text) > MAX_LINE:
        return [Finding(line, MAX_LINE + 1, f"a line of more than {MAX_LINE} characters is not run", wrong=True)]
    found = list(_check_length(text)) if not called else []
    text = text if called else text[:MAX_VALUE]
    statements = split(text)
    found += [*_check_quotes(text, statements), *_check_blocks(statements)]
    for place, statement in enumerate(statements):
        following = statements[place + 1] if place + 1 < len(statements) else None
        found += _check_statement(statement, known, kind)
        found += _check_guard(statement, following, kind)
        found += _check_items(statement, known)
    return sorted(
        (Finding(line, column, message, wrong) for column, message, wrong in found),
        key=lambda finding: (finding.column, finding.message),
    )


Raw = tuple[int, str, bool]


def _words(kind: Kind) -> tuple[str, ...]:
    return commands.IMPORT if kind == IMPORT else commands.EXPORT


def _check_length(text: str) -> Iterator[Raw]:
    if len(text) > MAX_VALUE:
        yield MAX_VALUE + 1, f"only {MAX_VALUE} characters of a line count, what follows is cut off", True


def _check_quotes(text: str, statements: tuple[Statement, ...]) -> Iterator[Raw]:
    if not statements or _is_lua(statements[-1]):
        return
    if text.count('"') % 2:
        last = statements[-1]
        at = last.column + last.text.rfind('"')
        yield at, 'this " has no partner: a `;` behind it does not end a statement', True


def _is_lua(statement: Statement) -> bool:
    return "lua:" in _STRING.sub("", statement.text).lower()


def _check_blocks(statements: tuple[Statement, ...]) -> Iterator[Raw]:
    opened: list[int] = []
    for statement in statements:
        if statement.brace == "{":
            opened.append(statement.start)
        elif statement.brace == "}":
            if not opened:
                yield statement.start, "this } closes nothing", True
            else:
                opened.pop()
    for column in opened:
        yield (
            column,
            "this { is never closed by a } at the start of a statement: if skipped, so is the whole line",
            True,
        )


def _check_statement(statement: Statement, known: Known, kind: Kind) -> Iterator[Raw]:
    text, column = statement.text, statement.column
    verdict, word = _identified(text, kind)
    if not text or verdict == OPEN:
        return
    if verdict == WORD:
        yield from _check_form(statement, word, known, kind)
    elif not _is_named(text, known):
        yield column, _unknown(text, kind), kind == IMPORT
    yield from _check_braces(statement, word)


def _identified(text: str, kind: Kind) -> tuple[str, str]:
    beginning, item, _ = text.partition("%")
    return identify(beginning, _words(kind), complete=not item)


def _is_named(text: str, known: Known) -> bool:
    return text.lower() in known.scripts or _SCRIPT_FILE.fullmatch(text) is not None


_GUARDED = (
    "this condition is guarded by the one before it: if that is false, what follows runs unconditionally; "
    "put it in a block: { CONDITION; COMMAND; }"
)
_NO_WORDS = {
    "else": "there is no else: write the opposite condition",
    "if": 'there is no if: write ifequal "a","b" or another condition',
}
_NO_BEGINNINGS = {
    " ": "only blanks behind a `;` are dropped: this statement begins with other white space",
    "\t": "only blanks behind a `;` are dropped: this statement begins with other white space",
    "{": "one brace for each statement: write `;` before this {",
    "}": "one brace for each statement: write `;` before this }",
    "#": "there are no comments: this is an error in the log at each image",
}


def _unknown(text: str, kind: Kind) -> str:
    mistake = _NO_WORDS.get(text.split(" ", 1)[0].lower()) or _NO_BEGINNINGS.get(text[0])
    if mistake:
        return mistake
    shown = text if len(text) <= 40 else text[:40] + "..."
    if kind == EXPORT:
        return f"no command of export converters: the shell runs {shown!r}"
    near = _with_one_blank(text)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"unknown command {shown!r}: an error in the log at each image{hint}"


def _with_one_blank(text: str) -> str:
    """The command that is known as soon as it is followed by one blank only."""
    joined = re.sub(r"[ \t]+", " ", text, count=1)
    verdict, word = identify(joined)
    return word.strip(' "') + (' "' if word.endswith('"') else "") if joined != text and verdict == WORD else ""


def _check_form(statement: Statement, word: str, known: Known, kind: Kind) -> Iterator[Raw]:
    text, column = statement.text, statement.column
    form = expected(word, text) if word in CONDITIONS or word in FORMS else ""
    if form and word in CONDITIONS:
        yield column, f"malformed condition, which guards nothing: expected {form}", True
    elif form:
        yield column, f"malformed, and without effect: expected {form}", True
    elif word == "set " and not _names_element(text.split(" ")[1], known):
        yield column + len(word), f"no element has this name, so nothing is set: expected {_TAG}", True
    elif word in ('ifmatch "', 'ifnotmatch "'):
        yield from _check_pattern(statement, word)
    elif kind == IMPORT and word == "delete " and not DELETE.match(text):
        yield column + len(word), "expected gggg,eeee: import converters delete elements only, and only by number", True
    elif word == "setifempty " and not _takes(text):
        yield column + len(word), "expected gggg,eeee or x, y, z: setifempty knows no keywords", True


_TAG = "gggg,eeee or a keyword of the dictionary"


def _names_element(name: str, known: Known) -> bool:
    """Whether `set` finds an element by this, as far as that can be known."""
    if "%" in name or name.lower() in ("x", "y", "z"):
        return True
    steps = name.removeprefix("/").split("/")
    return all(
        found is not None and _ITEM.fullmatch(step, found[1]) is not None
        for step, found in ((step, _match(step, 0, known)) for step in steps)
    )


def _check_pattern(statement: Statement, word: str) -> Iterator[Raw]:
    texts = texts_of(word, statement.text)
    pattern = "" if texts is None else texts[1]
    if "%" not in pattern and ("*" in pattern[1:-1] or "?" in pattern):
        at = statement.text.rfind(pattern)
        mark = "?" if "?" in pattern else "a * in the middle"
        yield statement.column + at, f"{mark} is an ordinary character: a star counts only at either end", False


def _takes(text: str) -> bool:
    name = text.split(" ")[1]
    return HEX.fullmatch(name) is not None or name.lower() in "xyz"


def _check_braces(statement: Statement, word: str) -> Iterator[Raw]:
    if word in commands.LUA or _is_lua(statement):
        return
    plain = _STRING.sub(lambda found: " " * len(found[0]), statement.text)
    for brace in "{}":
        at = plain.find(brace, 1)
        if at >= 0:
            yield statement.column + at, f"a {brace} counts only at the start of a statement: write `;` before it", True


def _check_guard(statement: Statement, following: Statement | None, kind: Kind) -> Iterator[Raw]:
    verdict, word = _identified(statement.text, kind)
    if verdict != WORD or word not in CONDITIONS or expected(word, statement.text):
        return
    if following is None:
        yield statement.column, "this condition guards nothing: it is the last statement", True
        return
    if not following.text and not following.brace:
        yield statement.column, "this condition guards an empty statement", True
    elif following.brace == "}":
        yield (
            following.start,
            "a } right behind a condition: if that is false, the rest of the line is skipped",
            True,
        )
    elif not following.brace and _identified(following.text, kind)[1] in CONDITIONS:
        yield following.column, _GUARDED, True


def _check_items(statement: Statement, known: Known) -> Iterator[Raw]:
    for at in scan(statement.text, lambda text, start: _match(text, start, known)).unknown:
        text = statement.text[at : at + 2]
        named = _NO_TAG.match(statement.text, at + 2) if text[1:].lower() in tuple("vaer") else None
        if text == "%":
            message = "a % at the end vanishes"
        elif named and known.dictionary is not None:
            message = f"{named[1][:64]} is not in the dictionary: it stays in the text as it is"
        elif text[1:].lower() in tuple("vaerq"):
            message = f"expected a tag behind {text}: gggg,eeee or a keyword of the dictionary"
        else:
            message = f"unknown item {text!r}: both characters vanish; a percent sign is written %%"
        yield statement.column + at, message, False


def _match(text: str, at: int, known: Known) -> tuple[None, int] | None:
    """The end of the tag that begins there, as well as that can be told."""
    while text.startswith(("/", "*", "("), at):
        at += 1
    found = HEX.match(text, at)
    if not found:
        found = _KEYWORD.match(text, at)
        if not found or (known.dictionary is not None and known.dictionary.keyword(found[0]) is None):
            return None
    return None, found.end()
