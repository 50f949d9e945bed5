"""Statements that write files (conquest-converters.md 6). Names are relative to the working directory."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from typing import TYPE_CHECKING

from dgate.config.converters import forms
from dgate.dataset.formatting import leading_integer
from dgate.rules import imaging
from dgate.rules.objects import save
from dgate.rules.outcome import Status
from dgate.rules.quoting import for_path

if TYPE_CHECKING:
    from dgate.rules.run import Run


def save_object(run: Run, _word: str, text: str) -> Status:
    """`save to FILE`, `save frame N to FILE`, `save bmp to FILE`. A file that cannot be written is none, silently."""
    found = forms.SAVE.match(text)
    if found is None:
        return _save_image(run, text)
    with contextlib.suppress(OSError):  # the original says nothing either
        save(run.subject, _path(run, found, 1))
    run.operator(f"{run.where} executes: {text}")
    return Status.NEXT


def _save_image(run: Run, text: str) -> Status:
    if found := forms.FRAME.match(text):
        return imaging.save_frame(run, _path(run, found, 2), leading_integer(found[1]), text)
    if found := forms.PICTURE.match(text):
        return imaging.save_picture(run, _path(run, found, 3), found[1].lower(), found[2] or "", text)
    return Status.NEXT


def write_text(run: Run, word: str, text: str) -> Status:
    """`write "text" to FILE`, `append "text" to FILE`."""
    found = forms.TEXT.match(text)
    if found is None:
        return Status.NEXT
    verb = word[:-2]
    mode = os.O_TRUNC if verb == "write" else os.O_APPEND
    try:
        descriptor = os.open(_path(run, found, 2), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(found[1].encode("latin-1", "replace"))
    except OSError:
        run.operator(f"*** {run.where}: Failed to {verb} to file {found[2]}")
        return Status.NEXT
    run.operator(f"{run.where} executes: {text}")
    return Status.NEXT


def copy(run: Run, _word: str, text: str) -> Status:
    """`copy A to B`; B may be a folder."""
    found = forms.COPY.match(text)
    if found is None:
        return Status.NEXT
    source, target = _path(run, found, 1), _path(run, found, 2)
    try:
        if os.path.isdir(target):
            target = os.path.join(target, os.path.basename(source))
        shutil.copyfile(source, target)
    except OSError:
        run.operator(f"*** Exportconverter{run.number}.{run.part}: Failed to copy {found[1]} to {found[2]}")
        return Status.NEXT
    run.operator(f"{run.where} executes: {text}")
    return Status.NEXT


def make_folder(run: Run, word: str, text: str) -> Status:
    """`mkdir DIR/`, with all above it."""
    with contextlib.suppress(OSError):  # the original says nothing either
        os.makedirs(_rest(run, word), exist_ok=True)
    run.debug(f"{run.where}: {text}")
    return Status.NEXT


def remove(run: Run, word: str, text: str) -> Status:
    """`rm FILE`; whether it was there does not matter."""
    with contextlib.suppress(OSError):
        os.unlink(_rest(run, word))
    run.debug(f"{run.where}: {text}")
    return Status.NEXT


def _path(run: Run, found: re.Match[str], group: int) -> bytes:
    """A file name inside the statement that was matched."""
    return as_path(for_path(run.values)[found.start(group) : found.end(group)])


def _rest(run: Run, word: str) -> bytes:
    return as_path(for_path(run.values)[len(word) :])


def as_path(text: str) -> bytes:
    """A file name for the system. Raises OSError for one that cannot be."""
    if "\0" in text:
        raise FileNotFoundError(2, "a file name with a NUL in it")
    return text.encode("latin-1", "replace")
