"""Fixtures of the tests against real engines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.dockerside import docker_environ, open_engine
from tests.integration.operators import OWNER, Operator


@pytest.fixture(autouse=True)
def _alone(one_fleet_at_a_time: None) -> None:
    """Everything here starts something."""


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    (tmp_path / "instances").mkdir()
    os.chown(tmp_path / "instances", *OWNER)
    environ = {**docker_environ(), "XDG_STATE_HOME": str(tmp_path / "state"), "CONQUESTCTL_ENGINE": "docker"}
    somebody = Operator(tmp_path, open_engine(), environ)
    yield somebody
    somebody.clear()
