"""New UIDs, UIDs that stand for others, and the name that an object would get: `%g`, `%E`, `%R`, `%f`, `%b`, `%p`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dgate.dataset.structure import DataSetError
from dgate.index.index import FAULTS
from dgate.index.uidmods import GENERATED, NoRoomError, UIDMods, open_uidmods, uid_below

if TYPE_CHECKING:
    from dgate.rules.interfaces import Services
    from dgate.rules.run import Run

KIND = b"converter"

Mapper = Callable[[str], str | None]


def generated(run: Run) -> str:
    """`%g`. Raises `DataSetError` when UIDPrefix leaves no room for a UID."""
    try:
        return uid_below(run.services.settings().uid_prefix, GENERATED)
    except NoRoomError as fault:
        raise DataSetError(str(fault)) from fault


def mapped(run: Run, uid: str, *, back: bool) -> str:
    """`%E` and `%R`: what stands for a UID, or what it stands for; nothing where it stands for none."""
    if not uid:
        return ""
    with uid_mapper(run, "", back=back) as mapper:
        return mapper(uid) or ""


@contextmanager
def uid_mapper(run: Run, stage: str, *, back: bool) -> Iterator[Mapper]:
    """The replacements of one stage, in one transaction. Raises `DataSetError` if the database cannot be used."""
    name = _bytes(stage)
    with replacements(run.services) as table:
        if back:
            yield lambda uid: _text(table.original(_bytes(uid), name))
        else:
            yield lambda uid: _text(table.replacement(_bytes(uid), name, kind=KIND))


@contextmanager
def replacements(services: Services) -> Iterator[UIDMods]:
    """Which UID stands for which, in one transaction. Raises `DataSetError` if the database cannot be used."""
    try:
        with open_uidmods(services.index.writer, services.settings().uid_prefix) as table:
            yield table
    except FAULTS as error:
        raise DataSetError(f"UIDs cannot be mapped: {error}") from error
    except NoRoomError as error:
        raise DataSetError(str(error)) from error


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _text(uid: bytes | None) -> str | None:
    return None if uid is None else uid.decode("latin-1")


def full_name(run: Run) -> str:
    """`%f`: the file name that the object would get now; each time another one, as the original does."""
    return run.subject.file_name() if run.subject.file_name is not None else ""


def base_name(run: Run) -> str:
    """`%b`: without folder and extension."""
    return os.path.splitext(os.path.basename(full_name(run)))[0]


def directory(run: Run) -> str:
    """`%p`: the folder alone, with its slash."""
    name = full_name(run)
    return name[: name.rfind("/") + 1]
