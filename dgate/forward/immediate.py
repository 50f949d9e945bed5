"""`forward to` in an import converter: the sender waits while the object goes on (conquest-converters.md 6.1)."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from dgate.forward.links import Links, NotAcceptedError, NotForwardedError, Route, UnreachableError, policy_of
from dgate.forward.parcel import copy_of, digest_of, parcel_of
from dgate.forward.statement import Forward, parse_forward, split_address
from dgate.net.proposing import code_for
from dgate.net.requestor import Destination
from dgate.record import replace
from dgate.rules.hooks import COMPRESSION, has_hook, run_hook, script_code
from dgate.rules.outcome import FINAL, Status
from dgate.rules.quoting import for_line
from dgate.rules.run import shown
from dgate.rules.subject import SOP_UID

if TYPE_CHECKING:
    from collections.abc import Hashable

    from dgate.forward.visited import Visits
    from dgate.net.node import Node
    from dgate.rules.run import Run
    from dgate.rules.subject import Subject

CHANNELS = 20
"""`channel *` gives each thread one of so many numbers."""
DEFAULT_CODE = "un"


def asked_by(run: Run, statement: str) -> Forward | None:
    """The statement taken apart; values in its script can neither end a statement there nor begin an item."""
    asked = parse_forward(statement)
    if asked is None or not asked.script:
        return asked
    safe = parse_forward(for_line(run.values))
    return replace(asked, script="" if safe is None else safe.script)


def route_to(asked: Forward, node: Node) -> Route | None:
    """The way to a destination as the map has it now; None for an unknown one."""
    address = split_address(asked.destination)
    code = DEFAULT_CODE
    if address is None:
        entry = node.config.amap.find(asked.destination)
        if entry is None or entry.port_number is None:
            return None
        address, code = (entry.host, entry.port_number), entry.compression
    calling, called = asked.calling or node.config.settings.ae_title, asked.called or asked.destination
    return Route(Destination(*address, calling, called), code_for("", asked.compression or code))


def edited(subject: Subject, line: str, run: Run) -> Subject | None:
    """A copy on which a line has run, numbered -1; None if the line destroyed it. Raises `DataSetError`."""
    below = run.below()
    below.subject = copy_of(subject)
    if run.services.library.line(line).run(below) in FINAL:
        return None
    return below.subject


def compressed(subject: Subject, code: str, run: Run) -> Subject:
    """The object as a compression code that is a line wants it sent; itself for all other codes.

    Raises `DataSetError`.
    """
    number = script_code(code)
    if number is None or not has_hook(run.services, COMPRESSION, number):
        return subject
    copy = copy_of(subject)
    run_hook(run.services, COMPRESSION, copy, run.association, number)
    return copy


class Immediate:
    """Sends at once. Thread-safe."""

    def __init__(self, node: Node, visits: Visits) -> None:
        self._node = node
        self._visits = visits
        self._links = Links(node.door, node.counters)
        self._condition = threading.Condition()
        self._closer: threading.Thread | None = None
        self._stopping = False
        self._senders: set[int] = set()

    def forward(self, statement: str, run: Run) -> Status:
        """See `Forwarder` of dgate.rules.interfaces. Whatever becomes of it, the line goes on."""
        asked = asked_by(run, statement)
        if asked is None:
            return Status.NEXT
        subject = edited(run.subject, asked.script, run) if asked.script else run.subject
        if subject is None:
            return Status.NEXT
        where = f"{run.prefix.replace('converter', 'Converter')}{run.number}.{_channel(asked, run)}"
        if self._goes_round(subject, asked.destination, run, where):
            return Status.NEXT
        run.operator(f"{where}: forwarded object to {asked.destination}")
        fault = self._send(asked, subject, run, where)
        if fault:
            self._visits.forget(subject.attribute(SOP_UID), asked.destination)
            self._node.log.console(shown(f"*** {where}: {fault}"))
        return Status.NEXT

    def stop(self) -> None:
        """Close what is open; what is under way ends first."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
            closer = self._closer
        if closer is not None:
            closer.join()
        self._links.close()

    def _goes_round(self, subject: Subject, destination: str, run: Run, where: str) -> bool:
        uid, digest = subject.attribute(SOP_UID), digest_of(subject)
        calling = run.association.calling_ae.strip(" ")
        known = self._node.config.amap.find(calling) is not None
        if self._visits.comes_back(uid, destination, calling, digest, known=known):
            run.operator(f"{where}: not forwarded to {destination}, the object came back from there or beyond")
            return True
        self._visits.note(uid, destination, calling, digest)  # before it is sent: it may be back before the answer
        return False

    def _send(self, asked: Forward, subject: Subject, run: Run, where: str) -> str:
        """Send it; what the log says if that fails."""
        route = route_to(asked, self._node)
        if route is None:
            return f"Forward failed to connect to host {asked.destination}"
        self._node.log.flush()  # what waits for another node
        key: Hashable = (run.prefix, run.number, _channel(asked, run))
        parcel = parcel_of(compressed(subject, route.code, run), "object")
        try:
            self._links.send(
                key, route, parcel, policy_of(self._node.config.settings),
                lambda level: run.operator(f"{where}: Forward association closed by {level}"),
            )  # fmt: skip
        except NotForwardedError as fault:
            return failure(fault, asked.destination)
        finally:
            self._watch()
        return ""

    # -- closing what is no longer used

    def _watch(self) -> None:
        """Have somebody close the association when nobody has used it for a while."""
        with self._condition:
            if self._closer is None and not self._stopping:
                self._closer = threading.Thread(target=self._close_in_time, name="forward closer", daemon=True)
                self._closer.start()

    def association_ended(self) -> None:
        """One that came to us ended: with the last one our own end too."""
        with self._condition:
            self._condition.notify()

    def _close_in_time(self) -> None:
        while True:
            if self._node.door.counts()[1] == 0:
                self._links.close()
            until = self._links.close_idle(monotonic())
            with self._condition:
                if self._stopping or (until is None and not self._links.any_open):
                    self._closer = None
                    return
                self._condition.wait(LOOK_EVERY if until is None else min(max(until - monotonic(), 0.01), LOOK_EVERY))


LOOK_EVERY = 0.5
"""Seconds, while an association is open."""


def _channel(asked: Forward, run: Run) -> int:
    if asked.channel == "*":
        return threading.get_ident() % CHANNELS
    return int(asked.channel) if asked.channel else run.part


def failure(fault: NotForwardedError, destination: str) -> str:
    """What the log says, in the original's words."""
    if isinstance(fault, UnreachableError):
        return f"Forward failed to connect to host {destination}"
    if isinstance(fault, NotAcceptedError):
        return f"DICOM server {destination} does not accept type of forwarded image"
    return f"Forward failed to send DICOM image to {destination}"
