"""What a script may use (keys of dicom.ini that Conquest has not)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.record import dataclass

if TYPE_CHECKING:
    from dgate.config.settings import Settings

MEGA = 1024 * 1024
ROOM = 64 * MEGA
"""Memory beyond the limit. What is handed to a script must never meet the end of it: Lua would leave by a long jump
through Python, and the process would stand still for ever."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one script call, and of the memory that its state may keep."""

    instructions: int = 2000
    """LuaMaxInstructions, in millions. An endless loop ends after a quarter of a minute."""
    memory: int = 512
    """LuaMaxMemory, in MB."""
    sandbox: bool = False
    """LuaSandbox: without `os`, `io`, `package`, `debug` and `system`."""


def limits_of(settings: Settings) -> Limits:
    """The limits that dicom.ini gives."""
    return Limits(
        min(max(settings.lua_max_instructions, 1), 10_000_000),
        min(max(settings.lua_max_memory, 4), 1 << 20),
        settings.lua_sandbox,
    )
