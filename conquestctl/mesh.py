"""Every instance asked for everybody it should reach, each from inside: what an operator elsewhere cannot see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conquestctl.dicom.causes import Way, cause
from conquestctl.dicom.look import Look, look_from
from conquestctl.engine.base import Engine, Observed, State
from conquestctl.errors import ConquestError
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.nodes import Neighbourhood
from dgate.config.amap import Node

WORKERS = 16
"""Instances asked at once. Most of the time is spent waiting for those who do not answer."""
TIMEOUT = 5.0
NOT_RUNNING = "not running"
CANNOT_LOOK = "cannot look"
"""Beside the layers of `verdict`: why nothing was asked from an instance."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One instance, and one node it should reach."""

    source: str
    target: str
    """Name of the instance at the other end; its AE title if it is none."""
    wanted: Node
    """The entry that the map should have."""
    layer: str = ""
    """The layer at fault; empty when the node answered."""
    detail: str = ""
    hint: str = ""
    look: Look | None = None
    """What was seen; None when nothing could be asked."""

    @property
    def ok(self) -> bool:
        """Whether the node answered."""
        return not self.layer


def mesh(chosen: Sequence[Instance], around: Neighbourhood, engine: Engine, *, timeout: float = TIMEOUT) -> list[Cell]:
    """Return a cell per chosen instance and node it should reach; what is wrong with an instance is in its own."""
    if not chosen:
        return []
    observed = engine.observe(chosen)
    with ThreadPoolExecutor(min(WORKERS, len(chosen))) as pool:
        rows = pool.map(lambda one: _row(one, around, engine, observed, timeout), chosen)
        return [cell for row in rows for cell in row]


def ways_from(source: Instance, around: Neighbourhood) -> list[Way]:
    """Return the ways to everybody an instance should reach."""
    siblings = {one.ae_title: one for one in around.instances if one.name != source.name}
    reader = around.readers[source.name]
    return [Way(source, reader, entry, siblings.get(entry.ae)) for entry in around.neighbours_of(source)]


def cell_of(way: Way, look: Look) -> Cell:
    """Judge what was seen on one way."""
    layer, detail = look.verdict()
    return Cell(way.source.name, _label(way), way.wanted, layer, detail, cause(way, look), look)


def _row(
    source: Instance, around: Neighbourhood, engine: Engine, observed: Mapping[str, Observed], timeout: float
) -> list[Cell]:
    ways = ways_from(source, around)
    if observed[source.name].state is not State.RUNNING:
        return _nothing_seen(ways, NOT_RUNNING, f"{source.name} is not running", f"conquestctl up {source.name}")
    if not ways:
        return []
    try:
        looks = look_from(engine, source, [way.wanted.ae for way in ways], timeout)
    except ConquestError as error:
        return _nothing_seen(ways, CANNOT_LOOK, error.message, error.hint)
    return [cell_of(way, look) for way, look in zip(ways, looks, strict=True)]


def _nothing_seen(ways: Sequence[Way], layer: str, detail: str, hint: str) -> list[Cell]:
    return [Cell(way.source.name, _label(way), way.wanted, layer, detail, hint) for way in ways]


def _label(way: Way) -> str:
    return way.sibling.name if way.sibling else way.wanted.ae
