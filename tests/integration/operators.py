"""An operator in a folder of their own who types real commands against a real Docker engine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conquestctl.engine import labels
from conquestctl.engine.base import State
from conquestctl.engine.docker import DockerEngine
from conquestctl.errors import ExitStatus
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.scan import Fleet
from tests.cli.running import Ran, conquestctl

OWNER = (1234, 1234) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
PROGRAM = [sys.executable, "-c", "from conquestctl.cli.main import main; main()"]


@dataclass
class Operator:
    """Somebody in a folder of their own who types commands."""

    folder: Path
    engine: DockerEngine
    environ: dict[str, str]

    def types(self, *words: str) -> Ran:
        return conquestctl(*words, cwd=self.folder, environ=self.environ)

    def types_well(self, *words: str) -> Ran:
        ran = self.types(*words)
        assert ran.status == ExitStatus.OK, ran.out + ran.err
        return ran

    def starts(self, *words: str) -> subprocess.Popen[str]:
        """The same in a process of its own."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def instances(self) -> dict[str, Instance]:
        return {one.name: one for one in Fleet.open(self.folder / "instances", self.environ).instances()}

    def states(self) -> dict[str, State]:
        """As the engine says it."""
        seen = self.engine.observe(list(self.instances().values()))
        return {name: one.state for name, one in seen.items()}

    def status(self, name: str) -> dict[str, Any]:
        """As `conquestctl status` says it."""
        (line,) = self.types_well("status", name, "--json").document["instances"]
        assert isinstance(line, dict)
        return line

    def clear(self) -> None:
        """Remove every container and network of the fleet, whoever made it."""
        client = self.engine.client
        for one in self.instances().values():
            for container in client.containers(all=True, filters={"label": [f"{labels.PROJECT}={one.project}"]}):
                client.remove_container(container["Id"], force=True)
        self.engine.remove_networks(list(self.instances().values()))
