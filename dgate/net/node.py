"""What every association of one server shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.net.counters import Counters
from dgate.record import dataclass, field

if TYPE_CHECKING:
    from dgate.config.live import LiveConfig
    from dgate.interfaces import Archive, Commands, Log
    from dgate.net.limits import Doorkeeper, Limits
    from dgate.net.operation import Scripts


@dataclass(frozen=True, slots=True)
class Node:
    """One DICOM node as its associations see it."""

    archive: Archive
    log: Log
    limits: Limits
    door: Doorkeeper
    config: LiveConfig
    """Settings, AE titles and SOP classes as they are now. Each look costs a comparison of times."""
    counters: Counters = field(default_factory=Counters)
    commands: Commands | None = None
    """Who runs server commands; without it they are all refused."""
    scripts: Scripts | None = None
    """Who runs the scripts of section `[lua]`."""
