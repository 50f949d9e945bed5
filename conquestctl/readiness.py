"""Waiting for started instances until each answers a C-ECHO under its own AE title.

Readiness is the protocol. Each instance is probed in its own thread: a plain TCP connection first, because it costs
nothing, and the real echo only when something listens that does not hang up. Whether what was started still runs is
asked by one call for all that wait.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from threading import BoundedSemaphore, Condition

from conquestctl.engine.base import Engine, Observed, State
from conquestctl.errors import ConquestError, EngineError, NotReadyError
from conquestctl.fleet.instance import Instance

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.2
CONNECT_TIMEOUT = 1.0
HANG_UP_WAIT = 0.03
"""Docker's port proxy accepts a connection before the server listens, then finds nobody behind it and hangs up at
once; a server that is there waits for our association request."""
ECHO_TIMEOUT = 3.0
"""For one attempt; a Ctrl-C waits no longer than that for those in progress."""
ECHOES_AT_ONCE = 16
LOOK_AFTER = 1.0
"""Seconds that an instance may take to answer before the engine is asked whether it still runs: most answer sooner,
and while others are still being created the engine has better things to do."""
TOLERATED_RESTARTS = 1
"""How often a look may find an instance between two runs before that counts as a failure."""

Echo = Callable[[Instance, float], str]
"""C-ECHO to an instance within so many seconds: empty when it answered, else what went wrong in words."""


class Watch:
    """What all waiting threads share: who is waiting, who is known to have ended, and until when we wait."""

    def __init__(self, echo: Echo, timeout: float) -> None:
        self._echo = echo
        self._timeout = timeout
        self._echoes = BoundedSemaphore(ECHOES_AT_ONCE)
        self._changed = Condition()
        self._waiting: dict[str, tuple[Instance, float]] = {}
        self._lost: dict[str, ConquestError] = {}
        self._restarts: dict[str, int] = {}
        self._deadline: float | None = None
        self._given_up = False

    def until_ready(self, instance: Instance) -> float:
        """Return the seconds until it answered.

        Raises `NotReadyError` when it ended or the time is over, whatever the engine raised when it was asked, and
        `InterruptedError` after `give_up`.
        """
        began = time.monotonic()
        with self._changed:
            self._waiting[instance.name] = (instance, began)
        try:
            self._probe(instance)
        finally:
            with self._changed:
                del self._waiting[instance.name]
        return time.monotonic() - began

    def all_started(self) -> None:
        """From now on the clock runs: one deadline for all, that does not punish the first of a large fleet."""
        with self._changed:
            self._deadline = time.monotonic() + self._timeout
            self._changed.notify_all()

    def give_up(self) -> None:
        """Wake all waiting threads and let them end."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def look(self, engine: Engine) -> None:
        """One call to the engine, or none when nobody has waited long: those that ended stop waiting."""
        before = time.monotonic() - LOOK_AFTER
        with self._changed:
            waiting = [instance for instance, began in self._waiting.values() if began <= before]
        if not waiting:
            return
        try:
            lost = self._judge(engine.observe(waiting))
        except ConquestError as error:
            lost = {instance.name: error for instance in waiting}
        with self._changed:
            self._lost.update(lost)
            self._changed.notify_all()

    def _judge(self, observed: dict[str, Observed]) -> dict[str, ConquestError]:
        lost: dict[str, ConquestError] = {}
        for name, seen in observed.items():
            if seen.state is State.RESTARTING:
                self._restarts[name] = self._restarts.get(name, 0) + 1
            if seen.state is not State.RESTARTING or self._restarts[name] > TOLERATED_RESTARTS:
                error = ended(seen)
                if error is not None:
                    lost[name] = error
        return lost

    def _probe(self, instance: Instance) -> None:
        pause, trouble = FIRST_PAUSE, "nothing listens on its port"
        while True:
            left = self._left(instance, trouble)
            if somebody_listens(instance.host, instance.port):
                with self._echoes:
                    trouble = self._echo(instance, min(ECHO_TIMEOUT, left))
                if not trouble:
                    return
            with self._changed:
                if instance.name not in self._lost and not self._given_up:
                    self._changed.wait(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _left(self, instance: Instance, trouble: str) -> float:
        """Seconds left. Raises when there is no point in going on."""
        with self._changed:
            if self._given_up:
                raise InterruptedError
            lost = self._lost.get(instance.name)
            if lost is not None:
                raise lost
            if self._deadline is None:
                return self._timeout
            left = self._deadline - time.monotonic()
        if left > 0:
            return left
        raise NotReadyError(
            f"{instance.name} runs, but gave no C-ECHO answer on {instance.host}:{instance.port} as"
            f" {instance.ae_title} within {self._timeout:g} s: {trouble}",
            hint=f"See what it says: conquestctl logs {instance.name}; or give it more time: --timeout.",
            instance=instance.name,
        )


def ended(seen: Observed) -> ConquestError | None:
    """The failure that this state of something just started means; None while it runs."""
    code = "" if seen.exit_code is None else f" with exit status {seen.exit_code}"
    said = {
        State.EXITED: f"{seen.instance} was started, but ended{code}",
        State.RESTARTING: f"{seen.instance} was started, but keeps ending{code}",
        State.ABSENT: f"{seen.instance} was started, but somebody removed it",
        State.CREATED: f"{seen.instance} was started, but did not run",
        State.PAUSED: f"{seen.instance} was started, but somebody paused it",
    }.get(seen.state)
    if said is None:
        return None
    return NotReadyError(said, hint=f"See what it says: conquestctl logs {seen.instance}", instance=seen.instance)


def somebody_listens(host: str, port: int) -> bool:
    """Whether a TCP connection is accepted and not hung up at once."""
    try:
        connection = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT)
    except OSError:
        return False
    with connection:
        connection.settimeout(HANG_UP_WAIT)
        try:
            return connection.recv(1) != b""
        except TimeoutError:
            return True  # silent and open: what a DICOM server does until it is spoken to
        except OSError:
            return False


def echo_instance(instance: Instance, timeout: float) -> str:
    """The real C-ECHO (`Echo`): first the quick one, and when that gets no answer the one that knows why."""
    from conquestctl.dicom.knock import answers
    from conquestctl.dicom.target import EchoTarget

    target = EchoTarget(instance.name, instance.ae_title, instance.host, instance.port)
    if answers(target, timeout=timeout / 2):
        return ""
    from conquestctl.dicom.echo import echo

    result = echo(target, timeout=timeout / 2)
    return "" if result.ok else result.detail or result.layer


def still_running(engine: Engine, instances: Sequence[Instance]) -> dict[str, ConquestError]:
    """One call: failures of those that do not run although something answered on their port."""
    if not instances:
        return {}
    try:
        observed = engine.observe(instances)
    except EngineError as error:
        return {instance.name: error for instance in instances}
    verdicts = {name: ended(seen) for name, seen in observed.items()}
    return {name: verdict for name, verdict in verdicts.items() if verdict is not None}
