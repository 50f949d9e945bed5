"""What every association of one server shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.config.live import LiveConfig
    from dgate.interfaces import Archive, Log
    from dgate.net.limits import Doorkeeper, Limits


@dataclass(frozen=True, slots=True)
class Node:
    """One DICOM node as its associations see it."""

    archive: Archive
    log: Log
    limits: Limits
    door: Doorkeeper
    config: LiveConfig
    """Settings, AE titles and SOP classes as they are now. Each look costs a comparison of times."""
