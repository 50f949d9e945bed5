"""Statements that change elements: `set`, `setifempty`, `delete`, `fixkodak`, `scrub` (conquest-converters.md 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dgate.config.converters import forms
from dgate.dataset import access
from dgate.dataset.formatting import leading_float, leading_integer
from dgate.dataset.paths import Path, PathError, parse_path
from dgate.rules.outcome import Status
from dgate.rules.subject import PATIENT_ID
from dgate.rules.substitution import VARIABLES

if TYPE_CHECKING:
    from dgate.dataset.model import DataSet
    from dgate.rules.run import Run

_CONVERSION = re.compile(r"%%|%([-+ #0]*)([0-9]{0,3})(?:\.([0-9]{0,3}))?([sdxfg])")

KODAK_LEAST = 1_000_000


def set_element(run: Run, _word: str, text: str) -> Status:
    """`set TAG to|if "text"`, `set TAG format "F" to "text"`, `set TAG to nil`. Anything else has no effect."""
    found = forms.SET.match(text)
    if found:
        _write(run, text, found[1], found[3], only_text=found[2].lower() == "if")
    elif formatted := forms.SET_FORMAT.match(text):
        _write(run, text, formatted[1], formatted_text(formatted[2], formatted[3]), only_text=False)
    elif removed := forms.SET_NIL.match(text):
        path = find_path(run, removed[1])
        if path is not None and _is_data(path) and run.subject.delete(path):
            run.debug(f"{run.where} deletes: {path.tag >> 16:04x},{path.tag & 0xFFFF:04x}")
    return Status.NEXT


def _write(run: Run, statement: str, name: str, value: str, *, only_text: bool) -> None:
    if only_text and not value:
        run.debug(f"{run.where} executes void: {statement}")
        return
    if name.lower() in VARIABLES:
        run.association.session.variables[name.lower()] = value
        run.debug(f"{run.where} executes: {statement}")
        return
    path = find_path(run, name)
    if path is None or not _is_data(path):
        return
    if not value and not path.steps and _is_sequence(run, path):
        access.create_sequence(run.subject.edit(path), path)
        run.debug(f"{run.where} created sequence: {path.tag >> 16:04x},{path.tag & 0xFFFF:04x}")
        return
    run.subject.set_text(path, value)
    run.debug(f"{run.where} executes: {statement}")


def set_if_empty(run: Run, _word: str, text: str) -> Status:
    """`setifempty TAG to "text"`: hex tags of the top level, and the variables."""
    found = forms.SET_IF_EMPTY.match(text)
    if found is None:
        return Status.NEXT
    if _fill(run, found[1], found[2]):
        run.operator(f"{run.where} executes: {text}")
    else:
        run.debug(f"{run.where} executes void: {text}")
    return Status.NEXT


def _fill(run: Run, name: str, value: str) -> bool:
    variables = run.association.session.variables
    if name.lower() in VARIABLES:
        if variables.get(name.lower()):
            return False
        variables[name.lower()] = value
        return True
    path = find_path(run, name) if forms.HEX.fullmatch(name) else None
    if path is None or not _is_data(path) or _is_sequence(run, path) or run.subject.read(path):
        return False
    run.subject.set_text(path, value)
    return True


def _is_sequence(run: Run, path: Path) -> bool:
    known = run.subject.terms.vr(path.tag)
    return (known or run.subject.data_to_read.vr(path.tag)) == b"SQ"


def delete(run: Run, _word: str, text: str) -> Status:
    """`delete gggg,eeee`; any other form is one for export converters, and void here."""
    found = forms.DELETE.match(text)
    if found and run.subject.delete(Path(int(found[1] + found[2], 16))):
        run.operator(f"{run.where} executes: {text}")
    else:
        run.debug(f"{run.where} executes void: {text}")
    return Status.NEXT


def find_path(run: Run, name: str) -> Path | None:
    """The path that a text is; None for what names no element. Remembered, for there are few of them."""
    known = run.services.library.paths
    if name in known:
        return known[name]
    try:
        path: Path | None = parse_path(name, run.subject.terms)
    except PathError:
        path = None
    run.services.library.remember_path(name, path)
    return path


def _is_data(path: Path) -> bool:
    """Whether an object can hold it: commands and file headers are made when they are written."""
    return path.tag >> 16 > 0x0002


def formatted_text(form: str, value: str) -> str:
    """A C format with one value in it. Numbers are what the value begins with."""
    return _CONVERSION.sub(lambda found: _converted(found, value), form)


def _converted(found: re.Match[str], value: str) -> str:
    if found[0] == "%%":
        return "%"
    width = min(int(found[2] or 0), 255)
    precision = None if found[3] is None else min(int(found[3] or 0), 255)
    spec = f"%{found[1]}{width or ''}{'' if precision is None else f'.{precision}'}{found[4]}"
    if found[4] == "s":
        return spec % value
    if found[4] in "fg":
        return spec % leading_float(value)
    number = leading_integer(value) & 0xFFFFFFFF
    return spec % (number if found[4] == "x" or number < 1 << 31 else number - (1 << 32))


def fix_kodak(run: Run, word: str, _text: str) -> Status:
    """A patient ID of 8 digits loses the 0 before it."""
    run.operator(f"{run.where} executes: {word}")
    patient = run.subject.attribute(PATIENT_ID)
    fixed = fixed_from_kodak(patient)
    if fixed != patient:
        run.subject.data.set_text(PATIENT_ID, fixed)
        run.debug(f"Fixed patient ID from kodak, now {fixed} ")
    return Status.NEXT


def fixed_from_kodak(patient: str) -> str:
    """A patient ID after `fixkodak`."""
    is_one = _is_number(patient, 8) and patient.startswith("0") and int(patient) > KODAK_LEAST
    return patient[1:] if is_one else patient


def fixed_to_kodak(patient: str) -> str:
    """A patient ID after `unfixkodak`."""
    return f"0{patient}" if _is_number(patient, 7) and int(patient) > KODAK_LEAST else patient


def unfix_kodak(run: Run, word: str, _text: str) -> Status:
    """A patient ID of 7 digits gets it back."""
    run.operator(f"{run.where} executes: {word}")
    patient = run.subject.attribute(PATIENT_ID)
    fixed = fixed_to_kodak(patient)
    if fixed != patient:
        run.subject.data.set_text(PATIENT_ID, fixed)
        run.debug(f"Fixed patient ID to kodak, now {fixed}")
    return Status.NEXT


def _is_number(text: str, digits: int) -> bool:
    return len(text) == digits and text.isascii() and text.isdigit()


def scrub(run: Run, _word: str, text: str) -> Status:
    """`scrub -LIST` removes, `scrub +LIST` keeps alone: VRs, groups, tags, `priv`. Nothing is protected."""
    found = forms.SCRUB.match(text)
    if found is None:
        return Status.NEXT
    keep = found[1] == "+"
    run.debug(f"Scrubbing: {found[1]},{found[2]},")
    listed = frozenset(found[2].split(","))
    data = run.subject.data
    for tag in data.tags():
        if _is_listed(data, tag, listed) != keep and (run.subject.outside is None or tag != run.subject.outside[0]):
            data.delete(tag)
    run.debug(f"{run.where}: {text}")
    return Status.NEXT


def _is_listed(data: DataSet, tag: int, listed: frozenset[str]) -> bool:
    group = tag >> 16
    return (
        f"{group:04X}" in listed
        or f"{tag:08X}" in listed
        or data.vr(tag).decode("latin-1") in listed
        or ("priv" in listed and group & 1 == 1)
    )
