"""What every association of one server shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.config.soplist import SopList
    from dgate.interfaces import Archive, Log
    from dgate.net.limits import Doorkeeper, Limits


@dataclass(frozen=True, slots=True)
class Node:
    """One DICOM node as its associations see it."""

    archive: Archive
    log: Log
    limits: Limits
    door: Doorkeeper
    sop_list: Callable[[], SopList]
    """The list for a new association."""
    store_failed: int = 0x0110
    """StorageFailedErrorCode: the only failure status of a C-STORE."""
