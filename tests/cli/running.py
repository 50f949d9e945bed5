"""Run command lines inside the test's process, with an environment of their own."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conquestctl.cli.main import run
from conquestctl.fleet.allocate import Host
from conquestctl.fleet.create import Surroundings, create
from conquestctl.fleet.request import requests_for
from conquestctl.fleet.scan import Fleet
from conquestctl.output import Environment


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command line left behind."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert found["schema"] == 1
        return found


def conquestctl(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Ran:
    """Run `conquestctl ARGUMENTS` in `cwd`, whose `instances` folder is the fleet."""
    stdin, stdout, stderr = io.StringIO(), io.StringIO(), io.StringIO()
    variables = {"XDG_STATE_HOME": str(cwd / "state"), **(environ or {})}
    status = run(arguments, Environment(stdin, stdout, stderr, variables, cwd))
    return Ran(int(status), stdout.getvalue(), stderr.getvalue())


def make_instance(cwd: Path, name: str, *, port: int, ae_title: str | None = None) -> None:
    """Create an instance on disk; its port is taken as it is, even when something listens there already."""
    values = {"AETITLE": ae_title, "PORT": str(port), "BIND": None, "IMAGE": None}
    nobody = Host(bound=lambda _address, _port: False, holder=lambda _port: "")
    around = Surroundings({"XDG_STATE_HOME": str(cwd / "state")}, host=nobody)
    create(Fleet.open(cwd / "instances"), requests_for([name], count=None, values=values, extra={}), around)
