"""The threads that work on the queue: one for each lane, there as long as the lane has something to do.

What is held in a lane, for its destination does not answer, waits for that one alone. After a failure the lane takes
nothing up for FailHoldOff seconds, and tries again what failed after RetryDelay: at first, then after growing pauses
that are a little different each time, so that many instances do not call a destination that is back all at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from dgate.forward import table
from dgate.forward.table import HELD, WAITING, Job, Work
from dgate.index.index import FAULTS
from dgate.rules.run import shown

if TYPE_CHECKING:
    from dgate.config.settings import Settings
    from dgate.forward.links import Links
    from dgate.forward.queues import Queues

TURN = 11
"""Fresh jobs that go before held ones; then one of those gets its turn."""
GROWTH, SLOWEST, JITTER = 2.0, 8.0, 0.1
"""By how much a pause is longer than the last one, how often RetryDelay it is at most, how much longer by chance."""
AFTER_A_FAULT = 5.0
"""Seconds until a lane looks again at a database that could not be used."""


class PassedOn(Exception):  # noqa: N818 - an outcome, not an error
    """Another lane goes on with the job."""

    def __init__(self, lane: str, work: Work) -> None:
        super().__init__(lane)
        self.lane = lane
        self.work = work


class Deferred(Exception):  # noqa: N818 - an outcome, not an error
    """To be done later, for ever; no failure."""


class Failed(Exception):  # noqa: N818 - an outcome, not an error
    """The destination cannot take it now; the text says why."""


class GivenUp(Exception):  # noqa: N818 - an outcome, not an error
    """It would not work the next time either; the text says why."""


class Worker(Protocol):
    """Carries out jobs."""

    def maximum_retries(self, settings: Settings) -> int:
        """Failures in a row that are borne; 0 is any number."""

    def carry_out(self, job: Job, lane: Lane) -> None:
        """Do it. Raises `PassedOn`, `Deferred`, `Failed`, `GivenUp`, OSError, `FAULTS`."""


def pause_after(failures: int, delay: float, chance: Callable[[], float] = random.random) -> float:
    """Seconds until what failed is tried again; the first two pauses are RetryDelay's own."""
    growth = GROWTH ** min(max(failures - 2, 0), 8)
    return delay * min(growth, SLOWEST) * (1 + JITTER * chance())


class Lane:
    """One destination, one export converter, or one kind of work."""

    def __init__(self, name: str, queues: Queues, worker: Worker, links: Links) -> None:
        self.name = name
        self.links = links
        self._queues = queues
        self._worker = worker
        self._condition = threading.Condition()
        self._called = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._hold_until = self._retry_at = 0.0
        self._fresh = 0

    def wake(self) -> None:
        """There is something to do. A thread that cannot be started now is with the next call."""
        with self._condition:
            self._called = True
            self._condition.notify()
            if self._thread is not None or self._stopping:
                return
            thread = threading.Thread(target=self._work, name=f"queue {self.name}", daemon=True)
            try:
                thread.start()
            except RuntimeError as fault:
                self._queues.log.console(f"***Cannot start a thread: {fault}")
            else:
                self._thread = thread

    def forgive(self) -> None:
        """Forget that anything failed, and look again."""
        self._failures, self._hold_until, self._retry_at = 0, 0.0, 0.0
        self.wake()

    @property
    def is_idle(self) -> bool:
        """Whether nobody works here now."""
        with self._condition:
            return self._thread is None

    def stop(self) -> None:
        """Take up nothing any more."""
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def join(self, seconds: float) -> None:
        """Wait for the job in hand."""
        with self._condition:
            thread = self._thread
        if thread is not None:
            thread.join(max(seconds, 0.0))

    # -- the thread

    def _work(self) -> None:
        while True:
            try:
                pause = self._step()
            except (*FAULTS, OSError) as fault:
                self._queues.log.console(f"***Queue {shown(self.name)}: {fault}")
                pause = AFTER_A_FAULT
            if not self._goes_on(pause):
                break
        self.links.close()

    def _goes_on(self, pause: float | None) -> bool:
        """Wait so many seconds, or for a call; False: the thread ends."""
        idle = self.links.close_idle(monotonic())
        if idle is not None:
            left = max(idle - monotonic(), 0.01)
            pause = left if pause is None else min(pause, left)
        with self._condition:
            if not self._called and not self._stopping and pause != 0:
                if pause is None:
                    self._thread = None
                    return False
                self._condition.wait(pause)
            self._called = False
            return not self._stopping

    def _step(self) -> float | None:
        """Do one job. How long to wait for the next one, None when there is none."""
        self._queues.ensure()
        now = time.time()
        with self._queues.reading() as connection:
            fresh, held = (table.first(connection, self.name, state) for state in (WAITING, HELD))
        fresh_wait = None if fresh is None else max(fresh.due - now, 0.0)
        held_wait = None if held is None else max(held.due - now, self._retry_at - monotonic(), 0.0)
        if fresh is not None and fresh_wait == 0 and not (held_wait == 0 and self._fresh >= TURN):
            self._fresh += 1
            self._take_fresh(fresh)
            return 0.0
        if held is not None and held_wait == 0:
            self._fresh = 0
            self._queues.log.console(f"Queue: retrying processing of file {shown(held.label)}")
            self._try(held)
            return 0.0
        return min((wait for wait in (fresh_wait, held_wait) if wait is not None), default=None)

    def _take_fresh(self, job: Job) -> None:
        if monotonic() < self._hold_until:
            self._hold(job, 0.0, failed=False, why="the destination has failed shortly before")
        else:
            self._try(job)

    def _try(self, job: Job) -> None:
        transact = self._queues.transact
        try:
            self._worker.carry_out(job, self)
        except PassedOn as other:
            self._pass_on(job, other.lane, other.work)
            return
        except Deferred:
            self._hold(job, time.time() + self._queues.settings.retry_delay, failed=False, why="deferred")
            return
        except Failed as fault:
            self._failed(job, str(fault))
            return
        except GivenUp as fault:
            why = str(fault)
            transact(lambda connection: table.bury(connection, job, why))
        except FAULTS:
            raise
        except OSError as fault:
            self._failed(job, fault.strerror or str(fault))
            return
        except Exception as fault:  # noqa: BLE001 - one job that cannot be done must not stop the others
            why = f"{type(fault).__name__}: {fault}"
            self._queues.log.console(f"***Queue: {shown(job.label)}: {why}")
            transact(lambda connection: table.bury(connection, job, why))
        else:
            transact(lambda connection: table.finish(connection, job))
        self._queues.failures.let_go(job)
        self._failures, self._hold_until, self._retry_at = 0, 0.0, 0.0

    def _pass_on(self, job: Job, lane: str, work: Work) -> None:
        self._queues.transact(lambda connection: table.hand_over(connection, job.id, lane, work))
        self._queues.failures.let_go(job)
        self._queues.wake(lane)

    def _failed(self, job: Job, why: str) -> None:
        settings = self._queues.settings
        self._failures += 1
        self._hold_until = monotonic() + settings.fail_hold_off
        self._retry_at = monotonic() + pause_after(self._failures, settings.retry_delay)
        maximum = self._worker.maximum_retries(self._queues.settings)
        self._hold(job, 0.0, failed=True, why=why)
        if 0 < maximum < self._failures:
            self._queues.log.console(
                f"*** Queue: {self._failures} retries exceeds set maximum of {maximum} - giving up"
            )
            self._failures = 0
            self._queues.transact(lambda connection: table.bury_held(connection, self.name, why))
            with self._queues.reading() as connection:
                self._queues.failures.take_up(connection)

    def _hold(self, job: Job, due: float, *, failed: bool, why: str) -> None:
        if job.state == WAITING:
            self._queues.log.console(f"Queue: holding processing of file {shown(job.label)}")
        self._queues.transact(lambda connection: table.hold(connection, job, due=due, failed=failed, why=why))
        self._queues.failures.hold(job)
