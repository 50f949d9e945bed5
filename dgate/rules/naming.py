"""New UIDs, UIDs that stand for others, and the name that an object would get: `%g`, `%E`, `%R`, `%f`, `%b`, `%p`.

What replaces what is kept in the table UIDMODS, so the same question gets the same answer, across restarts too.
"""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dgate.dataset.structure import DataSetError
from dgate.index.database.dialect import BEGIN, COMMIT
from dgate.index.index import FAULTS

if TYPE_CHECKING:
    from dgate.index.database.base import Connection
    from dgate.rules.run import Run

GENERATED, CHANGED = 6, 7
"""Arc behind UIDPrefix."""
MAX_UID = 64

_serial = itertools.count(secrets.randbelow(1_000_000) * 1_000_000)
"""The last number of a UID. It begins anywhere, because instances with one UIDPrefix may ask within the same second."""

Mapper = Callable[[str], str | None]


def uid_below(prefix: str, arc: int) -> str:
    """A UID that nobody has. Raises `DataSetError` when UIDPrefix leaves no room for one."""
    uid = f"{prefix}.{arc}.{int(time.time())}.{next(_serial)}"
    if len(uid) > MAX_UID:
        raise DataSetError(f"UIDPrefix is too long: the UID would have {len(uid)} characters")
    return uid


def generated(run: Run) -> str:
    """`%g`."""
    return uid_below(run.services.settings().uid_prefix, GENERATED)


def mapped(run: Run, uid: str, *, back: bool) -> str:
    """`%E` and `%R`: what stands for a UID, or what it stands for; nothing where it stands for none."""
    if not uid:
        return ""
    with uid_mapper(run, "", back=back) as mapper:
        return mapper(uid) or ""


@contextmanager
def uid_mapper(run: Run, stage: str, *, back: bool) -> Iterator[Mapper]:
    """The replacements of one stage, in one transaction. Raises `DataSetError` if the database cannot be used."""
    prefix = run.services.settings().uid_prefix
    try:
        with run.services.index.writer.exclusive() as connection:
            connection.execute(BEGIN)
            if back:
                yield lambda uid: _old(connection, uid, stage)
            else:
                yield lambda uid: _new(connection, uid, stage, prefix)
            connection.execute(COMMIT)
    except FAULTS as error:
        raise DataSetError(f"UIDs cannot be mapped: {error}") from error


_STAGE = "COALESCE(Stage, '') = CAST(? AS TEXT)"


def _new(connection: Connection, old: str, stage: str, prefix: str) -> str:
    keys = old.encode("latin-1", "replace"), stage.encode("latin-1", "replace")
    sql = f"SELECT NewUID FROM UIDMODS WHERE OldUID = CAST(? AS TEXT) AND {_STAGE}"  # noqa: S608 - constants
    known = connection.execute(sql, keys).fetchone()
    if known is not None:
        return bytes(known[0]).decode("latin-1")
    made = uid_below(prefix, CHANGED)
    sql = (
        "INSERT INTO UIDMODS (MODTime, OldUID, MODType, NewUID, Stage, Annotation) "
        "VALUES (?, CAST(? AS TEXT), 'converter', CAST(? AS TEXT), CAST(? AS TEXT), '')"
    )
    connection.execute(sql, (int(time.time()), keys[0], made.encode(), keys[1]))
    return made


def _old(connection: Connection, new: str, stage: str) -> str | None:
    sql = f"SELECT OldUID FROM UIDMODS WHERE NewUID = CAST(? AS TEXT) AND {_STAGE}"  # noqa: S608 - constants
    known = connection.execute(sql, (new.encode("latin-1", "replace"), stage.encode("latin-1", "replace"))).fetchone()
    return None if known is None else bytes(known[0]).decode("latin-1")


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
