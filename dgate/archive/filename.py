"""The one file-name builder (conquest-server.md 7.1). Pure: time and counter come in as values.

Paths are bytes, because attributes are: what a peer sends in its own character set goes into a name unchanged. Nothing
an attribute holds can leave the device folder: every value passes `clean` or `safe_uid` before it is used, a `/` comes
only from the configured syntax, and each component is checked once more at the end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from dgate.record import dataclass

COMPONENT_LIMIT = 255
NOT_OBJECTS = frozenset({b"incoming", b"printer_files", b"bin"})
"""Folders whose files are no archived objects, in lower case: they are not regenerated, and the first is emptied by
the server. A patient of that name gets another folder, or its objects would vanish."""

NAME, PATIENT_ID, MODALITY = 0x00100010, 0x00100020, 0x00080060
STUDY_ID, STUDY_UID, STUDY_DATE, STUDY_DESCRIPTION = 0x00200010, 0x0020000D, 0x00080020, 0x00081030
SERIES_NUMBER, SERIES_UID = 0x00200011, 0x0020000E
SOP_UID, IMAGE_ID, IMAGE_NUMBER = 0x00080018, 0x00540400, 0x00200013

_UNSAFE = bytes.maketrans(b'/\\;><|,. :?*"', b"_" * 13)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_UID = re.compile(rb"[0-9][0-9.]{0,63}")
_INTEGER = re.compile(rb" *([+-]?[0-9]{1,64})")
_NOT_IN_UID = re.compile(rb"[^0-9A-Za-z.]")


@dataclass(frozen=True, slots=True)
class Naming:
    """What a name needs beside the attributes."""

    unix_time: int
    counter: int
    calling_ae: bytes = b""
    called_ae: bytes = b""


@dataclass(frozen=True, slots=True)
class Syntax:
    """A FileNameSyntax made ready: which attributes it reads, whether files are raw (.v2), and how a path is built."""

    wanted: frozenset[int]
    raw: bool
    build: Callable[[Mapping[int, bytes], Naming], bytes]


def clean(value: bytes | None, limit: int = 64) -> bytes:
    """An attribute as part of a name: Conquest's rules, in its order. The result has no dot and no slash."""
    if value is None:
        return b"empty"
    value = value[: limit + 1].translate(_UNSAFE)
    value = _CONTROL.split(value, maxsplit=1)[0][:limit].rstrip(b"_")
    return value or b"unknown"


def safe_uid(value: bytes | None) -> bytes:
    """A UID as part of a name.

    A lawful one stays; any other becomes readable text plus a hash of all of it, so that no two different ones give
    the same name.
    """
    text = (value or b"").rstrip(b"\0 ")
    if _UID.fullmatch(text) or text == b"undefined":
        return text
    from hashlib import blake2b

    readable = _NOT_IN_UID.sub(b"_", text[:40]).strip(b".")
    return readable + b"_" + blake2b(text, digest_size=12).hexdigest().encode()


def number(value: bytes | None) -> int:
    """An integer string as the 32-bit number Conquest makes of it; 0 where there is none."""
    match = _INTEGER.match(value or b"")
    if match is None:
        return 0
    return (int(match[1]) + 0x80000000) % 0x100000000 - 0x80000000


Values = Mapping[int, bytes]


def _stamp(values: Values, naming: Naming) -> bytes:
    """`0007_000042_TC`: series and image number, time, counter."""
    return b"%04d_%06d_%d%04x" % (
        number(values.get(SERIES_NUMBER)),
        number(values.get(IMAGE_NUMBER)),
        naming.unix_time,
        naming.counter & 0xFFFF,
    )


def _name_and_id(values: Values) -> bytes:
    return clean(values.get(NAME))[:8] + b"_" + clean(values.get(PATIENT_ID))[:8]


def _uid_path(values: Values, *tags: int) -> bytes:
    return b"/".join(safe_uid(values.get(tag)) for tag in tags)


def _syntax0(values: Values, naming: Naming) -> bytes:
    series, image = number(values.get(SERIES_NUMBER)), number(values.get(IMAGE_NUMBER))
    return b"%s/%d_%d_%d.v2" % (_name_and_id(values), series, image, naming.unix_time)


def _syntax1(values: Values, naming: Naming) -> bytes:
    return _name_and_id(values) + b"/" + _stamp(values, naming) + b".v2"


def _series_stamp(values: Values, naming: Naming) -> bytes:
    return _uid_path(values, SERIES_UID) + b"_" + _stamp(values, naming)


def _syntax12(values: Values, naming: Naming) -> bytes:
    del naming
    return b"%s_%s/%s_%s/%s/%s.dcm" % (
        clean(values.get(NAME)),
        clean(values.get(PATIENT_ID)),
        clean(values.get(MODALITY)),
        clean(values.get(STUDY_ID)),
        clean(values.get(SERIES_NUMBER)),
        safe_uid(values.get(SOP_UID)),
    )


_LEVELS = (STUDY_UID, SERIES_UID, SOP_UID)

_FIXED: dict[int, Callable[[Values, Naming], bytes]] = {
    0: _syntax0,
    1: _syntax1,
    2: lambda v, n: _name_and_id(v) + b"/" + _series_stamp(v, n) + b".v2",
    3: lambda v, n: clean(v.get(PATIENT_ID))[:16] + b"/" + _series_stamp(v, n) + b".v2",
    4: lambda v, n: clean(v.get(PATIENT_ID))[:16] + b"/" + _series_stamp(v, n) + b".dcm",
    5: lambda v, n: clean(v.get(NAME)) + b"/" + _series_stamp(v, n) + b".v2",
    6: lambda v, _: clean(v.get(PATIENT_ID))[:32] + b"/" + _uid_path(v, *_LEVELS) + b".v2",
    7: lambda v, _: _uid_path(v, *_LEVELS) + b".v2",
    8: lambda v, _: clean(v.get(PATIENT_ID))[:32] + b"/" + _uid_path(v, *_LEVELS) + b".dcm",
    9: lambda v, _: _uid_path(v, *_LEVELS) + b".dcm",
    10: lambda v, _: b"Images/" + _uid_path(v, SOP_UID) + b".dcm",
    11: lambda v, _: clean(v.get(NAME)) + b"/" + _uid_path(v, *_LEVELS) + b".dcm",
    12: _syntax12,
}
_PART10 = frozenset({4, 8, 9, 10, 11, 12})
_FIXED_WANTED = frozenset(
    {NAME, PATIENT_ID, MODALITY, STUDY_ID, STUDY_UID, SERIES_NUMBER, SERIES_UID, SOP_UID, IMAGE_NUMBER}
)

_TEXT_VARIABLES = {
    b"name": NAME, b"id": PATIENT_ID, b"modality": MODALITY, b"studyid": STUDY_ID, b"seriesid": SERIES_NUMBER,
    b"imageid": IMAGE_ID, b"imagenum": IMAGE_NUMBER, b"studydate": STUDY_DATE, b"studydesc": STUDY_DESCRIPTION,
}  # fmt: skip
_UID_VARIABLES = {b"studyuid": STUDY_UID, b"seriesuid": SERIES_UID, b"sopuid": SOP_UID}
_OTHER_VARIABLES: dict[bytes, Callable[[Values, Naming], bytes]] = {
    b"image": lambda v, _: b"%06d" % number(v.get(IMAGE_NUMBER)),
    b"series": lambda v, _: b"%04d" % number(v.get(SERIES_NUMBER)),
    b"time": lambda _, n: b"%d" % n.unix_time,
    b"date": lambda _, n: time.strftime("%Y%m%d", time.localtime(n.unix_time)).encode(),
    b"counter": lambda _, n: b"%04x" % (n.counter & 0xFFFF),
    b"calledae": lambda _, n: clean(n.called_ae),
    b"callingae": lambda _, n: clean(n.calling_ae),
}
_WORDS = sorted({*_TEXT_VARIABLES, *_UID_VARIABLES, *_OTHER_VARIABLES}, key=len, reverse=True)
_VARIABLE = re.compile(
    rb"%(?:(" + b"|".join(_WORDS) + rb")|[Vv]([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4}))(?:\[(\d{1,4}),(\d{1,4})\])?"
)

Part = Callable[[Values, Naming], bytes]


NAMING_KEY, _LUA = "FileNameSyntax", "lua:"


def naming_script(text: str) -> str:
    """The Lua expression of a FileNameSyntax `lua:...`; empty for any other."""
    text = text.strip()
    return text[len(_LUA) :].strip() if text.lower().startswith(_LUA) else ""


def compile_syntax(text: str) -> Syntax:
    """Make a FileNameSyntax value ready. Anything that is neither a known number nor has a `%` counts as 0.

    Where a script names files, this is about those that it fails for.
    """
    text = text.strip()
    if text.lower().startswith(_LUA):
        return compile_syntax("4")
    if "%" in text:
        return _compile_custom(text.encode("utf-8", "surrogateescape"))
    chosen = int(text) if text.isascii() and text.isdigit() else 0
    return Syntax(_FIXED_WANTED, chosen not in _PART10, _FIXED.get(chosen, _syntax0))


def _compile_custom(text: bytes) -> Syntax:
    parts: list[Part] = []
    wanted: set[int] = set()
    position = 0
    for match in _VARIABLE.finditer(text):
        parts.append(_literal(text[position : match.start()]))
        part, tag = _variable(match)
        parts.append(_sliced(part, int(match[4]), int(match[5])) if match[4] else part)
        wanted |= {tag} if tag else set()
        position = match.end()
    parts.append(_literal(text[position:]))
    raw = text.lower().endswith(b".v2")
    return Syntax(frozenset(wanted), raw, lambda values, naming: b"".join(part(values, naming) for part in parts))


def _literal(text: bytes) -> Part:
    text = text.replace(b"%", b"").replace(b"\\", b"/").replace(b"\0", b"")
    return lambda _values, _naming: text


def _variable(match: re.Match[bytes]) -> tuple[Part, int]:
    """The function for one `%variable`, and the tag it reads (0 for none)."""
    word: bytes | None = match[1]
    if word in _OTHER_VARIABLES:
        return _OTHER_VARIABLES[word], 0
    if word in _UID_VARIABLES:
        uid_tag = _UID_VARIABLES[word]
        return (lambda values, _: safe_uid(values.get(uid_tag))), uid_tag
    tag = _TEXT_VARIABLES[word] if word else int(match[2] + match[3], 16)
    return (lambda values, _: clean(values.get(tag))), tag


def _sliced(part: Part, first: int, last: int) -> Part:
    return lambda values, naming: part(values, naming)[first : last + 1]


def file_name(syntax: Syntax, values: Values, naming: Naming, *, compressed: bool, max_length: int) -> bytes:
    """The path of an object below its device folder: relative, safe, each component at most 255 bytes.

    `max_length` is MaxFileNameLength: the file part loses its beginning, as in the original. A compressed object never
    gets the raw extension `.v2`.
    """
    path = syntax.build(values, naming)
    if compressed and path.lower().endswith(b".v2"):
        path = path[:-3] + b".dcm"
    return lawful_name(path, max_length)


def scripted_name(returned: bytes, max_length: int) -> bytes:
    """The path that a script has computed: a .dcm file, and as safe as any other."""
    path = returned if returned.lower().endswith(b".dcm") else returned + b".dcm"
    return lawful_name(path.replace(b"\\", b"/"), max_length)


def lawful_name(path: bytes, max_length: int) -> bytes:
    """The path with each component made safe."""
    *folders, name = [part for part in path.split(b"/") if part] or [b"unknown"]
    bound = max(1, min(max_length or COMPONENT_LIMIT, COMPONENT_LIMIT))
    return b"/".join([*(_folder(folder[:COMPONENT_LIMIT]) for folder in folders), _component(name[-bound:])])


def _folder(part: bytes) -> bytes:
    part = _component(part)
    return b"_" + part[: COMPONENT_LIMIT - 1] if part.lower() in NOT_OBJECTS else part


def _component(part: bytes) -> bytes:
    """Last check of one component: never `.` or `..` nor the spool folder, no control characters."""
    part = _CONTROL.sub(b"_", part)
    return b"_" + part.lstrip(b".") if not part.strip(b".") or part.startswith(b".spool") else part


def variant(path: bytes, counter: int) -> bytes:
    """Another name for an object whose own is taken by a different object: the counter goes before the extension."""
    folder, slash, name = path.rpartition(b"/")
    stem, dot, extension = name.rpartition(b".")
    if not dot:
        stem, extension = name, b""
    addition = b"_%04x" % counter
    return folder + slash + stem[: COMPONENT_LIMIT - len(addition) - len(dot + extension)] + addition + dot + extension
