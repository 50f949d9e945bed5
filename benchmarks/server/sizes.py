"""How much is sent and asked in one run of each workload."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.server import objects
from benchmarks.server.objects import Kind


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is sent in one run of each workload."""

    small: int = 1000
    ct: int = 300
    ct4: int = 1000
    big: int = 6
    echoes_fresh: int = 300
    echoes: int = 3000
    storescu: int = 150
    retrieved: int = 200
    huge: Kind = objects.MULTI_1GB
    patients: tuple[int, int] = (200, 1000)
    queries: int = 40
    warm: int = 2048
    """Megabytes."""


QUICK = Sizes(
    small=40, ct=20, ct4=40, big=1, echoes_fresh=10, echoes=50, storescu=10, retrieved=20,
    huge=objects.MULTI_50MB, patients=(4, 20), queries=4, warm=1,
)  # fmt: skip
