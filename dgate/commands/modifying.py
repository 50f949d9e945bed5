"""`modifyimage:`, `modifystudy:`, `modifyseries:`, `modifypatid:`, `anonymize:` (conquest-server.md 11.2).

The answer is `0`, or `1` and how many images stay as they are; why is in the log. A script is a line of the converter
language; in one without a `"`, a `'` stands for it. The reference gives neither the arguments nor the answers of those
that take a script: arguments are those of Conquest's manual, answers those of `addimagefile:` and the moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dgate.archive.modify import Change, NotModifiedError, modify
from dgate.commands.arguments import as_bytes, split
from dgate.commands.context import DONE, CommandError
from dgate.commands.images import image_of, images_of
from dgate.index.tables import Level
from dgate.interfaces import Session
from dgate.rules.anonymizing import anonymize, rename
from dgate.rules.naming import replacements
from dgate.rules.outcome import FINAL, Outcome, Status, outcome_of
from dgate.rules.run import SUBORDINATE, Run, shown

if TYPE_CHECKING:
    from dgate.archive.modify import Stored
    from dgate.commands.context import Context
    from dgate.dataset.uidmap import Change as Replaced
    from dgate.dataset.uidmap import Mapper
    from dgate.rules.interfaces import Association, Services
    from dgate.rules.subject import Subject

SCRIPT_FILE = "anonymize_script.cq"
"""In the instance's folder: it takes the place of what is removed otherwise."""
KIND = b"command"


def modifyimage_command(context: Context, arguments: str) -> str:
    """`FILE,SCRIPT`: change the image in a file of the archive."""
    name, script = (part.strip() for part in split(arguments, ",", 2))
    return modify_all(context, [image_of(context, name)], _by_script(context, script))


def modifystudy_command(context: Context, arguments: str) -> str:
    """`ID,study UID,SCRIPT`: change all images of a study; without a UID, of all studies of the patient."""
    patient, uid, script = split(arguments, ",", 3)
    return modify_all(context, images_of(context, Level.STUDY, patient, uid), _by_script(context, script.strip()))


def modifyseries_command(context: Context, arguments: str) -> str:
    """`ID,series UID,SCRIPT`: the same with a series."""
    patient, uid, script = split(arguments, ",", 3)
    return modify_all(context, images_of(context, Level.SERIES, patient, uid), _by_script(context, script.strip()))


def modifypatid_command(context: Context, arguments: str) -> str:
    """`ID,FILE`: give an archived image to another patient, with new UIDs. The old one goes last."""
    patient, name = _patient_and_file(arguments)
    return modify_all(context, [image_of(context, name)], to_patient(context, patient))


def anonymize_command(context: Context, arguments: str) -> str:
    """`ID,FILE`: the same, and whatever tells who it was goes as well: see `dgate.rules.anonymizing`.

    UIDMODS knows which UIDs the new ones stand for.
    """
    patient, name = _patient_and_file(arguments)
    services = rules_of(context)
    path = services.library.find_file(SCRIPT_FILE, context.settings.base_dir)

    def change(subject: Subject, association: Association) -> Outcome:
        if path is None:
            _with_new_uids(services, lambda mapper: anonymize(subject, patient, mapper))
            return Outcome.STORED
        status = _run_file(services, path, subject, association)
        _with_new_uids(services, lambda mapper: rename(subject, patient, mapper))
        return outcome_of(status)

    return modify_all(context, [image_of(context, name)], change)


def to_patient(context: Context, patient: str) -> Change:
    """Give an object to the patient with this ID, one character for each byte. Raises `CommandError`."""
    services = rules_of(context)

    def change(subject: Subject, _association: Association) -> Outcome:
        _with_new_uids(services, lambda mapper: rename(subject, patient, mapper))
        services.log.console(shown(f"Modified patient ID to: {patient}"))
        return Outcome.STORED

    return change


def _patient_and_file(arguments: str) -> tuple[str, str]:
    """The ID with one character for each byte. Raises `CommandError`."""
    patient, name = (part.strip() for part in split(arguments, ",", 2))
    if not patient or not name:
        raise CommandError("expected ID,FILE")
    return as_bytes(patient).decode("latin-1"), name


def rules_of(context: Context) -> Services:
    """What runs lines and keeps UIDs. Raises `CommandError`."""
    if context.rules is None:
        raise CommandError("only a running server does this")
    return context.rules()


def _by_script(context: Context, script: str) -> Change:
    if not script:
        raise CommandError("expected a script behind the last comma")
    services = rules_of(context)
    text = as_bytes(script if '"' in script else script.replace("'", '"')).decode("latin-1")
    line = services.library.line(text)

    def change(subject: Subject, association: Association) -> Outcome:
        return outcome_of(line.run(Run("Importconverter", SUBORDINATE, subject, association, services)))

    return change


def _run_file(services: Services, path: str, subject: Subject, association: Association) -> Status:
    run = Run("Importconverter", SUBORDINATE, subject, association, services)
    for line in services.library.file(path.encode("latin-1"), run):
        status = line.run(run)
        if status is Status.RETURN or status in FINAL:
            return status
    return Status.NEXT


def _with_new_uids(services: Services, work: Callable[[Mapper], list[Replaced]]) -> None:
    """Raises `DataSetError`."""
    with replacements(services) as table:

        def mapper(uid: str) -> str:
            return table.replacement(uid.encode("latin-1"), kind=KIND).decode("latin-1")

        changes = work(mapper)
    terms = services.terms.get()
    for change in changes:
        services.log.console(f"NewUID for {terms.keyword(change.tag)} = {change.new}")


def modify_all(context: Context, images: Sequence[Stored], change: Change) -> str:
    """Let `change` work on each of them; the answer."""
    services, session, kept = rules_of(context), Session(), 0
    try:
        for image in images:
            try:
                modify(context.archive, services, image, change, session)
            except NotModifiedError as fault:
                kept += 1
                context.log.console(f"***Image {image.uid.decode('latin-1')} stays as it is: {fault}")
    finally:
        session.end()
    context.log.console(f"Modified {len(images) - kept} of {len(images)} images")
    return f"1 {kept} of {len(images)} images could not be modified" if kept else DONE
