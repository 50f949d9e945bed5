"""Whether Lua code can be compiled, where there is a Lua 5.1 on this machine. Nothing is run."""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

_MESSAGE = re.compile(r"[^:]*:(\d+): (.*)", re.DOTALL)


@cache
def _runtime() -> Any:
    """A compiler; None without one."""
    try:
        module = importlib.import_module("lupa.lua51")  # of the server, where scripts are wanted
    except ImportError:
        return None
    return module.LuaRuntime(encoding="latin-1", register_eval=False, register_builtins=False)


def can_check() -> bool:
    """Whether there is a compiler."""
    return _runtime() is not None


def syntax_fault(code: bytes) -> tuple[int, str] | None:
    """The line and the message of the first fault; None for none, or without a compiler."""
    runtime = _runtime()
    if runtime is None:
        return None
    if code.startswith(b"\x1b"):
        return 1, "this is compiled code, not a script"
    if code.startswith(b"#"):  # as Lua reads a file
        code = b"--" + code
    try:
        runtime.compile(code, name=b"=script")
    except Exception as error:  # noqa: BLE001 - lupa's own classes are not known without it
        found = _MESSAGE.match(str(error).removeprefix("error loading code: "))
        return (int(found[1]), found[2]) if found else (1, str(error))
    return None
