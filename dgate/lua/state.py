"""One Lua state: its thread, its limits, and how code runs in it. What a script can ask for is in `border.py`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from dgate.lua.limits import MEGA, ROOM, Limits
from dgate.lua.worker import Worker

PERIOD = 10_000
"""Instructions between two looks at the limits."""

Scalar = str | float | bool | None
Call = Callable[..., tuple[Scalar, ...]]


class Unavailable(Exception):  # noqa: N818 - a state of the installation
    """There is no Lua on this machine."""


class Fault(NamedTuple):
    """Why a script has ended: `syntax` or `run`, and Lua's message."""

    kind: str
    message: str


class State:
    """Globals live as long as this does. Used by one thread at a time."""

    def __init__(self, limits: Limits, call: Call) -> None:
        """`call` answers a script: name and arguments in; whether it went well and values, or a message, out."""
        self._limits = limits
        self._call = call
        self._worker = Worker("lua")
        self._lua: Any = None
        self._run: Callable[..., Any] = _nothing
        self._collect: Callable[[], Any] = _nothing
        self._unhook: Callable[[], Any] = _nothing
        self._depth = 0
        self.returned = ""
        """What the last script returned, as it would be printed."""

    def run(self, code: str, path: str = "", argument: str | None = None, version: str = "") -> Fault | None:
        """Run a chunk, or a file. Raises `Unavailable`, `RuntimeError` when there can be no more threads."""
        faults: list[Fault | None] = []
        self._worker.do(lambda: faults.append(self._carry_out(code, path, argument, version)))
        return faults[0]

    def room_for(self, size: int) -> bool:
        """Whether a script can be handed so many bytes."""
        lua = self._lua
        return lua is None or lua.get_memory_used() + size < self._limits.memory * MEGA + ROOM // 2

    def __del__(self) -> None:
        self._worker.stop()

    def close(self) -> None:
        """The end: what scripts have left open is closed."""
        if self._lua is not None:
            self._worker.do(self._end)
        self._worker.stop()

    def _end(self) -> None:
        self._run = self._collect = self._unhook = _nothing
        self._lua = None

    def _carry_out(self, code: str, path: str, argument: str | None, version: str) -> Fault | None:
        if self._lua is None:
            self._begin()
        self._depth += 1
        try:
            fault = self._attempt(code, path, argument, version)
        finally:
            self._depth -= 1
        if not self._depth:
            self._unhook()
            if fault is not None:
                self._tidy()
        return fault

    def _attempt(self, code: str, path: str, argument: str | None, version: str) -> Fault | None:
        from lupa.lua51 import LuaError

        try:
            found = self._run(code, path or None, argument, version, self._depth > 1)
        except LuaError as fault:  # a limit was passed: from then on not even our own instructions are carried out
            return Fault("run", str(fault).partition("\nstack traceback:")[0] or "not enough memory")
        kind, text = found if isinstance(found, tuple) else (None, None)
        if kind is None:
            self.returned = text or ""
        return None if kind is None else Fault(kind, text)

    def _tidy(self) -> None:
        """After a fault: garbage goes; globals that fill the memory would leave no room for any other script."""
        lua = self._lua
        if lua is None or lua.get_memory_used() < self._limits.memory * MEGA // 2:
            return
        self._collect()
        if lua.get_memory_used() >= self._limits.memory * MEGA // 2:
            self._end()

    def _begin(self) -> None:
        """Make the state. Raises `Unavailable`."""
        try:
            from lupa.lua51 import LuaRuntime
        except ImportError as fault:
            raise Unavailable(str(fault)) from fault
        lua = LuaRuntime(
            encoding="latin-1",
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_refuse,
            max_memory=0,
        )
        limits = self._limits
        prelude = lua.compile(_prelude(), name=b"=dgate")
        self._run, self._collect, self._unhook = prelude(
            self._call, limits.memory * 1024, limits.instructions * 1_000_000, PERIOD, limits.sandbox
        )
        lua.set_max_memory(limits.memory * MEGA + ROOM)
        self._lua = lua


def _nothing(*_: object) -> None:
    """There is no state yet, or none any more."""


def _refuse(_object: object, name: object, _setting: bool) -> str:
    """No attribute of anything of Python's is there for a script."""
    raise AttributeError(str(name))


@cache
def _prelude() -> str:
    with open(os.path.join(os.path.dirname(__file__), "prelude.lua"), encoding="ascii") as file:
        return file.read()
