"""What a server sees of other nodes from where it stands: `dgate.net.mesh` run beside it, and its findings in words."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conquestctl.dicom.verdict import Facts, Layer, verdict
from conquestctl.errors import EngineError
from conquestctl.fleet.instance import Instance
from dgate.config.amap import Node

if TYPE_CHECKING:
    from conquestctl.engine.base import Engine

COMMAND = ("python3", "-P", "-m", "dgate.net.mesh")
NOT_IN_MAP = "not in the map"
"""Beside the layers of `verdict`: the way ended before it began."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one server saw of one AE title."""

    ae: str
    entry: Node | None
    """The entry of its map that a look-up finds."""
    facts: Facts
    addresses: tuple[str, ...] = ()
    """What the entry's host resolved to."""
    connected: str = ""
    """The address that took the TCP connection."""
    seconds: float = 0.0

    def verdict(self) -> tuple[str, str]:
        """Return the layer at fault and the detail, both empty when the node answered."""
        if self.entry is None:
            return NOT_IN_MAP, f"no entry fits {self.ae}"
        if self.entry.port_number is None:
            return NOT_IN_MAP, f"the entry in line {self.entry.line} has no port"
        layer, detail = verdict(self.facts)
        return layer.value, f"{self.entry.host}: {detail}" if layer is Layer.NAME else detail


def look_from(engine: Engine, instance: Instance, titles: Sequence[str], timeout: float) -> list[Look]:
    """Ask nodes from inside an instance, all at once. Raises `EngineError` when that cannot be done there."""
    ran = engine.capture(instance, [*COMMAND, f"{timeout:g}", *titles])
    if ran.status:
        said = (ran.err or ran.out).decode("utf-8", "replace").strip().splitlines()
        raise EngineError(
            f"{instance.name} cannot look around: {said[-1] if said else f'exit status {ran.status}'}",
            hint="That needs our own server (dgate) in the image, and an instance that was started once.",
            instance=instance.name,
        )
    try:
        return parse_looks(ran.out, timeout)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"what {instance.name} says about its neighbours cannot be read: {error}"
        raise EngineError(message, instance=instance.name) from None


def parse_looks(document: bytes, timeout: float) -> list[Look]:
    """Read the document that `dgate.net.mesh` prints. Raises `ValueError`, `KeyError`, `TypeError` for another."""
    return [_look(one, timeout) for one in json.loads(document)["nodes"]]


def _look(document: dict[str, Any], timeout: float) -> Look:
    entry, seen = document["entry"], document["facts"]
    same = {name: seen[name] for name in ("called", "calling", "unresolved", "expired", "garbage", "accepted")}
    facts = Facts(
        **same,
        timeout=timeout,
        connect_errno=getattr(errno, seen["connect_error"], errno.EIO) if seen["connect_error"] else None,
        rejected=None if seen["rejected"] is None else tuple(seen["rejected"]),
        aborted=None if seen["aborted"] is None else tuple(seen["aborted"]),
        contexts=seen["contexts"],
        status=seen["status"],
    )
    node = Node(**entry) if entry else None
    return Look(document["ae"], node, facts, tuple(seen["addresses"]), seen["connected"], float(seen["seconds"]))
