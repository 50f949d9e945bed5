"""The commands of converters, but for those that act outside the object: these are told and not carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.config.converters import forms
from dgate.config.converters.commands import CONDITIONS, DELAYED, IMMEDIATE, IMPORT, LUA
from dgate.rules.outcome import Status
from dgate.rules.run import LITERAL, SUBORDINATE, Run
from dgate.rules.scripts import call
from dgate.rules.verbs import IMPORT_VERBS

if TYPE_CHECKING:
    import re

    from dgate.rules.interfaces import Services
    from dgate.rules.program import Verb
    from dgate.tryout.forwarding import Postman
    from dgate.tryout.record import Deed, Record

_HARMLESS = (*CONDITIONS, *LUA, "nop", "stop", "silentstop", "return", "testmode ")
"""What export converters do as import converters do."""
_FILES = ("save ", 'write "', 'append "', "copy ", "mkdir ", "rm ", "system ")


def import_verbs(record: Record) -> dict[str, Verb]:
    """Those of import converters and the other hooks."""
    acting: dict[str, Verb] = {
        "save ": _saver(record),
        'write "': _writer(record, forms.TEXT, 2),
        'append "': _writer(record, forms.TEXT, 2),
        "copy ": _writer(record, forms.COPY, 2),
        "mkdir ": _quiet(record, "write"),
        "rm ": _quiet(record, "remove"),
        "system ": _quiet(record, "run"),
        "process with ": _program(record),
    }
    return {**IMPORT_VERBS, **acting}


def export_verbs(record: Record, postman: Postman, services: Services) -> dict[str, Verb]:
    """Those of export converters; `services` are for what they call, which is import code."""

    def forward(run: Run, _word: str, text: str) -> Status:
        return postman.forward_stored(text, run, _as_import(run, services), _path(run))

    def called(run: Run, word: str, text: str) -> Status:
        return call(_as_import(run, services), word, text)

    def defer(run: Run, _word: str, _text: str) -> Status:
        run.debug(f"{run.where}: defer")
        record.would("queue", f"export converter {run.number} once more, after RetryDelay")
        return Status.STOP

    shared = import_verbs(record)
    return {
        **dict.fromkeys(IMPORT, _shell(record)),
        **{word: shared[word] for word in (*_HARMLESS, *_FILES)},
        **dict.fromkeys((*DELAYED, "delete "), lambda run, _word, text: postman.delay(text, run)),
        **dict.fromkeys(IMMEDIATE, forward),
        "defer": defer,
        "call ": called,
        "": _shell(record),
    }


def _writer(record: Record, pattern: re.Pattern[str], group: int) -> Verb:
    """For a command that names a file; a statement that has not got its form has no effect."""

    def tell(run: Run, _word: str, text: str) -> Status:
        found = pattern.match(text)
        if found is not None:
            run.operator(f"{run.where} executes: {text}")
            record.would("write", found[group])
        return Status.NEXT

    return tell


def _saver(record: Record) -> Verb:
    """`save` in its three forms."""
    whole, frame = _writer(record, forms.SAVE, 1), _writer(record, forms.FRAME, 2)

    def tell(run: Run, word: str, text: str) -> Status:
        found = forms.PICTURE.match(text)
        if found is not None:
            run.debug(f"{run.where} executes: {text}")
            record.would("write", found[3])
            return Status.NEXT
        return (whole if forms.SAVE.match(text) else frame)(run, word, text)

    return tell


def _quiet(record: Record, deed: Deed) -> Verb:
    """For a command of one argument whose log line is for who wants to see everything."""

    def tell(run: Run, word: str, text: str) -> Status:
        record.would(deed, text[len(word) :])
        run.debug(f"{run.where}: {text}")
        return Status.NEXT

    return tell


def _program(record: Record) -> Verb:
    def tell(run: Run, word: str, text: str) -> Status:
        run.operator(f"{run.where} executes: {text}")
        record.would("run", f"{text[len(word) :]} TEMPFILE, whose changes to the object are not known here")
        return Status.NEXT

    return tell


def _shell(record: Record) -> Verb:
    """Whatever is no command; without a value in it the file's name goes behind it, and the log does not tell."""

    def tell(run: Run, _word: str, text: str) -> Status:
        if not text:
            return Status.NEXT
        if any(source != LITERAL for source in run.sources):
            run.operator(f"{run.where} executes: {text}")
            record.would("run", text)
        else:
            record.would("run", f"{text} {_path(run)}")
        return Status.NEXT

    return tell


def _path(run: Run) -> str:
    return "" if run.subject.file_name is None else run.subject.file_name()


def _as_import(run: Run, services: Services) -> Run:
    """The run of lines that an export converter calls."""
    made = Run("Importconverter", SUBORDINATE, run.subject, run.association, services, run.budget, 1)
    made.part, made.texts, made.sources = run.part, run.texts, run.sources
    return made
