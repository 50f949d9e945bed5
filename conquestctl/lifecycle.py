"""Up, down and restart of many instances: observe -> plan -> execute with bounded workers -> wait for C-ECHO."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from conquestctl.engine.base import Engine, Observed, State
from conquestctl.errors import ConquestError, ExitStatus, Interrupted
from conquestctl.fleet.hold import hold
from conquestctl.fleet.instance import Instance
from conquestctl.plan import Action, Desired, Step, plan_down, plan_restart, plan_up
from conquestctl.readiness import Echo, Watch, echo_instance, still_running

WORKERS = 4
"""Engine work in flight. Docker is saturated by two to four; more only make each one slower."""
BUSY_TIMEOUT = 120.0
"""How long to wait for another conquestctl that is at work on the same instance."""
LOOK_EVERY = 0.5
LOG_LINES = 10
"""Last lines of the console that a failure shows."""

Report = Callable[[str, str], None]
"""`report(name, text)`: what an instance is at; called from several threads."""
Planner = Callable[[Sequence[Desired], Mapping[str, Observed]], list[Step]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one instance."""

    instance: str
    action: Action
    message: str
    error: ConquestError | None = None
    log: tuple[str, ...] = ()
    """Last lines of its console, when it started and failed."""

    @property
    def ok(self) -> bool:
        """Whether it is as it was asked to be."""
        return self.error is None


def silent(_name: str, _text: str) -> None:
    """A `Report` to nobody."""


def up(
    instances: Sequence[Instance],
    engine: Engine,
    *,
    timeout: float = 30.0,
    workers: int = WORKERS,
    report: Report = silent,
    echo: Echo = echo_instance,
) -> list[Outcome]:
    """Start what does not run, recreate what changed, and return when each has answered a C-ECHO or failed.

    The outcomes come in the order of `instances`; one that fails does not stop the others. `timeout` begins when the
    last one was started. Raises `EngineError` when nothing can be done at all, and `Interrupted` for Ctrl-C.
    """
    return _Rise(engine, timeout, workers, report, echo).run(instances, plan_up)


def restart(
    instances: Sequence[Instance],
    engine: Engine,
    *,
    timeout: float = 30.0,
    workers: int = WORKERS,
    report: Report = silent,
    echo: Echo = echo_instance,
) -> list[Outcome]:
    """Like `up`, but what runs as asked is stopped and started as well."""
    return _Rise(engine, timeout, workers, report, echo).run(instances, plan_restart)


def down(
    instances: Sequence[Instance], engine: Engine, *, workers: int = 2 * WORKERS, report: Report = silent
) -> list[Outcome]:
    """Stop and remove; data stays. One that is down already is a success. Raises like `up`."""
    with hold(instances, BUSY_TIMEOUT, partial(_busy, report)) as refused:
        held = [instance for instance in instances if instance.name not in refused]
        by_name = {instance.name: instance for instance in held}
        steps = plan_down(held, engine.observe(held))
        outcomes = {name: _failure(name, Action.NONE, error) for name, error in refused.items()}
        with ThreadPoolExecutor(workers) as pool:
            pending = {pool.submit(_take_down, engine, by_name[step.instance], step, report): step for step in steps}
            try:
                wait(pending)
            except KeyboardInterrupt:
                pool.shutdown(wait=True, cancel_futures=True)
                raise _interrupted(engine, held) from None
        for future, step in pending.items():
            outcomes[step.instance] = _result(future, step)
    return [outcomes[instance.name] for instance in instances]


def preview(instances: Sequence[Instance], engine: Engine, planner: Planner) -> list[Step]:
    """What `up` or `restart` would do now. Raises `InvalidError` for a folder that cannot be read as a whole."""
    desired = [Desired(instance, engine.spec_hash(instance)) for instance in instances]
    return planner(desired, engine.observe(instances))


def exit_status(outcomes: Sequence[Outcome]) -> ExitStatus:
    """OK, PARTIAL when some failed, and when all failed what they failed of, if that is the same for all."""
    failed = {outcome.error.status for outcome in outcomes if outcome.error is not None}
    if not failed:
        return ExitStatus.OK
    if any(outcome.ok for outcome in outcomes):
        return ExitStatus.PARTIAL
    return failed.pop() if len(failed) == 1 else ExitStatus.FAILURE


class _Rise:
    """One run of `up` or `restart`."""

    def __init__(self, engine: Engine, timeout: float, workers: int, report: Report, echo: Echo) -> None:
        self._engine = engine
        self._workers = workers
        self._report = report
        self._watch = Watch(echo, timeout)

    def run(self, instances: Sequence[Instance], planner: Planner) -> list[Outcome]:
        with hold(instances, BUSY_TIMEOUT, partial(_busy, self._report)) as refused:
            outcomes = {name: self._failed(name, Action.NONE, error) for name, error in refused.items()}
            desired = []
            for instance in instances:
                if instance.name not in refused:
                    try:
                        desired.append(Desired(instance, self._engine.spec_hash(instance)))
                    except ConquestError as error:
                        outcomes[instance.name] = self._failed(instance.name, Action.NONE, error)
            if desired:
                outcomes |= self._execute(desired, planner)
        return [outcomes[instance.name] for instance in instances]

    def _execute(self, desired: Sequence[Desired], planner: Planner) -> dict[str, Outcome]:
        by_name = {one.instance.name: one.instance for one in desired}
        steps = planner(desired, self._engine.observe(list(by_name.values())))
        changing = [by_name[step.instance] for step in steps if step.action is not Action.NONE]
        if changing:
            self._engine.prepare(changing)
        acting = ThreadPoolExecutor(self._workers)
        waiting = ThreadPoolExecutor(len(steps))
        try:
            outcomes = self._pipeline(steps, by_name, acting, waiting)
        except KeyboardInterrupt:
            self._end(acting, waiting)
            raise _interrupted(self._engine, list(by_name.values())) from None
        finally:
            self._end(acting, waiting)
        return self._checked(outcomes, by_name)

    def _end(self, *pools: ThreadPoolExecutor) -> None:
        """What has not begun does not begin; what has is finished, because half a step is worse than one."""
        self._watch.give_up()
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def _pipeline(
        self,
        steps: Sequence[Step],
        by_name: Mapping[str, Instance],
        acting: ThreadPoolExecutor,
        waiting: ThreadPoolExecutor,
    ) -> dict[str, Outcome]:
        """Each is waited for as soon as it is started, while others are still being created."""
        outcomes: dict[str, Outcome] = {}
        acts = {acting.submit(self._act, by_name[step.instance], step): step for step in steps}
        waits: dict[Future[Outcome], Step] = {}
        while acts or waits:
            everything: list[Future[Any]] = [*acts, *waits]
            done, _ = wait(everything, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            for act in [future for future in acts if future in done]:
                step, failure = acts.pop(act), act.result()
                if failure is None:
                    waits[waiting.submit(self._await, by_name[step.instance], step)] = step
                else:
                    outcomes[step.instance] = failure
                if not acts:
                    self._watch.all_started()
            for answered in [future for future in waits if future in done]:
                outcomes[waits.pop(answered).instance] = answered.result()
            if not done:
                self._watch.look(self._engine)
        return outcomes

    def _act(self, instance: Instance, step: Step) -> Outcome | None:
        """Carry out the step; its failure, or None when it is done."""
        if step.action is Action.NONE:
            return None
        self._report(instance.name, f"{step.action}: {step.cause}")
        try:
            _carry_out(self._engine, instance, step.action)
        except ConquestError as error:
            return self._failed(instance.name, step.action, error)
        self._report(instance.name, "started, waiting for its C-ECHO answer")
        return None

    def _await(self, instance: Instance, step: Step) -> Outcome:
        try:
            seconds = self._watch.until_ready(instance)
        except ConquestError as error:
            failure = self._failed(instance.name, step.action, error)
            return replace(failure, log=last_lines(self._engine, instance))
        message = step.cause if step.action is Action.NONE else f"answers C-ECHO, {seconds:.2f} s after its start"
        self._report(instance.name, message)
        return Outcome(instance.name, step.action, message)

    def _checked(self, outcomes: dict[str, Outcome], by_name: Mapping[str, Instance]) -> dict[str, Outcome]:
        """Who answered may have been somebody else on the same port: what was started must still run."""
        fine = [by_name[name] for name, outcome in outcomes.items() if outcome.ok]
        for name, error in still_running(self._engine, fine).items():
            failure = self._failed(name, outcomes[name].action, error)
            outcomes[name] = replace(failure, log=last_lines(self._engine, by_name[name]))
        return outcomes

    def _failed(self, name: str, action: Action, error: ConquestError) -> Outcome:
        self._report(name, f"failed: {error.message}")
        return _failure(name, action, error)


def last_lines(engine: Engine, instance: Instance, count: int = LOG_LINES) -> tuple[str, ...]:
    """The end of an instance's console; nothing when the engine cannot say, because something else failed already."""
    try:
        text = b"".join(engine.logs(instance, tail=count)).decode("utf-8", "replace")
    except ConquestError:
        return ()
    return tuple(text.splitlines()[-count:])


def _carry_out(engine: Engine, instance: Instance, action: Action) -> None:
    if action in {Action.RECREATE, Action.RESTART}:
        engine.stop(instance)
    if action is Action.RECREATE:
        engine.remove(instance)
    made = action in {Action.CREATE, Action.RECREATE}
    if made:
        engine.create(instance)
    try:
        engine.start(instance)
    except ConquestError:
        if made:  # nothing half-made stays; the first failure is the one to tell
            with suppress(ConquestError):
                engine.stop(instance)  # a database that the server was to follow may run already
                engine.remove(instance)
        raise


def _take_down(engine: Engine, instance: Instance, step: Step, report: Report) -> str:
    if step.action is Action.NONE:
        report(instance.name, step.cause)
        return step.cause
    if step.action is Action.STOP:
        report(instance.name, "stopping")
        engine.stop(instance)
    engine.remove(instance)
    message = "stopped" if step.action is Action.STOP else f"removed what was left ({step.cause})"
    report(instance.name, message)
    return message


def _result(future: Future[str], step: Step) -> Outcome:
    try:
        return Outcome(step.instance, step.action, future.result())
    except ConquestError as error:
        return _failure(step.instance, step.action, error)


def _failure(name: str, action: Action, error: ConquestError) -> Outcome:
    return Outcome(name, action, error.message, error)


def _busy(report: Report, name: str) -> None:
    report(name, "waiting for another conquestctl that is at work on it")


def _interrupted(engine: Engine, instances: Sequence[Instance]) -> Interrupted:
    """What is true now that everything begun has ended."""
    observed = engine.observe(instances)
    running = [name for name, seen in observed.items() if seen.state is State.RUNNING]
    others = [name for name in observed if name not in running]
    message = f"interrupted; running: {', '.join(running) or 'none'}; not running: {', '.join(others) or 'none'}"
    return Interrupted(message, hint="The same command again goes on from here; conquestctl down stops what runs.")
