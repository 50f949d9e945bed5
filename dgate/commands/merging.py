"""`mergestudy:` and `mergeseries:`: several studies or series become one (conquest-server.md 11.2).

The reference gives neither arguments nor answers; here they are `ID,UID\\UID...` and those of `modifystudy:`. What is
merged has a UID that neither had, its objects have new UIDs too, and what they say of each other stays true. The line
`MergeStudiesConverter0` or `MergeSeriesConverter0` of dicom.ini then works on each object. UIDMODS keeps under the
stage `merge` what became what, so that a merge that was interrupted goes on where the same command is given again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgate.archive.delete import Names
from dgate.commands.arguments import as_bytes
from dgate.commands.context import CommandError
from dgate.commands.database import select
from dgate.commands.images import find_images
from dgate.commands.modifying import modify_all, rules_of
from dgate.dataset.structure import DataSetError
from dgate.dataset.uidmap import replace_uids
from dgate.index.tables import Level
from dgate.rules.naming import replacements
from dgate.rules.outcome import Outcome

if TYPE_CHECKING:
    from dgate.commands.context import Context
    from dgate.rules.interfaces import Association
    from dgate.rules.subject import Subject

STAGE = KIND = b"merge"
_HOOKS = {Level.STUDY: "MergeStudiesConverter", Level.SERIES: "MergeSeriesConverter"}


def mergestudy_command(context: Context, arguments: str) -> str:
    """`ID,UID\\UID[\\UID...]`: make one study of a patient's studies; their series stay apart."""
    patient, uids = _named(arguments)
    series = [uid for study in uids for uid in _below(context, Level.STUDY, study)]
    return _merge(context, Level.STUDY, patient, uids, series)


def mergeseries_command(context: Context, arguments: str) -> str:
    """`ID,UID\\UID[\\UID...]`: make one series of the series of one study."""
    patient, uids = _named(arguments)
    if len({study for uid in uids for study in _above(context, Level.SERIES, uid)}) > 1:
        raise CommandError("the series belong to different studies: mergestudy first")
    return _merge(context, Level.SERIES, patient, uids, ())


def _named(arguments: str) -> tuple[str, list[str]]:
    patient, _, listed = arguments.rpartition(",")
    uids = [uid.strip() for uid in listed.split("\\")]
    if not patient.strip() or len(set(uids)) < 2 or not all(uids):
        raise CommandError("expected ID,UID\\UID: an ID, and two or more UIDs")
    return patient, uids


def _above(context: Context, level: Level, uid: str) -> list[str]:
    names = Names(context.tables)
    sql = f"SELECT {names.links[level]} FROM {names.tables[level]} WHERE {names.keys[level]} = CAST(? AS TEXT)"  # noqa: S608 - names from dicom.sql
    return [above for (above,) in select(context.options, sql, (as_bytes(uid),))]


def _below(context: Context, level: Level, uid: str) -> list[str]:
    names, below = Names(context.tables), level + 1
    sql = f"SELECT {names.keys[below]} FROM {names.tables[below]} WHERE {names.links[below]} = CAST(? AS TEXT)"  # noqa: S608 - names from dicom.sql
    return [found for (found,) in select(context.options, sql, (as_bytes(uid),))]


def _merge(context: Context, level: Level, patient: str, uids: list[str], series: Sequence[str]) -> str:
    found = {uid: find_images(context, level, patient, uid) for uid in uids}
    images = [image for part in found.values() for image in part]
    missing = [uid for uid, part in found.items() if not part]
    new = _new_uids(context, uids, [*series, *(image.uid.decode("latin-1") for image in images)], missing)
    converters = context.archive.stores.converters

    def change(subject: Subject, association: Association) -> Outcome:
        replace_uids(subject.data, new.get)
        return Outcome.STORED if converters is None else converters.run_hook(_HOOKS[level], subject, association)

    return modify_all(context, images, change)


def _new_uids(context: Context, merged: list[str], others: list[str], missing: list[str]) -> dict[str, str]:
    """What each UID becomes. Raises `CommandError` for one that is not there and was never merged."""
    try:
        with replacements(rules_of(context)) as table:
            for uid in missing:
                if not table.is_known(as_bytes(uid), STAGE):
                    raise CommandError(f"the patient has no images with the UID {uid[:64]}")
            new = table.replacement(as_bytes(merged[0]), STAGE, kind=KIND)
            for uid in merged[1:]:
                table.choose(as_bytes(uid), new, STAGE, kind=KIND)
            made = {uid: table.replacement(as_bytes(uid), STAGE, kind=KIND).decode() for uid in others}
    except DataSetError as fault:
        raise CommandError(str(fault)) from fault
    return made | dict.fromkeys(merged, new.decode())
