"""The commands of export converters (conquest-converters.md 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dgate.config.converters.commands import CONDITIONS, DELAYED, IMMEDIATE, IMPORT, LUA
from dgate.forward.exportrun import ExportRun
from dgate.forward.immediate import asked_by, compressed, edited, failure, route_to
from dgate.forward.lanes import Deferred, Failed, GivenUp, PassedOn
from dgate.forward.links import (
    NotAcceptedError,
    NotForwardedError,
    RefusedError,
    UnreachableError,
    UnreadableError,
    policy_of,
)
from dgate.forward.parcel import digest_of, parcel_of
from dgate.forward.queues import TO, UNKNOWN
from dgate.forward.shell import shell_command
from dgate.forward.statement import Forward
from dgate.rules.outcome import Status
from dgate.rules.run import Run, shown
from dgate.rules.scripts import call
from dgate.rules.subject import SOP_UID
from dgate.rules.verbs import IMPORT_VERBS

if TYPE_CHECKING:
    from dgate.rules.program import Verb
    from dgate.rules.subject import Subject


def _executed_once(verb: Verb) -> Verb:
    """The verb, unless this statement was executed already before another lane took over."""

    def carry_out(run: Run, word: str, text: str) -> Status:
        if not isinstance(run, ExportRun) or run.root is not run:
            return verb(run, word, text)
        known = run.replayed.get(run.part)
        if known is not None:
            status = Status(known)
        else:
            run.silent = False
            status = verb(run, word, text)
        run.done[run.part] = status.value
        return status

    return carry_out


def _forward(run: Run, _word: str, text: str) -> Status:
    """Send the file, in the lane of its destination. A failure ends the line: `PassedOn`, `Failed`, `GivenUp`."""
    asked = asked_by(run, text)
    if asked is None or not isinstance(run, ExportRun) or run.part in run.sent:
        return Status.NEXT
    lane = UNKNOWN if route_to(asked, run.exporter.node) is None else TO + asked.destination
    if run.root is not run:
        return _within_script(run, lambda: _send(run, asked))
    if run.lane.name != lane:
        raise PassedOn(lane, {})
    _send(run, asked)
    run.sent.add(run.part)
    return Status.NEXT


def _within_script(run: ExportRun, act: Callable[[], None]) -> Status:
    """Do what may end the job; then the script's line ends, and the job with the script."""
    try:
        act()
    except (Deferred, Failed, GivenUp) as verdict:
        run.root.verdict = verdict
        return Status.STOP
    return Status.NEXT


def _put_off() -> None:
    """Raises `Deferred`."""
    raise Deferred


def _send(run: ExportRun, asked: Forward) -> None:
    exporter, where = run.exporter, f"ExportConverter{run.number}.{run.part}"
    subject = edited(run.subject, asked.script, run.as_import()) if asked.script else run.subject
    if subject is None:
        return
    uid, calling, digest = _visit(run, subject)
    known = exporter.node.config.amap.find(calling) is not None
    if exporter.visits.comes_back(uid, asked.destination, calling, digest, known=known):
        run.operator(f"{where}: not forwarded to {asked.destination}, the object came back from there or beyond")
        return
    run.operator(f"{where}: forward {run.path} to {asked.destination}")
    settings = exporter.node.config.settings
    try:
        route = route_to(asked, exporter.node)
        if route is None:
            raise UnreachableError(f"{asked.destination} is not in acrnema.map, or without a port there")
        run.lane.links.send(
            (run.number, run.part), route, parcel_of(compressed(subject, route.code, run.as_import()), run.path),
            policy_of(settings),
            lambda level: run.operator(f"{where}: forward association closed by {level}"),
        )  # fmt: skip
    except UnreadableError as fault:
        exporter.node.log.console(shown(f"*** {where}: Forward failed to load DICOM object {run.path}"))
        raise GivenUp(str(fault)) from fault
    except NotForwardedError as fault:
        exporter.node.log.console(shown(f"*** {where}: {failure(fault, asked.destination)}"))
        again = not isinstance(fault, NotAcceptedError) and not (
            isinstance(fault, RefusedError) and not settings.retry_forward_failed
        )
        raise (Failed if again else GivenUp)(str(fault)) from fault
    exporter.visits.note(uid, asked.destination, calling, digest)


def _visit(run: ExportRun, subject: Subject) -> tuple[str, str, int]:
    """What a loop is known by: the object, who brought it, and a digest."""
    return subject.attribute(SOP_UID), run.association.calling_ae.strip(" "), digest_of(subject)


def _defer(run: Run, _word: str, _text: str) -> Status:
    """The whole line runs again after RetryDelay. Raises `Deferred`."""
    run.debug(f"{run.where}: defer")
    if isinstance(run, ExportRun) and run.root is not run:
        return _within_script(run, _put_off)
    raise Deferred


def _delay(run: Run, _word: str, text: str) -> Status:
    forwarder = run.services.forwarder
    return Status.NEXT if forwarder is None else forwarder.delay(text, run)


def _call(run: Run, word: str, text: str) -> Status:
    """Called lines are import code, and change a copy only."""
    return call(run.as_import(), word, text) if isinstance(run, ExportRun) else Status.NEXT


_SAME = (
    *CONDITIONS, *LUA, "nop", "stop", "silentstop", "return", "save ", 'write "', 'append "', "copy ", "mkdir ", "rm ",
    "system ", "testmode ",
)  # fmt: skip
_ALL: dict[str, Verb] = {
    **dict.fromkeys(IMPORT, shell_command),
    **{word: IMPORT_VERBS[word] for word in _SAME},
    **dict.fromkeys(DELAYED, _delay),
    **dict.fromkeys(IMMEDIATE, _forward),
    "delete ": _delay,
    "defer": _defer,
    "call ": _call,
    "": shell_command,
}
EXPORT_VERBS: dict[str, Verb] = {word: _executed_once(verb) for word, verb in _ALL.items()}
"""All that export converters know; any other text is a shell command."""
