"""Scripts of a running server (conquest-converters.md 11): a Lua state per association, made with its first script."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

from dgate.lua.border import Border
from dgate.lua.host import as_log_text, as_script_text
from dgate.lua.limits import limits_of
from dgate.lua.state import Fault, State, Unavailable
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.interfaces import Session
    from dgate.lua.host import Host
    from dgate.lua.state import Call, Scalar
    from dgate.rules.interfaces import Script
    from dgate.rules.run import Run

UNKNOWN = "0.0.0.0"
"""What the original says where it does not know the peer's address."""
MAX_MESSAGE = 2000
MAX_DEPTH = 8
"""Scripts that may be in the middle of running one another: each takes a piece of the machine's stack."""


class Bench:
    """A state with its border. Used by the thread of one association."""

    def __init__(self, host: Host, run: Run) -> None:
        limits = limits_of(run.services.settings())
        self.border = Border(host, limits)
        self.state = State(limits, _weakly(self.border))
        self.border.room = self.state.room_for
        self.depth = 0


def _weakly(border: Border) -> Call:
    """Lua's memory is not seen by Python's collector: what it holds for good must not hold the state in turn."""
    known = weakref.ref(border)

    def call(name: str, *arguments: Scalar) -> tuple[Scalar, ...]:
        found = known()
        return (False, "the state is closed") if found is None else found.call(name, *arguments)

    return call


class Engine:
    """Implements `ScriptEngine` of dgate.rules.interfaces. Thread-safe."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._missing = False

    def run(self, script: Script, run: Run) -> Status:
        """See `ScriptEngine`."""
        return self.run_for(script, run, UNKNOWN)

    def run_for(self, script: Script, run: Run, address: str) -> Status:
        """The same, and the script is told the address of the peer."""
        bench = self._bench(run)
        if bench.depth >= MAX_DEPTH:
            run.error(f"scripts run one another more than {MAX_DEPTH} deep")
            return Status.NEXT
        run.services.log.flush()  # the script's lines come from another thread
        border = bench.border
        outer = border.run, border.result, border.address
        if border.run is None:
            border.begin()
        border.run, border.result, border.address = run, Status.NEXT, address
        bench.depth += 1
        try:
            self._carry_out(script, run, bench)
            return border.result
        finally:
            bench.depth -= 1
            border.run, border.result, border.address = outer

    def _carry_out(self, script: Script, run: Run, bench: Bench) -> None:
        path = _path(script, run) if script.path or script.name else ""
        try:
            bench.state.returned = ""
            fault = bench.state.run(script.code, path, script.argument, self._host.version)
        except Unavailable as error:
            self._tell(run, str(error))
            return
        except RuntimeError as error:  # no more threads
            run.error(str(error))
            return
        if fault is not None:
            _report(run, fault, f"dofile(Global.basedir..'{script.name}')" if path else script.code)

    def _bench(self, run: Run) -> Bench:
        session = run.association.session
        bench = session.scripts
        if not isinstance(bench, Bench):
            bench = session.scripts = Bench(self._host, run)
            session.ending.append(lambda: _end(session))
        return bench

    def _tell(self, run: Run, why: str) -> None:
        """There is no Lua here: once for the whole server, for it will not come."""
        if not self._missing:
            self._missing = True  # also said at the start, unless the script came later
            run.services.log.console(f"***Lua is not available, scripts do not run: {why}")


def _end(session: Session) -> None:
    bench, session.scripts = session.scripts, None
    if isinstance(bench, Bench):
        bench.state.close()


def _path(script: Script, run: Run) -> str:
    """Which file: an absolute name as it is, any other one below the base directory, else where it was found."""
    if os.path.isabs(script.name) and _is_file(script.name):
        return script.name
    below = as_script_text(f"{run.services.settings().base_dir.rstrip('/')}/") + script.name
    return below if _is_file(below) else script.path


def _is_file(path: str) -> bool:
    return "\0" not in path and os.path.isfile(path.encode("latin-1", "replace"))


def _report(run: Run, fault: Fault, code: str) -> None:
    message = fault.message[:MAX_MESSAGE]
    run.services.log.console(as_log_text(f"*** lua {fault.kind} error {message} in '{code[:MAX_MESSAGE]}'"))
