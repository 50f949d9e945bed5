"""What the tests of the fleet share: a host without listeners, and a fleet in a folder of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from conquestctl.fleet.allocate import Host
from conquestctl.fleet.create import Surroundings, create
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.request import requests_for
from conquestctl.fleet.scan import Fleet


def host(bound: Collection[int] = (), holders: Mapping[int, str] | None = None) -> Host:
    """A machine on which only these ports are in use."""
    return Host(lambda _address, port: port in bound, lambda port: (holders or {}).get(port, ""))


def around(tmp_path: Path, **more: str) -> Surroundings:
    return Surroundings({"XDG_STATE_HOME": str(tmp_path / "state"), **more}, host=host())


def make(tmp_path: Path, *names: str, count: int | None = None, **values: str) -> list[Instance]:
    """Create instances in the fleet `tmp_path/fleet`."""
    requests = requests_for(names, count=count, values=values, extra={})
    return create(Fleet.open(tmp_path / "fleet"), requests, around(tmp_path))
